#include <cstdint>
#include <immintrin.h>

#include "gemm_f32_kernel.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

// 6 × 16: 12 registers of sums, 2 of b, 1 of a. Tiles of fewer rows are wider, for two fused
// multiply-adds per cycle with 4 cycles latency need at least 8 independent sums.
constexpr int most_rows = 6;
constexpr int vectors_for(int rows) {
  return rows == 1 ? 8 : rows <= 3 ? 4 : 2;
}

/// Lanes below `count`.
__m256i first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/// The sums of a tile in registers: MR rows, NV vectors of 8 columns of which the last may be
/// incomplete.
template <int MR, int NV>
struct Sums {
  __m256 v[MR][NV];

  [[gnu::always_inline]] inline void begin(const F32Tile& t) {
    const __m256i last = first_lanes(t.columns - 8 * (NV - 1));
    const bool whole = t.columns == 8 * NV;
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto j) __attribute__((always_inline)) {
        const float* c = t.c + i * t.ldc + 8 * j;
        v[i][j] = t.from_zero             ? _mm256_setzero_ps()
                  : (j < NV - 1 || whole) ? _mm256_loadu_ps(c)
                                          : _mm256_maskload_ps(c, last);
      });
    });
  }

  /// Adds the bias, applies the ReLU, stores.
  [[gnu::always_inline]] inline void end(const F32Tile& t) {
    const __m256i last = first_lanes(t.columns - 8 * (NV - 1));
    const bool whole = t.columns == 8 * NV;
    if (t.bias != nullptr) {
      unroll<NV>([&](auto j) __attribute__((always_inline)) {
        const __m256 bias = j < NV - 1 || whole ? _mm256_loadu_ps(t.bias + 8 * j)
                                                : _mm256_maskload_ps(t.bias + 8 * j, last);
        unroll<MR>([&](auto i)
                       __attribute__((always_inline)) { v[i][j] = _mm256_add_ps(v[i][j], bias); });
      });
    }
    if (t.relu) {
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        unroll<NV>([&](auto j) __attribute__((always_inline)) {
          v[i][j] = _mm256_max_ps(_mm256_setzero_ps(), v[i][j]);  // NaN and -0 stay
        });
      });
    }
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto j) __attribute__((always_inline)) {
        float* c = t.c + i * t.ldc + 8 * j;
        if (j < NV - 1 || whole) {
          _mm256_storeu_ps(c, v[i][j]);
        } else {
          _mm256_maskstore_ps(c, last, v[i][j]);
        }
      });
    });
  }
};

/// The product for a row-major b; `by_rows` if a_step is 1, else a_row is 1.
template <int MR, int NV, bool by_rows>
void tile(const F32Tile& t) {
  Sums<MR, NV> sums;
  sums.begin(t);
  const std::int64_t a_row = by_rows ? t.a_row : 1;
  const std::int64_t a_step = by_rows ? 1 : t.a_step;
  const std::int64_t b_step = t.b_step;
  const float* a[MR];
  unroll<MR>([&](auto i) __attribute__((always_inline)) { a[i] = t.a + i * a_row; });
  const float* b = t.b;
  for (std::int64_t p = 0, end = t.k * a_step; p < end; p += a_step, b += b_step) {
    __m256 columns[NV];
    unroll<NV>([&](auto j)
                   __attribute__((always_inline)) { columns[j] = _mm256_loadu_ps(b + 8 * j); });
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      const __m256 value = _mm256_broadcast_ss(by_rows ? a[i] + p : a[0] + p + i);
      unroll<NV>([&](auto j) __attribute__((always_inline)) {
        sums.v[i][j] = _mm256_fmadd_ps(value, columns[j], sums.v[i][j]);
      });
    });
  }
  sums.end(t);
}

using TileFunction = void (*)(const F32Tile&);

template <int MR, int NV = vectors_for(MR)>
TileFunction choose_width(const F32Tile& t) {
  if constexpr (NV > 1) {
    if (t.columns <= 4 * NV) return choose_width<MR, NV / 2>(t);
  }
  if constexpr (MR == 1) return tile<MR, NV, false>;  // a_row does not matter
  return t.a_step == 1 ? tile<MR, NV, true> : tile<MR, NV, false>;
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

template <class R>
void transpose8(const R& rows, std::int64_t k, float* out, std::int64_t width) {
  std::int64_t p = 0;
  for (; p + 8 <= k; p += 8) {
    __m256 r[8];
    load_transposed(rows, p, r);
    unroll<8>([&](auto q) __attribute__((always_inline)) {
      _mm256_storeu_ps(out + (p + q) * width, r[q]);
    });
  }
  for (; p < k; ++p) {
    for (int i = 0; i < 8; ++i) out[p * width + i] = rows(i)[p];
  }
}

template <int NV>
void copy_vectors(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out) {
  const __m256i last = first_lanes(static_cast<int>(n) - 8 * (NV - 1));
  for (std::int64_t p = 0; p < k; ++p, x += ldx, out += 8 * NV) {
    unroll<NV>([&](auto j) __attribute__((always_inline)) {
      _mm256_store_ps(out + 8 * j, j < NV - 1 ? _mm256_loadu_ps(x + 8 * j)
                                              : _mm256_maskload_ps(x + 8 * j, last));
    });
  }
}

void copy(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out,
          std::int64_t width) {
  switch (width / 8) {
    case 1:
      return copy_vectors<1>(x, ldx, n, k, out);
    case 2:
      return copy_vectors<2>(x, ldx, n, k, out);
    case 3:
      return copy_vectors<3>(x, ldx, n, k, out);
    case 4:
      return copy_vectors<4>(x, ldx, n, k, out);
    case 5:
      return copy_vectors<5>(x, ldx, n, k, out);
    case 6:
      return copy_vectors<6>(x, ldx, n, k, out);
    case 7:
      return copy_vectors<7>(x, ldx, n, k, out);
    default:
      return copy_vectors<8>(x, ldx, n, k, out);
  }
}

void transpose(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out,
               std::int64_t width) {
  std::int64_t j = 0;
  for (; j + 8 <= n; j += 8) transpose8(Rows{x + j * ldx, ldx}, k, out + j, width);
  if (j < n) transpose8(FewRows(x + j * ldx, ldx, n - j), k, out + j, width);
}

constexpr int by_columns_rows = 3;
constexpr int by_columns_vectors(int rows) {
  return rows == 1 ? 4 : 2;
}

/// The product for a b of which the columns are contiguous, transposed in registers on the way. The
/// columns are Rows or, if there are fewer than 8, FewRows.
template <int MR, int NV, class R>
void tile_by_columns(const F32Tile& t) {
  Sums<MR, NV> sums;
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

void any_tile_by_columns(const F32Tile& t) {
  switch (t.rows) {
    case 1:
      return choose_width_by_columns<1>(t);
    case 2:
      return choose_width_by_columns<2>(t);
    default:
      return choose_width_by_columns<3>(t);
  }
}

}  // namespace

const F32Kernel f32_gemm_6x16_avx2{"f32_gemm_6x16_avx2",
                                   Isa::avx2,
                                   most_rows,
                                   [](int rows) { return 8 * vectors_for(rows); },
                                   any_tile,
                                   by_columns_rows,
                                   [](int rows) { return 8 * by_columns_vectors(rows); },
                                   any_tile_by_columns,
                                   copy,
                                   transpose};

}  // namespace adze::kernels
