#include <cstdint>
#include <immintrin.h>

#include "gemm_f32_kernel.h"
#include "gemm_f32_tile.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

// 6 × 16: 12 registers of sums, 2 of b, 1 of a. Tiles of fewer rows are wider, for two fused
// multiply-adds per cycle with 4 cycles latency need at least 8 independent sums.
constexpr int most_rows = 6;
constexpr int vectors_for(int rows) {
  return rows == 1 ? 8 : rows <= 3 ? 4 : 2;
}

struct Floats {
  using F = __m256;
  using Part = __m256i;
  static constexpr int width = 8;
  static constexpr bool reads_exactly = false;

  static F load(const float* x) { return _mm256_loadu_ps(x); }
  static void store(float* x, F v) { _mm256_storeu_ps(x, v); }
  static F all(float x) { return _mm256_set1_ps(x); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F multiply_add(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F relu(F x) { return _mm256_max_ps(_mm256_setzero_ps(), x); }  // NaN and -0 stay

  /// Lanes below `count`.
  static Part part(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static F load_part(const float* x, Part lanes) { return _mm256_maskload_ps(x, lanes); }
  static void store_part(float* x, Part lanes, F v) { _mm256_maskstore_ps(x, lanes, v); }
};

using Tiles = F32Tiles<Floats, most_rows, vectors_for>;

/// Eight rows of a matrix.
struct Rows {
  const float* x;
  std::int64_t ld;
  const float* operator()(int row) const { return x + row * ld; }
};

/// The same with the last of `count` rows in place of those that do not exist.
struct FewRows {
  const float* row[8];
  FewRows(const float* x, std::int64_t ld, std::int64_t count) {
    for (int i = 0; i < 8; ++i) row[i] = x + (i < count ? i : count - 1) * ld;
  }
  const float* operator()(int i) const { return row[i]; }
};

/// The first, or all of 4 numbers from x on.
struct Four {
  __m128 operator()(const float* x) const { return _mm_loadu_ps(x); }
};
struct FirstOfFour {
  __m128i lanes;
  explicit FirstOfFour(std::int64_t count)
      : lanes(
            _mm_cmpgt_epi32(_mm_set1_epi32(static_cast<int>(count)), _mm_setr_epi32(0, 1, 2, 3))) {}
  __m128 operator()(const float* x) const { return _mm_maskload_ps(x, lanes); }
};

/// 8 × 8: r[q] takes element p + q of each of the 8 rows, read by `first` (q < 4) and `second`.
template <class R, class Read>
[[gnu::always_inline]] inline void load_transposed(const R& rows, std::int64_t p, Read first,
                                                   Read second, __m256 (&r)[8]) {
  __m256 s[8];
  // Halves of rows j and j + 4 side by side, so that all later steps stay within 128 bits.
  unroll<4>([&](auto j) __attribute__((always_inline)) {
    const float* low = rows(j) + p;
    const float* high = rows(j + 4) + p;
    r[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(first(low)), first(high), 1);
    r[j + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(second(low + 4)), second(high + 4), 1);
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
}

template <class R>
[[gnu::always_inline]] inline void load_transposed(const R& rows, std::int64_t p, __m256 (&r)[8]) {
  load_transposed(rows, p, Four{}, Four{}, r);
}

/// The same for the last `count` < 8 elements of the rows.
template <class R>
[[gnu::always_inline]] inline void load_last_transposed(const R& rows, std::int64_t p,
                                                        std::int64_t count, __m256 (&r)[8]) {
  load_transposed(rows, p, FirstOfFour(count), FirstOfFour(count - 4), r);
}

/// 8 of the 16 columns of a group.
template <class R>
void transpose8(const R& rows, std::int64_t k, float* out) {
  __m256 r[8];
  std::int64_t p = 0;
  for (; p + 8 <= k; p += 8) {
    load_transposed(rows, p, r);
    unroll<8>([&](auto q)
                  __attribute__((always_inline)) { _mm256_store_ps(out + (p + q) * 16, r[q]); });
  }
  if (p == k) return;
  load_last_transposed(rows, p, k - p, r);
  unroll<7>([&](auto q) __attribute__((always_inline)) {
    if (p + q < k) _mm256_store_ps(out + (p + q) * 16, r[q]);
  });
}

void copy(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out) {
  const __m256i low = Floats::part(static_cast<int>(n)),
                high = Floats::part(static_cast<int>(n) - 8);
  for (std::int64_t p = 0; p < k; ++p, x += ldx, out += 16) {
    _mm256_store_ps(out, _mm256_maskload_ps(x, low));
    _mm256_store_ps(out + 8, _mm256_maskload_ps(x + 8, high));
  }
}

constexpr int by_columns_vectors(int rows) {
  return rows == 1 ? 4 : 2;
}

/// The product for a b of which the columns are contiguous, transposed in registers on the way. The
/// columns are Rows or, if there are fewer than 8, FewRows.
template <int MR, int NV, class R>
void tile_by_columns(const F32Tile& t) {
  Tiles::Sums<MR, NV> sums;
  sums.begin(t);
  const auto columns_of = [&](int j) __attribute__((always_inline)) {
    const float* b = t.b + 8 * j * t.b_column;
    if constexpr (sizeof(R) == sizeof(Rows)) {
      return R{b, t.b_column};
    } else {
      return R(b, t.b_column, t.columns);
    }
  };
  const auto few = columns_of(0);
  const auto add = [&](std::int64_t p, int j, __m256 columns) __attribute__((always_inline)) {
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      const __m256 value = _mm256_broadcast_ss(t.a + i * t.a_row + p * t.a_step);
      sums.v[i][j] = _mm256_fmadd_ps(value, columns, sums.v[i][j]);
    });
  };
  const auto columns_or_few = [&](int j) __attribute__((always_inline)) {
    if constexpr (NV == 1) {
      return few;
    } else {
      return columns_of(j);
    }
  };
  const auto add8 = [&](std::int64_t p, int j) __attribute__((always_inline)) {
    __m256 columns[8];
    load_transposed(columns_or_few(j), p, columns);
    unroll<8>([&](auto q) __attribute__((always_inline)) { add(p + q, j, columns[q]); });
  };
  std::int64_t p = 0;
  for (; p + 8 <= t.k; p += 8) {
    unroll<NV>([&](auto j) __attribute__((always_inline)) { add8(p, j); });
  }
  if (p < t.k) {
    unroll<NV>([&](auto j) __attribute__((always_inline)) {
      __m256 columns[8];
      load_last_transposed(columns_or_few(j), p, t.k - p, columns);
      unroll<7>([&](auto q) __attribute__((always_inline)) {
        if (p + q < t.k) add(p + q, j, columns[q]);
      });
    });
  }
  sums.end(t);
}

template <int MR>
void choose_width_by_columns(const F32Tile& t) {
  constexpr int NV = by_columns_vectors(MR);
  if (t.columns == 8 * NV) return tile_by_columns<MR, NV, Rows>(t);
  return t.columns == 8 ? tile_by_columns<MR, 1, Rows>(t) : tile_by_columns<MR, 1, FewRows>(t);
}

}  // namespace

int f32_by_columns_columns_avx2(int rows) {
  return 8 * by_columns_vectors(rows);
}

void f32_tile_by_columns_avx2(const F32Tile& t) {
  switch (t.rows) {
    case 1:
      return choose_width_by_columns<1>(t);
    case 2:
      return choose_width_by_columns<2>(t);
    default:
      return choose_width_by_columns<3>(t);
  }
}

void f32_transpose_avx2(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k,
                        float* out) {
  for (std::int64_t j = 0; j < 16; j += 8) {
    if (n - j >= 8) {
      transpose8(Rows{x + j * ldx, ldx}, k, out + j);
    } else if (n - j > 0) {
      transpose8(FewRows(x + j * ldx, ldx, n - j), k, out + j);
    }
  }
}

const F32Kernel f32_gemm_6x16_avx2{"f32_gemm_6x16_avx2",
                                   Isa::avx2,
                                   most_rows,
                                   Floats::width,
                                   [](int rows) { return Floats::width * vectors_for(rows); },
                                   8,
                                   48,
                                   nullptr,
                                   Tiles::any,
                                   f32_by_columns_rows_avx2,
                                   f32_by_columns_columns_avx2,
                                   f32_tile_by_columns_avx2,
                                   copy,
                                   f32_transpose_avx2};

}  // namespace adze::kernels
