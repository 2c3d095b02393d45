/// \file
/// The loop over tiles and rows that most int8 kernels share.
#pragma once

#include <cstdint>

#include "gemm_u8s8_kernel.h"
#include "output_stage.h"
#include "unroll.h"

namespace adze::kernels {

/// Rows in parts that are as even as can be: 16 rows are 6 + 5 + 5.
struct EvenParts {
  std::int64_t parts;
  int least;          ///< rows of each part
  std::int64_t more;  ///< so many parts, the first ones, have one more

  [[gnu::always_inline]] EvenParts(std::int64_t rows, int most)
      : parts((rows + most - 1) / most),
        least(static_cast<int>(rows / parts)),
        more(rows % parts) {}
};

/// How far ahead weights are fetched. With few rows the weights' bandwidth is the limit, and
/// hardware does best if it is hardly disturbed.
[[gnu::always_inline]] inline std::int64_t bytes_ahead(const U8S8Weights& w, bool few_rows) {
  if (few_rows) return 256;
  return w.beyond_cache ? 4096 : 1024;
}

/// Runs a panel on a kernel K with lanes L, K::rows_for(k) <= K::rows rows at a time.
///
/// K::tile(weights, first tile, tiles, a, lda, rows, start, sums) computes `rows` <= K::rows rows
/// of `tiles` <= K::tiles tiles: sums[t * step + r * 16 + c] = start[t * 16 + c] + sum over k of
/// a[r][k] * w[c][k], modulo 2³²; `step` is 16 * K::rows. Columns that do not exist get any
/// value.
///
/// Instead, a kernel may have K::block(weights, first tile, tiles, a, lda, rows, parts, start,
/// sums) for any number of tiles and `parts` times `rows` rows; there `step` is 16 * rows * parts.
template <class K, class L>
[[gnu::always_inline]] inline void run_panel(const U8S8Panel& p) {
  using Output = OutputStageLoops<L>;
  constexpr bool blocks = requires(const std::uint8_t* a, std::int32_t* s) {
    K::block(*p.weights, 0, 0, a, 0, 0, 0, s, s);
  };
  // Rows of 16 sums that wait in L1 for the output stage, which so works on many at a time.
  constexpr int waiting = blocks ? 48 / K::rows * K::rows : K::tiles * K::rows;
  alignas(64) std::int32_t sums[waiting * u8s8_columns];
  alignas(64) std::int32_t start[(blocks ? waiting : K::tiles) * u8s8_columns];

  const U8S8Weights& w = *p.weights;
  const U8S8Stage& stage = *p.stage;
  const U8S8Store store = Output::store_for(stage.type);
  const std::int64_t size = output_bytes(stage.type);
  const bool corrected = stage.a_zero_point != 0;
  const auto zero_start = [&](int tiles) __attribute__((always_inline)) {
    if (corrected) return;
    for (int i = 0; i < tiles * u8s8_columns; ++i) start[i] = 0;
  };
  const auto begin = [&](std::int64_t t, int tiles) __attribute__((always_inline)) {
    if (corrected) Output::start(stage, w, t, tiles, start);
  };
  const auto multiply = [&](std::int64_t t, int tiles, const std::uint8_t* a, int rows,
                            std::int64_t parts, std::int32_t* to) __attribute__((always_inline)) {
    if constexpr (blocks) {
      K::block(w, t, tiles, a, p.lda, rows, parts, start, to);
    } else {
      K::tile(w, t, tiles, a, p.lda, rows, start, to);
    }
  };

  if (p.rows <= K::rows_for(w.k)) {
    const int rows = static_cast<int>(p.rows);
    int at_once = K::tiles;
    if (blocks) {
      // The compiler divides, not the processor.
      unroll<K::rows>([&](auto i) __attribute__((always_inline)) {
        if (rows == i + 1) at_once = waiting / (i + 1);
      });
    }
    char* out = static_cast<char*>(p.out) + p.tile * u8s8_columns * size;
    std::int64_t t = p.tile, left = p.tile_end - t;
    zero_start(static_cast<int>(left < at_once ? left : at_once));
    while (left > 0) {
      const int tiles = static_cast<int>(left < at_once ? left : at_once);
      begin(t, tiles);
      multiply(t, tiles, p.a, rows, 1, sums);
      store(stage, t, t + tiles, sums, blocks ? rows : K::rows, rows, p.row_sums, out, p.ldo);
      t += tiles;
      left -= tiles;
      out += tiles * u8s8_columns * size;
    }
    return;
  }

  const EvenParts parts(p.rows, K::rows_for(w.k));
  constexpr int tiles_at_once = blocks ? 1 : K::tiles,
                parts_at_once = blocks ? waiting / K::rows : 1;
  zero_start(tiles_at_once);
  for (std::int64_t t = p.tile, end; t < p.tile_end; t = end) {
    end = p.tile_end - t < tiles_at_once ? p.tile_end : t + tiles_at_once;
    const int tiles = static_cast<int>(end - t);
    begin(t, tiles);
    const std::uint8_t* a = p.a;
    const std::int32_t* row_sums = p.row_sums;
    char* out = static_cast<char*>(p.out) + t * u8s8_columns * size;
    std::int64_t larger = parts.more;  // of the parts that are left
    for (std::int64_t left = parts.parts; left > 0;) {
      const std::int64_t count = left < parts_at_once ? left : parts_at_once;
      const std::int64_t first = larger < count ? larger : count;
      const std::int64_t first_rows = first * (parts.least + 1);
      const std::int64_t rows = first_rows + (count - first) * parts.least;
      if (first > 0) multiply(t, tiles, a, parts.least + 1, first, sums);
      if (first < count) {
        multiply(t, tiles, a + first_rows * p.lda, parts.least, count - first,
                 sums + first_rows * u8s8_columns);
      }
      store(stage, t, end, sums, blocks ? rows : K::rows, rows, row_sums, out, p.ldo);
      left -= count;
      larger -= first;
      a += rows * p.lda;
      out += rows * p.ldo * size;
      if (row_sums != nullptr) row_sums += rows;
    }
  }
}

}  // namespace adze::kernels
