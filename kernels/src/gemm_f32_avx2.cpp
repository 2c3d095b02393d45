#include <immintrin.h>

#include <cstdint>

#include "gemm_f32_kernel.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

// 6 × 16: 12 registers of sums, 2 of b, 1 of a. Tiles of fewer rows are wider, for two fused
// multiply-adds per cycle with 4 cycles latency need at least 8 independent sums.
constexpr int most_rows = 6;
constexpr int vectors_for(int rows) { return rows == 1 ? 8 : rows <= 3 ? 4 : 2; }

/// Lanes below `count`.
__m256i first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/// MR rows, NV vectors of 8 columns of which the last may be incomplete; `by_rows` if a_step is 1.
template <int MR, int NV, bool by_rows>
void tile(const F32Tile& t) {
  const __m256i last = first_lanes(t.columns - 8 * (NV - 1));
  const bool whole = t.columns == 8 * NV;
  __m256 sums[MR][NV];
  if (t.from_zero) {
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto v) __attribute__((always_inline)) { sums[i][v] = _mm256_setzero_ps(); });
    });
  } else {
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        const float* c = t.c + i * t.ldc + 8 * v;
        sums[i][v] = v < NV - 1 || whole ? _mm256_loadu_ps(c) : _mm256_maskload_ps(c, last);
      });
    });
  }

  const std::int64_t a_row = by_rows ? t.a_row : 1;
  const std::int64_t a_step = by_rows ? 1 : t.a_step;
  const std::int64_t b_step = t.b_step;
  const float* a[MR];
  unroll<MR>([&](auto i) __attribute__((always_inline)) { a[i] = t.a + i * a_row; });
  const float* b = t.b;
  for (std::int64_t p = 0, end = t.k * a_step; p < end; p += a_step, b += b_step) {
    __m256 columns[NV];
    unroll<NV>(
        [&](auto v) __attribute__((always_inline)) { columns[v] = _mm256_loadu_ps(b + 8 * v); });
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      const __m256 value = _mm256_broadcast_ss(by_rows ? a[i] + p : a[0] + p + i);
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        sums[i][v] = _mm256_fmadd_ps(value, columns[v], sums[i][v]);
      });
    });
  }

  if (t.bias != nullptr) {
    unroll<NV>([&](auto v) __attribute__((always_inline)) {
      const __m256 bias = v < NV - 1 || whole ? _mm256_loadu_ps(t.bias + 8 * v)
                                              : _mm256_maskload_ps(t.bias + 8 * v, last);
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        sums[i][v] = _mm256_add_ps(sums[i][v], bias);
      });
    });
  }
  if (t.relu) {
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        sums[i][v] = _mm256_max_ps(_mm256_setzero_ps(), sums[i][v]);  // NaN and -0 stay
      });
    });
  }
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    unroll<NV>([&](auto v) __attribute__((always_inline)) {
      float* c = t.c + i * t.ldc + 8 * v;
      if (v < NV - 1 || whole) {
        _mm256_storeu_ps(c, sums[i][v]);
      } else {
        _mm256_maskstore_ps(c, last, sums[i][v]);
      }
    });
  });
}

using TileFunction = void (*)(const F32Tile&);

template <int MR, int NV>
TileFunction choose_form(const F32Tile& t) {
  return t.a_step == 1 ? tile<MR, NV, true> : tile<MR, NV, false>;
}

template <int MR, int NV = vectors_for(MR)>
TileFunction choose_width(const F32Tile& t) {
  if constexpr (NV > 1) {
    if (t.columns <= 8 * (NV - 1)) return choose_width<MR, NV - 1>(t);
  }
  return choose_form<MR, NV>(t);
}

void any_tile(const F32Tile& t) {
  switch (t.rows) {
    case 1:
      return choose_width<1>(t)(t);
    case 2:
      return choose_width<2>(t)(t);
    case 3:
      return choose_width<3>(t)(t);
    case 4:
      return choose_width<4>(t)(t);
    case 5:
      return choose_width<5>(t)(t);
    default:
      return choose_width<6>(t)(t);
  }
}

/// 8 × 8: row j of x becomes column j of out.
void transpose8(const float* x, std::int64_t ldx, float* out, std::int64_t ldo) {
  __m256 r[8], s[8];
  // Halves of rows j and j + 4 side by side, so that all later steps stay within 128 bits.
  unroll<4>([&](auto j) __attribute__((always_inline)) {
    const float* low = x + j * ldx;
    const float* high = x + (j + 4) * ldx;
    r[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
    r[j + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low + 4)),
                                    _mm_loadu_ps(high + 4), 1);
  });
  unroll<2>([&](auto h) __attribute__((always_inline)) {
    s[4 * h] = _mm256_unpacklo_ps(r[4 * h], r[4 * h + 1]);
    s[4 * h + 1] = _mm256_unpackhi_ps(r[4 * h], r[4 * h + 1]);
    s[4 * h + 2] = _mm256_unpacklo_ps(r[4 * h + 2], r[4 * h + 3]);
    s[4 * h + 3] = _mm256_unpackhi_ps(r[4 * h + 2], r[4 * h + 3]);
    r[4 * h] = _mm256_shuffle_ps(s[4 * h], s[4 * h + 2], 0x44);
    r[4 * h + 1] = _mm256_shuffle_ps(s[4 * h], s[4 * h + 2], 0xee);
    r[4 * h + 2] = _mm256_shuffle_ps(s[4 * h + 1], s[4 * h + 3], 0x44);
    r[4 * h + 3] = _mm256_shuffle_ps(s[4 * h + 1], s[4 * h + 3], 0xee);
  });
  unroll<8>([&](auto p)
                __attribute__((always_inline)) { _mm256_storeu_ps(out + p * ldo, r[p]); });
}

void transpose(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out,
               std::int64_t ldo) {
  std::int64_t j = 0;
  for (; j + 8 <= n; j += 8) {
    std::int64_t p = 0;
    for (; p + 8 <= k; p += 8) transpose8(x + j * ldx + p, ldx, out + p * ldo + j, ldo);
    for (; p < k; ++p) {
      for (int i = 0; i < 8; ++i) out[p * ldo + j + i] = x[(j + i) * ldx + p];
    }
  }
  for (; j < n; ++j) {
    for (std::int64_t p = 0; p < k; ++p) out[p * ldo + j] = x[j * ldx + p];
  }
}

}  // namespace

const F32Kernel f32_gemm_6x16_avx2{
    "f32_gemm_6x16_avx2", Isa::avx2, most_rows, [](int rows) { return 8 * vectors_for(rows); },
    any_tile, transpose};

}  // namespace adze::kernels
