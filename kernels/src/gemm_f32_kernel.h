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
  /// (p, j) is at b[p * b_step + j / 16 * b_group + j % 16]; readable up to a multiple of
  /// F32Kernel::b_unit columns.
  const float* b;
  std::int64_t b_step;
  std::int64_t b_group;
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
  int unit;  ///< narrower tiles than this bring no gain
  /// The most columns of a tile with so many rows: `unit` times a power of two. Other tiles have
  /// `unit` times a smaller power of two, less up to unit - 1.
  int (*columns)(int rows);
  int b_unit;  ///< see F32Tile::b
  /// With up to so many rows a row-major b that stays in L2 is read where it is.
  std::int64_t in_place_rows;
  /// The kernel for products that read a large or packed b more than once; or nullptr.
  const F32Kernel* for_large;
  void (*tile)(const F32Tile& tile);
  /// One row of a and any number of columns of a row-major b, which is read in the order of memory;
  /// or nullptr. k > 0, `columns` is not used.
  void (*row)(const F32Tile& tile, std::int64_t n);
  /// A tile that reads b by columns where it is, for few rows of a, with a_step 1; it has as many
  /// columns as by_columns_columns says, or up to 8.
  int by_columns_rows;  ///< the most rows of such a tile
  int (*by_columns_columns)(int rows);
  void (*tile_by_columns)(const F32Tile& tile);
  /// out[p * 16 + j] = x[p * ldx + j] for p < k, j < n <= 16, and anything for the other j < 16.
  void (*copy)(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out);
  /// The same with x[j * ldx + p].
  void (*transpose)(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out);
};

extern const F32Kernel f32_gemm_scalar;
extern const F32Kernel f32_gemm_6x16_avx2;
extern const F32Kernel f32_gemm_12x32_avx512;
extern const F32Kernel f32_gemm_6x16_neon;

/// What f32_gemm_12x32_avx512 shares with f32_gemm_6x16_avx2.
void f32_transpose_avx2(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k,
                        float* out);
constexpr int f32_by_columns_rows_avx2 = 3;
int f32_by_columns_columns_avx2(int rows);
void f32_tile_by_columns_avx2(const F32Tile& tile);

/// The kernel for the active instruction set.
const F32Kernel& f32_kernel();

}  // namespace adze::kernels
