/// \file
/// float32 weights of a linear layer, dense or in blocks, whichever is faster.
#pragma once

#include <cstdint>
#include <memory>

#include "adze/kernels/gemm_f32.h"
#include "adze/kernels/gemm_sparse.h"

namespace adze::kernels {

namespace detail {
struct LinearWeightsF32Data;
}

/// float32 weights of a linear layer, n output channels × k inputs, ready for products that use them
/// again and again: the blocks that are not all zero where enough of them are, else all weights.
///
/// Immutable; copies share.
class LinearWeightsF32 {
 public:
  /// Nothing; n() and k() are 0.
  LinearWeightsF32();
  /// Packs `w`, n × k, row-major with rows `ldw` apart.
  LinearWeightsF32(const float* w, std::int64_t n, std::int64_t k, std::int64_t ldw);

  std::int64_t n() const;
  std::int64_t k() const;
  /// True if only blocks of shape `block()` are held.
  bool sparse() const;
  BlockShape block() const;
  /// True if a product with m rows is faster with these than with the weights as they were given.
  bool worth(std::int64_t m) const;

  const detail::LinearWeightsF32Data& data() const { return *data_; }

 private:
  std::shared_ptr<const detail::LinearWeightsF32Data> data_;
};

/// c = a · weightsᵀ (+ bias, if given; negative results replaced by 0 if `relu`): the bits of
/// `gemm_f32` with the same weights, but for what zeros in blocks do to infinities, NaN and the sign
/// of a zero (see SparseWeightsF32).
void gemm_f32(const float* a, std::int64_t lda, std::int64_t m, const LinearWeightsF32& weights,
              const float* bias, bool relu, float* c, std::int64_t ldc);

}  // namespace adze::kernels
