/// \file
/// The table of int8 micro-kernels, and what gemm_u8s8.cpp asks of one.
#pragma once

#include <cstdint>

#include "adze/kernels/gemm_u8s8.h"
#include "adze/kernels/isa.h"

namespace adze::kernels {

constexpr int u8s8_columns = 16;  ///< columns of a tile: the channels of a packed tile

/// One tile: sums[i * 16 + c] = start[c] + sum over k of a[i][k] * w[c][k], modulo 2³².
struct U8S8Tile {
  const std::uint8_t* a;
  std::int64_t lda;
  int rows;
  const std::int8_t* weights;  ///< a packed tile
  std::int64_t groups;
  std::int64_t last_start;    ///< where the last group begins
  const std::int32_t* start;  ///< 16 values
  std::int32_t* sums;         ///< rows * 16 values, on a 64-byte boundary
};

struct U8S8Kernel {
  const char* name;
  Isa isa;
  int rows;  ///< the most rows of a tile
  /// Why it would not be exact for the problem, or nullptr.
  const char* (*why_not)(const GemmU8S8Problem& problem);
  void (*tile)(const U8S8Tile& tile);
};

extern const U8S8Kernel u8s8_gemm_scalar;
extern const U8S8Kernel u8s8_gemm_4x16c4_avx2;
extern const U8S8Kernel u8s8_gemm_3x16c4_wide_avx2;

/// The output stage made ready for 16 columns.
struct ColumnStage {
  int columns;  ///< how many of the 16 exist
  OutputType type;
  bool relu;                ///< f32 only
  std::int32_t zero_point;  ///< u8, s8: added after rounding within lowest..highest
  float lowest;
  float highest;
  alignas(64) std::int32_t start[u8s8_columns];          ///< corrections that rows share
  alignas(64) std::int32_t w_zero_points[u8s8_columns];  ///< times the row's sum of a: subtracted
  alignas(64) float multipliers[u8s8_columns];
  alignas(64) float bias[u8s8_columns];
};

/// The parts of the int8 product that are the same for all micro-kernels of one instruction set.
struct U8S8Helpers {
  /// Takes a row of 16 sums, less row_sum * w_zero_points if `row_sum` is given, to `out`.
  void (*store)(const std::int32_t* sums, const ColumnStage& stage, const std::int32_t* row_sum,
                void* out);
  /// True if one of n bytes is above `limit`.
  bool (*any_above)(const std::uint8_t* a, std::int64_t n, std::int32_t limit);
};

extern const U8S8Helpers u8s8_helpers_scalar;
extern const U8S8Helpers u8s8_helpers_avx2;

}  // namespace adze::kernels
