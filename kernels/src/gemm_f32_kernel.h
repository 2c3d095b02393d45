/// \file
/// The table of float32 micro-kernels, and what gemm_f32.cpp asks of one.
#pragma once

#include <cstdint>

#include "adze/kernels/isa.h"

namespace adze::kernels {

/// One tile of the result: rows × columns values of c, over k products each.
struct F32Tile {
  std::int64_t k;
  const float* a;  ///< (i, p) is at a[i * a_row + p * a_step]; one of the two strides is 1
  std::int64_t a_row;
  std::int64_t a_step;
  const float* b;  ///< (p, j) is at b[p * b_step + j]; readable up to a multiple of 8 columns
  std::int64_t b_step;
  std::int64_t b_column;  ///< for tile_by_columns only: (p, j) is at b[p + j * b_column]
  float* c;
  std::int64_t ldc;
  int rows;
  int columns;
  bool from_zero;     ///< start from 0, else from c
  const float* bias;  ///< added at the end; or nullptr
  bool relu;
};

struct F32Kernel {
  const char* name;
  Isa isa;
  int rows;  ///< the most rows of a tile
  /// The most columns of a tile with so many rows: 8 times a power of two. Other tiles have 8 times
  /// a smaller power of two, less up to 7.
  int (*columns)(int rows);
  void (*tile)(const F32Tile& tile);
  /// A tile that reads b by columns where it is, for few rows of a; it has as many columns as
  /// by_columns_columns says, or up to 8.
  int by_columns_rows;  ///< the most rows of such a tile
  int (*by_columns_columns)(int rows);
  void (*tile_by_columns)(const F32Tile& tile);
  /// out[p * width + j] = x[p * ldx + j] for j < n <= width, p < k, and anything for the other j <
  /// width, width the next multiple of 8.
  void (*copy)(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out,
               std::int64_t width);
  /// The same with x[j * ldx + p].
  void (*transpose)(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out,
                    std::int64_t width);
};

extern const F32Kernel f32_gemm_scalar;
extern const F32Kernel f32_gemm_6x16_avx2;

}  // namespace adze::kernels
