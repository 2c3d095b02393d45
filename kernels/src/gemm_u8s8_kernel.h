/// \file
/// The table of int8 kernels, and what gemm_u8s8.cpp asks of one.
#pragma once

#include <cstdint>

#include "adze/kernels/gemm_u8s8.h"
#include "adze/kernels/isa.h"

#include "output_bounds.h"
#include "u8s8_orders.h"

namespace adze::kernels {

/// The output stage made ready for a call: arrays of 16 values for each tile, `step` apart, which
/// is 16, or 0 where all tiles share them.
struct U8S8Stage {
  struct Channels {
    const float* multipliers;
    const float* bias;
    const std::int32_t* w_zero_points;  ///< or nullptr: all 0
    int columns;                        ///< how many of the 16 exist
  };
  /// The arrays of tile `t`, of which 16 values can be read.
  [[gnu::always_inline]] Channels channels(std::int64_t t) const {
    if (t == last_tile) return last;
    return {multipliers + t * multipliers_step, bias + t * bias_step,
            w_zero_points == nullptr ? nullptr : w_zero_points + t * w_zero_points_step,
            u8s8_columns};
  }

  OutputType type;
  bool relu;  ///< f32 only
  OutputBounds bounds;
  std::int32_t a_zero_point;

  const float* multipliers;
  const float* bias;
  const std::int32_t* w_zero_points;
  std::int64_t multipliers_step, bias_step, w_zero_points_step;
  std::int64_t last_tile;  ///< a tile of fewer than 16 channels, or -1
  Channels last;
  /// Copies: of what all channels share, and of what the last tile has.
  alignas(64) float shared_multipliers[u8s8_columns], shared_bias[u8s8_columns];
  alignas(64) float last_multipliers[u8s8_columns], last_bias[u8s8_columns];
  alignas(64) std::int32_t shared_w_zero_points[u8s8_columns], last_w_zero_points[u8s8_columns];
};

/// What one call of a kernel computes: rows × the channels of tiles [tile, tile_end).
struct U8S8Panel {
  const std::uint8_t* a;  ///< at least 4 bytes a row
  std::int64_t lda;
  std::int64_t rows;
  const U8S8Weights* weights;
  std::int64_t tile;
  std::int64_t tile_end;
  const U8S8Stage* stage;
  const std::int32_t* row_sums;  ///< of a, if there are zero points of weights; or nullptr
  void* out;                     ///< (0, 0) of the rows
  std::int64_t ldo;
  std::uint8_t* scratch;  ///< as many bytes as the kernel asked for
};

struct U8S8Kernel {
  const char* name;
  Isa isa;
  U8S8Order order;
  int rows;  ///< rows that it likes to have together
  /// Why it cannot be used for the problem, or nullptr.
  const char* (*why_not)(const GemmU8S8Problem& problem);
  void (*run)(const U8S8Panel& panel);
  /// Bytes of scratch memory for so many rows, or nullptr: none.
  std::int64_t (*scratch)(std::int64_t rows, std::int64_t k);
};

extern const U8S8Kernel u8s8_gemm_scalar;
extern const U8S8Kernel u8s8_gemm_windows_avx2;
extern const U8S8Kernel u8s8_gemm_rows_avx2;
extern const U8S8Kernel u8s8_gemm_wide_avx2;
extern const U8S8Kernel u8s8_gemm_wide_plain_avx2;
extern const U8S8Kernel u8s8_gemm_avxvnni;
extern const U8S8Kernel u8s8_gemm_windows_avx512;
extern const U8S8Kernel u8s8_gemm_avx512vnni;
extern const U8S8Kernel u8s8_gemm_ymm_avx512vnni;
extern const U8S8Kernel u8s8_gemm_neon;
extern const U8S8Kernel u8s8_gemm_neondot;

/// The order that the best kernel for activations up to 127 reads.
U8S8Order preferred_order(std::int64_t n, std::int64_t k);

/// Takes rows of 16 sums of tiles [tile, tile_end), those of two tiles `tile_rows` rows apart, to
/// `out`, where rows are `ldo` elements apart; each sum less its row_sum times the zero point of
/// the weights if `row_sums` is given.
using U8S8Store = void (*)(const U8S8Stage& stage, std::int64_t tile, std::int64_t tile_end,
                           const std::int32_t* sums, std::int64_t tile_rows, std::int64_t rows,
                           const std::int32_t* row_sums, void* out, std::int64_t ldo);

/// True if one of n bytes is above `limit`.
using AnyAbove = bool(const std::uint8_t* a, std::int64_t n, std::int32_t limit);
AnyAbove any_above_scalar, any_above_avx2, any_above_neon;

}  // namespace adze::kernels
