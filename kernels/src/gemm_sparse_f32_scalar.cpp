#include <cmath>

#include "gemm_sparse_f32_kernel.h"

namespace adze::kernels {

namespace {

void store_one(float sum, std::int64_t channel, int row, const SparseF32Output& out) {
  if (out.bias != nullptr) sum += out.bias[channel];
  out.c[row * out.ldc + channel] = out.relu && sum < 0.0f ? 0.0f : sum;
}

void store(const float* sums, std::int64_t ld, int rows, std::int64_t channel, int columns,
           const SparseF32Output& out) {
  for (int i = 0; i < rows; ++i) {
    for (int c = 0; c < columns; ++c) store_one(sums[i * ld + c], channel + c, i, out);
  }
}

void store_transposed(const float* sums, std::int64_t ld, int rows, std::int64_t channel,
                      int columns, const SparseF32Output& out) {
  for (int i = 0; i < rows; ++i) {
    for (int c = 0; c < columns; ++c) store_one(sums[c * ld + i], channel + c, i, out);
  }
}

void make_panel(const float* a, std::int64_t lda, int rows, std::int64_t k, int panel_rows,
                float* panel) {
  for (std::int64_t p = 0; p < (k + 3) / 4 * 4; ++p) {
    for (int i = 0; i < panel_rows; ++i) {
      *panel++ = i < rows && p < k ? a[i * lda + p] : 0.0f;
    }
  }
}

/// One row and one channel at a time, all blocks of inputs at once; any shape.
void run(const SparseF32Job& x) {
  const SparseF32View& w = *x.w;
  for (int i = 0; i < x.rows; ++i) {
    const float* row = x.a + i * x.lda;
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      for (int c = 0; c < w.height && g * w.height + c < w.n; ++c) {
        float sum = 0.0f;
        for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
          const std::uint32_t* list = w.lists + kb * w.groups + g;
          for (std::int64_t u = list[0]; u < list[1]; ++u) {
            const float* a = row + kb * w.k_block + std::int64_t{w.index[u]} * w.cols;
            const float* values = w.values + u * w.cols * w.height + c;
            for (int j = 0; j < w.cols; ++j) sum = std::fma(a[j], values[j * w.height], sum);
          }
        }
        store_one(sum, g * w.height + c, i, x.out);
      }
    }
  }
}

}  // namespace

const SparseF32Kernel f32_sparse_scalar{
    "f32_sparse_scalar", Isa::scalar, 0, 0, 0, false, [](std::int64_t) { return 1; }, run};

const SparseF32Helpers sparse_f32_helpers_scalar{store, store_transposed, make_panel};

}  // namespace adze::kernels
