#include <cmath>

#include "gemm_f32_kernel.h"

namespace adze::kernels {

namespace {

constexpr int tile_rows = 4;
constexpr int tile_columns = 8;

template <bool by_columns>
void tile(const F32Tile& t) {
  const std::int64_t b_step = by_columns ? 1 : t.b_step, b_column = by_columns ? t.b_column : 1;
  float sums[tile_rows][tile_columns];
  for (int i = 0; i < t.rows; ++i) {
    for (int j = 0; j < t.columns; ++j) sums[i][j] = t.from_zero ? 0.0f : t.c[i * t.ldc + j];
  }
  for (std::int64_t p = 0; p < t.k; ++p) {
    const float* b = t.b + p * b_step;
    for (int i = 0; i < t.rows; ++i) {
      const float a = t.a[i * t.a_row + p * t.a_step];
      for (int j = 0; j < t.columns; ++j) sums[i][j] = std::fma(a, b[j * b_column], sums[i][j]);
    }
  }
  for (int i = 0; i < t.rows; ++i) {
    for (int j = 0; j < t.columns; ++j) {
      float value = sums[i][j];
      if (t.bias != nullptr) value += t.bias[j];
      if (t.relu && value < 0.0f) value = 0.0f;
      t.c[i * t.ldc + j] = value;
    }
  }
}

/// From x[p * step + j * column].
void pack(const float* x, std::int64_t step, std::int64_t column, std::int64_t n, std::int64_t k,
          float* out) {
  for (std::int64_t p = 0; p < k; ++p) {
    for (std::int64_t j = 0; j < n; ++j) out[p * 16 + j] = x[p * step + j * column];
  }
}

void copy(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out) {
  pack(x, ldx, 1, n, k, out);
}

void transpose(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out) {
  pack(x, 1, ldx, n, k, out);
}

}  // namespace

const F32Kernel f32_gemm_scalar{"f32_gemm_4x8_scalar",
                                Isa::scalar,
                                tile_rows,
                                tile_columns,
                                [](int) { return tile_columns; },
                                1,
                                48,
                                nullptr,
                                tile<false>,
                                nullptr,
                                tile_rows,
                                [](int) { return tile_columns; },
                                tile<true>,
                                copy,
                                transpose};

}  // namespace adze::kernels
