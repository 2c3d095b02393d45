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

/// float32 weights of a linear layer, n output channels × k inputs, ready for products with a
/// certain number of rows that use them again and again: the blocks that are not all zero where few
/// enough of them are kept, all weights where packing makes such products faster, else nothing.
///
/// Immutable; copies share.
class LinearWeightsF32 {
 public:
  /// Nothing.
  LinearWeightsF32();
  /// Packs `w`, n × k, row-major with rows `ldw` apart, for products with about `m` rows.
  LinearWeightsF32(const float* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                   std::int64_t m);

  /// False if products are fastest with the weights as they were given.
  bool useful() const;
  /// True if only blocks of shape `block()` are held.
  bool sparse() const;
  BlockShape block() const;

  const detail::LinearWeightsF32Data& data() const { return *data_; }

 private:
  std::shared_ptr<const detail::LinearWeightsF32Data> data_;
};

/// The classes of numbers of rows that want weights of their own, as indices from 0.
constexpr int linear_f32_classes = 3;
int linear_f32_class(std::int64_t m);

/// c = a · weightsᵀ (+ bias, if given; negative results replaced by 0 if `relu`): the bits of
/// `gemm_f32` with the same weights, but for what zeros in blocks do to infinities, NaN and the
/// sign of a zero (see SparseWeightsF32). The weights must be useful(); any m is right.
void gemm_f32(const float* a, std::int64_t lda, std::int64_t m, const LinearWeightsF32& weights,
              const float* bias, bool relu, float* c, std::int64_t ldc);

}  // namespace adze::kernels
