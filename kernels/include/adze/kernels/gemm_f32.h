/// \file
/// float32 matrix product.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "adze/kernels/isa.h"

namespace adze::kernels {

enum class Transpose : bool { no, yes };

/// What `gemm_f32` does beside the product.
struct GemmF32Options {
  bool accumulate = false;      ///< add to what `c` holds instead of overwriting it
  const float* bias = nullptr;  ///< one value for each of the n columns, or none
  bool relu = false;            ///< replace negative results by 0 (NaN stays NaN)
};

/// c = op(a) · op(b), row-major, op(x) = x or its transpose.
///
/// op(a) is m × k: `a` is m × k with rows `lda` apart, or k × m if `ta` is yes. op(b) is k × n: `b`
/// is k × n with rows `ldb` apart, or n × k if `tb` is yes (the weight of a linear layer). `c` is m
/// × n with rows `ldc` apart and must not overlap the inputs. Empty sizes are fine: k = 0 gives
/// zeros (+ c + bias).
///
/// Each result is exactly `reference::gemm_f32`: the chain acc = fma(a[i][p], b[p][j], acc) for
/// p = 0 … k-1 in this order, started from 0 (or from c[i][j]), then + bias[j], then the ReLU. The
/// number of threads, the blocking and the instruction set change no bit.
void gemm_f32(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k,
              const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
              std::int64_t ldc, const GemmF32Options& options = {});

/// The weight of a linear layer (n × k, row-major) in an order in which products with few rows read
/// it once, from front to back. Copies share the data, which nothing changes.
class PackedF32Weights {
 public:
  PackedF32Weights() = default;
  /// Packs n rows of k values, `ldw` apart. Throws std::bad_alloc.
  PackedF32Weights(const float* w, std::int64_t n, std::int64_t k, std::int64_t ldw);

  std::int64_t n() const { return n_; }  ///< output features
  std::int64_t k() const { return k_; }  ///< input features
  /// Groups of 16 rows of the weight, k × 16 each; 0 where the last one has fewer rows.
  const float* data() const { return data_.get(); }

 private:
  std::int64_t n_ = 0, k_ = 0;
  std::shared_ptr<float> data_;
};

/// c = a · wᵀ + bias, then the ReLU if wanted: the bits of `gemm_f32` with the weight that `w` was
/// made of as the transposed b. `a` is m × w.k() with rows `lda` apart, `c` m × w.n() with rows
/// `ldc` apart, `bias` w.n() values or nullptr. Fast for any m.
void gemm_f32(const float* a, std::int64_t lda, std::int64_t m, const PackedF32Weights& w,
              const float* bias, bool relu, float* c, std::int64_t ldc);

/// One line of a table of micro-kernels, seen from outside.
struct KernelInfo {
  const char* name;    ///< "u8s8_gemm_6x16c4_avx2"
  Isa isa;             ///< the instruction set it needs
  const char* reason;  ///< why it cannot be used for the problem asked about, or nullptr if it can
};

/// The micro-kernels of `gemm_f32`, best first, each with the reason why it cannot be used now. The
/// first one without a reason is used.
std::vector<KernelInfo> gemm_f32_kernels();

}  // namespace adze::kernels
