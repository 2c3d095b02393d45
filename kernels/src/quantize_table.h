/// \file
/// The quantization loops of one instruction set, each for one run of values with one scale.
#pragma once

#include <cstdint>

#include "adze/kernels/quantize.h"

namespace adze::kernels {

/// An Affine made ready for a loop. Bounds and zero point lie within ±2²², exact in float32.
struct AffineRow {
  float inverse;  ///< 1.0f / scale
  float scale;
  std::int32_t zero_point;
  float lowest;   ///< qmin - zero_point
  float highest;  ///< qmax - zero_point
};

/// What turns sums into values: multipliers and biases of `channels`, or one of each for all.
struct SumScaling {
  const float* multipliers;
  const float* bias;
  bool shared;
};

/// m rows of n sums, lds elements apart, and of results, ldo elements apart.
struct SumRows {
  std::int64_t m, n, lds, ldo;
};

/// `params`, which must be valid (quantize.h), made ready for a loop.
AffineRow make_row(const Affine& params);

struct QuantizeTable {
  const char* name;
  void (*quantize_u8)(const float* x, std::int64_t n, const AffineRow& row, std::uint8_t* q);
  void (*quantize_s8)(const float* x, std::int64_t n, const AffineRow& row, std::int8_t* q);
  void (*dequantize_u8)(const std::uint8_t* q, std::int64_t n, const AffineRow& row, float* x);
  void (*dequantize_s8)(const std::int8_t* q, std::int64_t n, const AffineRow& row, float* x);
  void (*fake_quantize)(const float* x, std::int64_t n, const AffineRow& row, float* y);
  void (*fake_quantize_mask)(const float* x, std::int64_t n, const AffineRow& row, float* y,
                             std::uint8_t* mask);
  /// q = quantize(dequantize(a) + dequantize(b)), and the same with the product.
  void (*combine_u8[2])(const std::uint8_t* a, const AffineRow& a_row, const std::uint8_t* b,
                        const AffineRow& b_row, std::int64_t n, const AffineRow& row,
                        std::uint8_t* q);
  void (*combine_s8[2])(const std::int8_t* a, const AffineRow& a_row, const std::int8_t* b,
                        const AffineRow& b_row, std::int64_t n, const AffineRow& row,
                        std::int8_t* q);
  /// q = round_half_even((float(sum) + bias) * multiplier) + zero_point within the bounds of `row`,
  /// which hold its zero point; NaN gives the zero point.
  void (*requantize_u8)(const std::int32_t* sums, const SumRows& rows, const SumScaling& scaling,
                        const AffineRow& row, std::uint8_t* q);
  void (*requantize_s8)(const std::int32_t* sums, const SumRows& rows, const SumScaling& scaling,
                        const AffineRow& row, std::int8_t* q);
  /// x = float(sum) * multiplier + bias, or 0 where that is below and `relu`.
  void (*requantize_f32)(const std::int32_t* sums, const SumRows& rows, const SumScaling& scaling,
                         bool relu, float* x);
  /// to[i] = the bin of x[i], or `bins` where it has none (see `histogram`; lo < hi).
  void (*histogram_bins)(const float* x, std::int64_t n, float lo, float hi, std::int32_t bins,
                         std::int32_t* to);
  /// Widens {*lo, *hi} to hold the n values; false if one of them is NaN.
  bool (*min_max)(const float* x, std::int64_t n, float* lo, float* hi);
};

extern const QuantizeTable quantize_scalar;
extern const QuantizeTable quantize_avx2;
extern const QuantizeTable quantize_avx512;
extern const QuantizeTable quantize_neon;

/// The loops of the active instruction set.
const QuantizeTable& quantize_table();

}  // namespace adze::kernels
