/// \file
/// The loop over tiles and rows that most int8 kernels share.
#pragma once

#include <cstdint>

#include "gemm_u8s8_kernel.h"
#include "output_stage.h"

namespace adze::kernels {

/// Rows in parts that are as even as can be: 16 rows are 6 + 5 + 5.
struct EvenParts {
  std::int64_t parts;
  int least;          ///< rows of each part
  std::int64_t more;  ///< so many parts have one more

  [[gnu::always_inline]] EvenParts(std::int64_t rows, int most)
      : parts(1), least(static_cast<int>(rows)), more(0) {
    if (rows <= most) return;
    parts = (rows + most - 1) / most;
    least = static_cast<int>(rows / parts);
    more = rows % parts;
  }
  [[gnu::always_inline]] int rows(std::int64_t part) const { return least + (part < more ? 1 : 0); }
};

/// How far ahead weights are fetched. Hardware does well where they come from a cache, and far less
/// is needed then; with few rows the weights' bandwidth is the limit.
[[gnu::always_inline]] inline std::int64_t bytes_ahead(const U8S8Weights& w, bool few_rows) {
  if (w.beyond_cache) return few_rows ? 8192 : 4096;
  return few_rows ? 512 : 1024;
}

/// Runs a panel on a kernel K with lanes L, K::rows_for(k) <= K::rows rows at a time.
/// K::tile(weights, first tile, tiles, a, lda, rows, start, sums) computes `rows` <= K::rows rows
/// of `tiles` <= K::tiles tiles: sums[t][r * 16 + c] = start[t][c] + sum over k of a[r][k] *
/// w[c][k], modulo 2³².
template <class K, class L>
[[gnu::always_inline]] inline void run_panel(const U8S8Panel& p) {
  using Output = OutputStageLoops<L>;
  constexpr int block = K::rows * u8s8_columns;
  alignas(64) std::int32_t sums[K::tiles * block];
  alignas(64) std::int32_t start[K::tiles * u8s8_columns];
  U8S8Stage::Channels channels[K::tiles];

  const U8S8Weights& w = *p.weights;
  const U8S8Store store = Output::store_for(p.stage->type);
  const std::int64_t size =
      p.stage->type == OutputType::u8 || p.stage->type == OutputType::s8 ? 1 : 4;
  const EvenParts parts(p.rows, K::rows_for(w.k));
  const bool corrected = p.stage->a_zero_point != 0;
  if (!corrected) {
    for (std::int32_t& x : start) x = 0;
  }

  for (std::int64_t t = p.tile; t < p.tile_end;) {
    const int tiles =
        K::tiles == 1 ? 1 : static_cast<int>(p.tile_end - t < K::tiles ? p.tile_end - t : K::tiles);
    for (int i = 0; i < tiles; ++i) {
      channels[i] = p.stage->channels(t + i);
      if (corrected) {
        Output::start(*p.stage, channels[i], w.k, w.sums + (t + i) * u8s8_columns,
                      start + i * u8s8_columns);
      }
    }
    if (channels[tiles - 1].columns < u8s8_columns) {
      // Kernels may leave out columns that do not exist.
      for (std::int32_t& x : sums) x = 0;
    }
    const std::uint8_t* a = p.a;
    const std::int32_t* row_sums = p.row_sums;
    char* out = static_cast<char*>(p.out) + t * u8s8_columns * size;
    for (std::int64_t part = 0; part < parts.parts; ++part) {
      const int rows = parts.rows(part);
      K::tile(w, t, tiles, a, p.lda, rows, start, sums);
      for (int i = 0; i < tiles; ++i) {
        store(*p.stage, channels[i], sums + i * block, rows, row_sums,
              out + i * u8s8_columns * size, p.ldo);
      }
      a += rows * p.lda;
      out += rows * p.ldo * size;
      if (row_sums != nullptr) row_sums += rows;
    }
    t += tiles;
  }
}

}  // namespace adze::kernels
