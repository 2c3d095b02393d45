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

/// Where the next elements of eight rows of a matrix are.
class Rows {
 public:
  Rows() = default;
  Rows(const float* x, std::int64_t ld, std::int64_t) : x_{x, x + 4 * ld}, ld_(ld) {}
  // Four rows to a pointer, so that all addresses of a loop fit into registers.
  template <int row>
  const float* at(Index<row>) const {
    return x_[row / 4] + row % 4 * ld_;
  }
  void advance(std::int64_t count) {
    x_[0] += count;
    x_[1] += count;
  }

 private:
  const float* x_[2];
  std::int64_t ld_;
};

/// The same with the last of `count` rows in place of those that do not exist.
class FewRows {
 public:
  FewRows() = default;
  FewRows(const float* x, std::int64_t ld, std::int64_t count) {
    for (int i = 0; i < 8; ++i) row_[i] = x + (i < count ? i : count - 1) * ld;
  }
  const float* at(int row) const { return row_[row]; }
  void advance(std::int64_t count) {
    for (const float*& row : row_) row += count;
  }

 private:
  const float* row_[8];
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

/// 8 × 8: r[q] takes element q of each of the 8 rows, read by `first` (q < 4) and `second`.
template <class R, class Read>
[[gnu::always_inline]] inline void load_transposed(const R& rows, Read first, Read second,
                                                   __m256 (&r)[8]) {
  __m256 s[8];
  // Halves of rows j and j + 4 side by side, so that all later steps stay within 128 bits.
  unroll<4>([&](auto j) __attribute__((always_inline)) {
    const float* low = rows.at(j);
    const float* high = rows.at(Index<j + 4>{});
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
[[gnu::always_inline]] inline void load_transposed(const R& rows, __m256 (&r)[8]) {
  load_transposed(rows, Four{}, Four{}, r);
}

/// The same for the last `count` < 8 elements of the rows.
template <class R>
[[gnu::always_inline]] inline void load_last_transposed(const R& rows, std::int64_t count,
                                                        __m256 (&r)[8]) {
  load_transposed(rows, FirstOfFour(count), FirstOfFour(count - 4), r);
}

/// 8 of the 16 columns of a group.
template <class R>
void transpose8(R rows, std::int64_t k, float* out) {
  __m256 r[8];
  std::int64_t p = 0;
  for (; p + 8 <= k; p += 8, rows.advance(8)) {
    load_transposed(rows, r);
    unroll<8>([&](auto q)
                  __attribute__((always_inline)) { _mm256_store_ps(out + (p + q) * 16, r[q]); });
  }
  if (p == k) return;
  load_last_transposed(rows, k - p, r);
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

// Registers of columns of a tile that reads b by columns: at least 4 independent sums.
constexpr int by_columns_vectors(int rows) {
  return rows == 1 ? 4 : 2;
}

// Columns a multiple of 2 KiB apart meet in few sets of the L1 cache, each of which holds 8 lines.
// Then there are two groups of them, at different places of their columns.
constexpr std::int64_t clashing_stride = 512;

/// The product for a b of which the columns are contiguous, transposed in registers on the way. The
/// columns are Rows or, if there are fewer than 8, FewRows. Each group of 8 columns is `lead`
/// elements ahead of the next one, a multiple of 8; k is at least NV * lead.
template <int MR, int NV, class R, int lead>
void tile_by_columns(const F32Tile& t) {
  Tiles::Sums<MR, NV> sums;
  sums.begin(t);
  R columns[NV];
  unroll<NV>([&](auto j) __attribute__((always_inline)) {
    columns[j] = R(t.b + 8 * j * t.b_column, t.b_column, t.columns - 8 * j);
  });
  const auto add = [&](auto j, const float* a, __m256 values) __attribute__((always_inline)) {
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      sums.v[i][j] = _mm256_fmadd_ps(_mm256_broadcast_ss(a + i * t.a_row), values, sums.v[i][j]);
    });
  };
  const auto add8 = [&](auto j, std::int64_t p) __attribute__((always_inline)) {
    __m256 values[8];
    load_transposed(columns[j], values);
    columns[j].advance(8);
    unroll<8>([&](auto q) __attribute__((always_inline)) { add(j, t.a + p + q, values[q]); });
  };
  const auto ahead = [](int j) { return lead * (NV - 1 - j); };

  if constexpr (lead > 0) {
    unroll<NV - 1>([&](auto j) __attribute__((always_inline)) {
      for (std::int64_t p = 0; p < ahead(j); p += 8) add8(j, p);
    });
  }
  std::int64_t p = 0;
  for (; p + ahead(0) + 8 <= t.k; p += 8) {
    unroll<NV>([&](auto j) __attribute__((always_inline)) { add8(j, p + ahead(j)); });
  }
  unroll<NV>([&](auto j) __attribute__((always_inline)) {
    std::int64_t from = p + ahead(j);
    if constexpr (lead > 0) {
      for (; from + 8 <= t.k; from += 8) add8(j, from);
    }
    if (from == t.k) return;
    __m256 values[8];
    load_last_transposed(columns[j], t.k - from, values);
    unroll<7>([&](auto q) __attribute__((always_inline)) {
      if (from + q < t.k) add(j, t.a + from + q, values[q]);
    });
  });
  sums.end(t);
}

template <int MR>
void choose_width_by_columns(const F32Tile& t) {
  constexpr int NV = by_columns_vectors(MR);
  if (t.columns < 8) return tile_by_columns<MR, 1, FewRows, 0>(t);
  if (t.columns == 8) return tile_by_columns<MR, 1, Rows, 0>(t);
  constexpr int lead = 32;
  if (t.b_column % clashing_stride != 0 || t.k < 2 * lead) {
    return tile_by_columns<MR, NV, Rows, 0>(t);
  }
  F32Tile part = t;
  part.columns = 16;
  for (int j = 0; j < t.columns; j += 16) {
    part.b = t.b + j * t.b_column;
    part.c = t.c + j;
    part.bias = t.bias != nullptr ? t.bias + j : nullptr;
    tile_by_columns<MR, 2, Rows, lead>(part);
  }
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
      transpose8(Rows(x + j * ldx, ldx, 8), k, out + j);
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
                                   Tiles::row,
                                   f32_by_columns_rows_avx2,
                                   f32_by_columns_columns_avx2,
                                   f32_tile_by_columns_avx2,
                                   copy,
                                   f32_transpose_avx2};

}  // namespace adze::kernels
