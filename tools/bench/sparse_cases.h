#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <adze/kernels/gemm_sparse.h>

#include "bench/sparse_weights.h"

namespace adze::bench {

/// How weights are held: in blocks, or dense.
using Blocks = std::optional<kernels::BlockShape>;

/// A product with pruned weights, with its data.
class SparseCase {
 public:
  virtual ~SparseCase() = default;

  /// "u8s8" or "f32".
  virtual std::string op() const = 0;
  virtual const std::vector<kernels::BlockShape>& block_shapes() const = 0;
  /// What the library chooses for the problem, and why.
  virtual Blocks choice() const = 0;
  virtual std::string why() const = 0;

  virtual void run(Blocks blocks) = 0;
  /// Compares what run() wrote with the reference; see ReferenceRows.
  virtual std::string compare() = 0;
  /// The kernels for such weights as the library sees them now.
  virtual std::vector<kernels::KernelInfo> table(Blocks blocks) const = 0;
  /// Makes run() use that kernel for weights in blocks; "" ends that.
  virtual void force(const std::string& kernel) = 0;

  /// Blocks that are held, and all.
  struct Kept {
    std::int64_t blocks, of;
  };
  virtual Kept kept(kernels::BlockShape shape) = 0;
  /// Microseconds of a call on one thread as the cost model thinks, if there is one.
  virtual std::optional<double> estimated_us(Blocks blocks) = 0;
};

std::unique_ptr<SparseCase> make_u8s8_sparse_case(const PrunedProblem& problem,
                                                  std::int32_t max_activation);
std::unique_ptr<SparseCase> make_f32_sparse_case(const PrunedProblem& problem);

}  // namespace adze::bench
