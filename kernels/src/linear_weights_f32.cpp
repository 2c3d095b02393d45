#include "adze/kernels/linear_weights_f32.h"

namespace adze::kernels {

namespace {

/// Time of a product in blocks, as part of the time of the dense one: per_kept[class] * the part of
/// the blocks that is kept + overhead[class] / k. Measured on a Zen 4 core (AVX2 and AVX-512) for
/// 64 x 64, 256 x 256 and 1024 x 1024 weights of which 50%, 80% or 90% of the blocks are zero
/// (adze-bench sparse --op f32 --all-kernels).
struct BlockCost {
  BlockShape block;
  double per_kept[linear_f32_classes];
};
constexpr BlockCost costs[] = {
    {{16, 4}, {1.05, 1.1, 1.12}},
    {{8, 4}, {1.4, 1.4, 1.45}},
    {{4, 4}, {2.7, 1.25, 1.0}},
    {{1, 4}, {9.0, 2.8, 1.6}},
};
constexpr double overhead[linear_f32_classes] = {24, 12, 12};

// Above this the gain is not worth a second copy of the weights.
constexpr double worthwhile = 0.85;

// From here on gemm_f32 packs the weights itself in less time than the product takes.
constexpr std::int64_t most_rows_packed = 32;

}  // namespace

struct detail::LinearWeightsF32Data {
  bool packed = false, sparse = false;
  PackedF32Weights dense;
  SparseWeightsF32 blocks;
};

int linear_f32_class(std::int64_t m) {
  return m <= 4 ? 0 : m <= most_rows_packed ? 1 : 2;
}

LinearWeightsF32::LinearWeightsF32() : data_(std::make_shared<detail::LinearWeightsF32Data>()) {}

LinearWeightsF32::LinearWeightsF32(const float* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                                   std::int64_t m) {
  auto d = std::make_shared<detail::LinearWeightsF32Data>();
  const BlockCost* best = nullptr;
  double least = worthwhile;
  const int rows = linear_f32_class(m);
  for (const BlockCost& cost : costs) {
    const BlockShape b = cost.block;
    const std::int64_t all = (n + b.rows - 1) / b.rows * ((k + b.cols - 1) / b.cols);
    if (all == 0) continue;
    const double kept =
        static_cast<double>(count_nonzero_blocks(w, n, k, ldw, b)) / static_cast<double>(all);
    const double time = cost.per_kept[rows] * kept + overhead[rows] / static_cast<double>(k);
    if (time >= least) continue;
    least = time;
    best = &cost;
  }
  d->sparse = best != nullptr;
  d->packed = !d->sparse && m <= most_rows_packed;
  if (d->sparse) d->blocks = SparseWeightsF32(w, n, k, ldw, best->block);
  if (d->packed) d->dense = PackedF32Weights(w, n, k, ldw);
  data_ = std::move(d);
}

bool LinearWeightsF32::useful() const {
  return data_->packed || data_->sparse;
}
bool LinearWeightsF32::sparse() const {
  return data_->sparse;
}
BlockShape LinearWeightsF32::block() const {
  return data_->blocks.block();
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
