#include <cstdint>
#include <immintrin.h>

#include "gemm_sparse_f32_kernel.h"
#include "gemm_sparse_f32_lanes_avx2.h"
#include "gemm_sparse_f32_loops.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

using L1 = SparseLanesAvx2x1;
using L4 = SparseLanesAvx2x4;
using L8 = SparseLanesAvx2x8;

/// 8 × 8: r[i] holds value i of all eight afterwards.
[[gnu::always_inline]] inline void transpose(__m256 (&r)[8]) {
  __m256 s[8];
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    s[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    s[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  });
  unroll<2>([&](auto i) __attribute__((always_inline)) {
    r[4 * i] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0x44);
    r[4 * i + 1] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0xee);
    r[4 * i + 2] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0x44);
    r[4 * i + 3] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0xee);
  });
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    s[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
    s[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
  });
  unroll<8>([&](auto i) __attribute__((always_inline)) { r[i] = s[i]; });
}

/// Adds the bias, applies the ReLU (NaN and -0 stay) and stores the `columns` that exist.
[[gnu::always_inline]] inline void finish(__m256 v, std::int64_t channel, int row, int columns,
                                          const SparseF32Output& out) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(columns), lanes);
  if (out.bias != nullptr) {
    v = _mm256_add_ps(v, columns >= 8 ? _mm256_loadu_ps(out.bias + channel)
                                      : _mm256_maskload_ps(out.bias + channel, mask));
  }
  if (out.relu) v = _mm256_max_ps(_mm256_setzero_ps(), v);
  float* to = out.c + row * out.ldc + channel;
  if (columns >= 8) {
    _mm256_storeu_ps(to, v);
  } else {
    _mm256_maskstore_ps(to, mask, v);
  }
}

void store(const float* sums, std::int64_t ld, int rows, std::int64_t channel, int columns,
           const SparseF32Output& out) {
  for (int i = 0; i < rows; ++i) {
    for (int c = 0; c < columns; c += 8) {
      finish(_mm256_loadu_ps(sums + i * ld + c), channel + c, i, columns - c, out);
    }
  }
}

void store_transposed(const float* sums, std::int64_t ld, int rows, std::int64_t channel,
                      int columns, const SparseF32Output& out) {
  for (int c = 0; c < columns; c += 8) {
    for (int i = 0; i < rows; i += 8) {
      __m256 v[8];
      unroll<8>([&](auto j) __attribute__((always_inline)) {
        v[j] = _mm256_loadu_ps(sums + (c + j) * ld + i);
      });
      transpose(v);
      if (i + 8 <= rows) {
        unroll<8>([&](auto r) __attribute__((always_inline)) {
          finish(v[r], channel + c, i + r, columns - c, out);
        });
      } else {
        for (int r = 0; r < rows - i; ++r) finish(v[r], channel + c, i + r, columns - c, out);
      }
    }
  }
}

void make_panel(const float* a, std::int64_t lda, int rows, std::int64_t k, int panel_rows,
                float* panel) {
  for (int i = 0; i < panel_rows; i += 8) {
    float* to = panel + i;
    std::int64_t p = 0;
    if (i + 8 <= rows) {
      for (; p + 8 <= k; p += 8) {
        __m256 v[8];
        unroll<8>([&](auto r) __attribute__((always_inline)) {
          v[r] = _mm256_loadu_ps(a + (i + r) * lda + p);
        });
        transpose(v);
        unroll<8>([&](auto r) __attribute__((always_inline)) {
          _mm256_storeu_ps(to + (p + r) * panel_rows, v[r]);
        });
      }
    }
    for (; p < (k + 3) / 4 * 4; ++p) {
      for (int r = 0; r < 8; ++r) {
        to[p * panel_rows + r] = i + r < rows && p < k ? a[(i + r) * lda + p] : 0.0f;
      }
    }
  }
}

int power_up_to_4(std::int64_t left) {
  return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}
int power_up_to_8(std::int64_t left) {
  return left >= 8 ? 8 : power_up_to_4(left);
}
int up_to_6(std::int64_t left) {
  return left >= 6 ? 6 : power_up_to_4(left);
}
int panel_of_16(std::int64_t left) {
  return left > 8 ? 16 : 8;
}
int panel_of_64(std::int64_t left) {
  return left > 32 ? 64 : left > 16 ? 32 : panel_of_16(left);
}

template <int cols>
void few_1(const SparseF32Job& x) {
  switch (x.rows) {
    case 4:
      return SparseF32Channels<L1, cols, 1, 4, 2>::run(x);
    case 2:
      return SparseF32Channels<L1, cols, 1, 2, 4>::run(x);
    default:
      return SparseF32Channels<L1, cols, 1, 1, 8>::run(x);
  }
}

void few_4(const SparseF32Job& x) {
  switch (x.rows) {
    case 4:
      return SparseF32Channels<L4, 4, 1, 4, 2>::run(x);
    case 2:
      return SparseF32Channels<L4, 4, 1, 2, 4>::run(x);
    default:
      return SparseF32Channels<L4, 4, 1, 1, 8>::run(x);
  }
}

void channels_8(const SparseF32Job& x) {
  switch (x.rows) {
    case 8:
      return SparseF32Channels<L8, 4, 1, 8, 1>::run(x);
    case 4:
      return SparseF32Channels<L8, 4, 1, 4, 2>::run(x);
    case 2:
      return SparseF32Channels<L8, 4, 1, 2, 4>::run(x);
    default:
      return SparseF32Channels<L8, 4, 1, 1, 8>::run(x);
  }
}

void channels_16(const SparseF32Job& x) {
  switch (x.rows) {
    case 6:
      return SparseF32Channels<L8, 4, 2, 6, 1>::run(x);
    case 4:
      return SparseF32Channels<L8, 4, 2, 4, 1>::run(x);
    case 2:
      return SparseF32Channels<L8, 4, 2, 2, 2>::run(x);
    default:
      return SparseF32Channels<L8, 4, 2, 1, 4>::run(x);
  }
}

template <int cols>
void rows_1(const SparseF32Job& x) {
  if (x.rows > 32) return SparseF32Panel<L8, cols, 1, 8>::run(x);
  if (x.rows > 16) return SparseF32Panel<L8, cols, 1, 4>::run(x);
  return x.rows > 8 ? SparseF32Panel<L8, cols, 1, 2>::run(x)
                    : SparseF32Panel<L8, cols, 1, 1>::run(x);
}

void rows_4(const SparseF32Job& x) {
  return x.rows > 8 ? SparseF32Panel<L8, 4, 4, 2>::run(x) : SparseF32Panel<L8, 4, 4, 1>::run(x);
}

}  // namespace

const SparseF32Kernel f32_sparse_1x1_few_avx2{
    "f32_sparse_1x1_few_avx2", Isa::avx2, 1, 1, 4, false, power_up_to_4, few_1<1>};
const SparseF32Kernel f32_sparse_1x1_rows_avx2{
    "f32_sparse_1x1_rows_avx2", Isa::avx2, 1, 1, 0, true, panel_of_64, rows_1<1>};
const SparseF32Kernel f32_sparse_1x4_few_avx2{
    "f32_sparse_1x4_few_avx2", Isa::avx2, 1, 4, 4, false, power_up_to_4, few_1<4>};
const SparseF32Kernel f32_sparse_1x4_rows_avx2{
    "f32_sparse_1x4_rows_avx2", Isa::avx2, 1, 4, 0, true, panel_of_64, rows_1<4>};
const SparseF32Kernel f32_sparse_4x4_few_avx2{
    "f32_sparse_4x4_few_avx2", Isa::avx2, 4, 4, 4, false, power_up_to_4, few_4};
const SparseF32Kernel f32_sparse_4x4_rows_avx2{
    "f32_sparse_4x4_rows_avx2", Isa::avx2, 4, 4, 0, true, panel_of_16, rows_4};
const SparseF32Kernel f32_sparse_8x4_avx2{"f32_sparse_8x4_avx2", Isa::avx2, 8, 4, 0, false,
                                          power_up_to_8,         channels_8};
const SparseF32Kernel f32_sparse_16x4_avx2{
    "f32_sparse_16x4_avx2", Isa::avx2, 16, 4, 0, false, up_to_6, channels_16};

const SparseF32Helpers sparse_f32_helpers_avx2{store, store_transposed, make_panel};

}  // namespace adze::kernels
