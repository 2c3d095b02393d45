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

/// 8 × 8: r[q] takes element p + q of each of the 8 rows.
template <class R>
[[gnu::always_inline]] inline void load_transposed(const R& rows, std::int64_t p, __m256 (&r)[8]) {
  __m256 s[8];
  // Halves of rows j and j + 4 side by side, so that all later steps stay within 128 bits.
  unroll<4>([&](auto j) __attribute__((always_inline)) {
    const float* low = rows(j) + p;
    const float* high = rows(j + 4) + p;
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
}

/// 8 of the 16 columns of a group.
template <class R>
void transpose8(const R& rows, std::int64_t k, float* out) {
  std::int64_t p = 0;
  for (; p + 8 <= k; p += 8) {
    __m256 r[8];
    load_transposed(rows, p, r);
    unroll<8>([&](auto q)
                  __attribute__((always_inline)) { _mm256_store_ps(out + (p + q) * 16, r[q]); });
  }
  for (; p < k; ++p) {
    for (int i = 0; i < 8; ++i) out[p * 16 + i] = rows(i)[p];
  }
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
  const auto add8 = [&](std::int64_t p, int j) __attribute__((always_inline)) {
    __m256 columns[8];
    if constexpr (NV == 1) {
      load_transposed(few, p, columns);
    } else {
      load_transposed(columns_of(j), p, columns);
    }
    unroll<8>([&](auto q) __attribute__((always_inline)) { add(p + q, j, columns[q]); });
  };
  std::int64_t p = 0;
  for (; p + 8 <= t.k; p += 8) {
    unroll<NV>([&](auto j) __attribute__((always_inline)) { add8(p, j); });
  }
  for (; p < t.k; ++p) {
    unroll<NV>([&](auto j) __attribute__((always_inline)) {
      const auto b = columns_of(j);
      add(p, j,
          _mm256_setr_ps(b(0)[p], b(1)[p], b(2)[p], b(3)[p], b(4)[p], b(5)[p], b(6)[p], b(7)[p]));
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
  if (n == 16) return;
  for (std::int64_t p = 0; p < k; ++p) {
    for (std::int64_t j = n; j < 16; ++j) out[p * 16 + j] = 0.0f;
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
