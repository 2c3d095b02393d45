#include "adze/kernels/linear_weights_f32.h"

#include <algorithm>

namespace adze::kernels {

namespace {

/// Time of a product in blocks of that shape, as part of the time of the dense one, for each part
/// of the blocks that is kept.
struct BlockCost {
  BlockShape block;
  double per_kept;
};

// Measured with `adze-bench sparse --op f32`: the time at 50% and 90% zeros over that of the dense
// product, for 1 and 64 rows; the larger of the two.
constexpr BlockCost block_costs[] = {{{16, 4}, 1.15}, {{8, 4}, 1.2}, {{4, 4}, 1.3}, {{1, 4}, 1.9}};
// Below this the gain is worth the memory of a second copy of the weights.
constexpr double worthwhile = 0.8;

constexpr std::int64_t few_rows = 32;  // from here on gemm_f32 packs the weights itself

}  // namespace

struct detail::LinearWeightsF32Data {
  std::int64_t n = 0, k = 0;
  bool sparse = false;
  PackedF32Weights dense;
  SparseWeightsF32 blocks;
};

LinearWeightsF32::LinearWeightsF32() : data_(std::make_shared<detail::LinearWeightsF32Data>()) {}

LinearWeightsF32::LinearWeightsF32(const float* w, std::int64_t n, std::int64_t k,
                                   std::int64_t ldw) {
  auto d = std::make_shared<detail::LinearWeightsF32Data>();
  d->n = n;
  d->k = k;
  const BlockCost* best = nullptr;
  double least = worthwhile;
  for (const BlockCost& cost : block_costs) {
    const BlockShape b = cost.block;
    const std::int64_t all = (n + b.rows - 1) / b.rows * ((k + b.cols - 1) / b.cols);
    const double time = cost.per_kept * static_cast<double>(count_nonzero_blocks(w, n, k, ldw, b)) /
                        static_cast<double>(all);
    if (time >= least) continue;
    least = time;
    best = &cost;
  }
  d->sparse = best != nullptr;
  if (d->sparse) {
    d->blocks = SparseWeightsF32(w, n, k, ldw, best->block);
  } else {
    d->dense = PackedF32Weights(w, n, k, ldw);
  }
  data_ = std::move(d);
}

std::int64_t LinearWeightsF32::n() const {
  return data_->n;
}
std::int64_t LinearWeightsF32::k() const {
  return data_->k;
}
bool LinearWeightsF32::sparse() const {
  return data_->sparse;
}
BlockShape LinearWeightsF32::block() const {
  return data_->blocks.block();
}
bool LinearWeightsF32::worth(std::int64_t m) const {
  return data_->sparse || m <= few_rows;
}

void gemm_f32(const float* a, std::int64_t lda, std::int64_t m, const LinearWeightsF32& weights,
              const float* bias, bool relu, float* c, std::int64_t ldc) {
  const detail::LinearWeightsF32Data& d = weights.data();
  if (d.sparse) {
    gemm_f32(a, lda, m, d.blocks, bias, relu, c, ldc);
  } else {
    gemm_f32(a, lda, m, d.dense, bias, relu, c, ldc);
  }
}

}  // namespace adze::kernels
