/// \file
/// The layout of SparseWeights.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "adze/kernels/gemm_sparse.h"

#include "aligned_memory.h"
#include "gemm_sparse_kernel.h"

namespace adze::kernels::detail {

/// The kept blocks as lists of units, see SparseView, and the memory behind one.
struct SparseForm {
  SparseView view{};
  std::vector<SparseList> lists;
  std::vector<std::uint16_t> index;
  AlignedArray<std::int8_t> values;
  std::int64_t units = 0;

  std::int64_t bytes() const;
};

/// Packs the kept blocks of w so that 16-bit sums are proven not to overflow for activations up to
/// `bound`, or without any regard to that if it is 0. `kept` is the part of the blocks that is.
std::unique_ptr<SparseForm> pack_sparse(const std::int8_t* w, std::int64_t n, std::int64_t k,
                                        std::int64_t ldw, BlockShape block, std::int32_t bound,
                                        double kept);

/// Activations up to this are low: two weights of any size times two of them fit int16.
constexpr std::int32_t low_bound = 128;

struct SparseWeightsData {
  std::int64_t n = 0;
  std::int64_t k = 0;
  BlockShape block;
  std::int64_t blocks = 0;
  std::int64_t nonzero_blocks = 0;
  std::vector<std::int32_t> sums;  ///< a multiple of 16 values

  /// The form in which windows are ruled by the bound: 0 (no windows), low_bound or 255. Made at
  /// the first call.
  const SparseForm& form(std::int32_t bound) const;
  /// The part of the blocks that is not zero.
  double kept() const {
    return blocks == 0 ? 0.0 : static_cast<double>(nonzero_blocks) / static_cast<double>(blocks);
  }
  std::int64_t bytes() const;
  void unpack(std::int8_t* w, std::int64_t ldw) const;
  /// Puts a form in, before the data is shared.
  void set(std::int32_t bound, std::unique_ptr<SparseForm> form);

 private:
  static constexpr int slots = 3;
  static int slot(std::int32_t bound) { return bound == 0 ? 0 : bound <= low_bound ? 1 : 2; }

  mutable std::mutex mutex_;
  mutable std::unique_ptr<SparseForm> owned_[slots];
  mutable std::atomic<const SparseForm*> forms_[slots] = {};
};

/// Throws std::runtime_error that lists `allowed` if `block` is none of them.
void check_block_shape(const char* what, BlockShape block, const std::vector<BlockShape>& allowed);

}  // namespace adze::kernels::detail
