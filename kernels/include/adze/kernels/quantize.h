/// \file
/// Between float32 and 8- or 32-bit integers: quantize, dequantize, fake-quantize, ranges.
///
/// All arithmetic is float32 and equals `reference.h` bit for bit on every instruction set and with
/// any number of threads. Scales must be finite and positive and qmin <= zero_point <= qmax;
/// callers check both, and reject non-finite inputs. Here +inf gives qmax, -inf gives qmin, NaN
/// gives the zero point. Outputs may be the inputs' memory where the element sizes agree, but not
/// overlap otherwise.
#pragma once

#include <cstdint>

namespace adze::kernels {

/// Affine quantization with one scale: real = (q - zero_point) * scale, qmin <= q <= qmax.
struct Affine {
  float scale = 1.0f;
  std::int32_t zero_point = 0;
  std::int32_t qmin = 0;
  std::int32_t qmax = 255;
};

/// A contiguous tensor seen from one of its axes: `channels` along it, `outer` before, `inner`
/// after.
struct ChannelShape {
  std::int64_t outer = 1;
  std::int64_t channels = 1;
  std::int64_t inner = 1;
};

/// Affine quantization with a scale and a zero point for each channel.
struct ChannelAffine {
  const float* scales = nullptr;
  const std::int32_t* zero_points = nullptr;  ///< nullptr: all 0
  std::int32_t qmin = -128;
  std::int32_t qmax = 127;
};

/// q = clamp(zero_point + round_half_even(x * (1.0f / scale)), qmin, qmax), saturating.
void quantize(const float* x, std::int64_t n, const Affine& params, std::uint8_t* q);
void quantize(const float* x, std::int64_t n, const Affine& params, std::int8_t* q);
void quantize(const float* x, std::int64_t n, const Affine& params, std::int32_t* q);

/// The same with the scale and zero point of each channel.
void quantize(const float* x, const ChannelShape& shape, const ChannelAffine& params,
              std::uint8_t* q);
void quantize(const float* x, const ChannelShape& shape, const ChannelAffine& params,
              std::int8_t* q);
void quantize(const float* x, const ChannelShape& shape, const ChannelAffine& params,
              std::int32_t* q);

/// x = float(q - zero_point) * scale; qmin and qmax are not used.
void dequantize(const std::uint8_t* q, std::int64_t n, const Affine& params, float* x);
void dequantize(const std::int8_t* q, std::int64_t n, const Affine& params, float* x);
void dequantize(const std::int32_t* q, std::int64_t n, const Affine& params, float* x);

/// The same with the scale and zero point of each channel.
void dequantize(const std::uint8_t* q, const ChannelShape& shape, const ChannelAffine& params,
                float* x);
void dequantize(const std::int8_t* q, const ChannelShape& shape, const ChannelAffine& params,
                float* x);
void dequantize(const std::int32_t* q, const ChannelShape& shape, const ChannelAffine& params,
                float* x);

/// y = dequantize(quantize(x)) without the integers in between; qmin, qmax, zero_point within ±2²².
/// If `mask` is given, mask[i] = 1 where the rounded value lay within [qmin, qmax] (the gradient
/// passes), else 0. NaN gives y = 0 and mask 0.
void fake_quantize(const float* x, std::int64_t n, const Affine& params, float* y,
                   std::uint8_t* mask = nullptr);
void fake_quantize(const float* x, const ChannelShape& shape, const ChannelAffine& params, float* y,
                   std::uint8_t* mask = nullptr);

/// dx = mask ? dy : 0, the straight-through estimator.
void fake_quantize_backward(const float* dy, const std::uint8_t* mask, std::int64_t n, float* dx);

/// q = quantize(dequantize(a) + dequantize(b)), each with its own parameters; only `params` uses
/// qmin and qmax, with qmin = zero_point for a ReLU after the sum.
void add_quantized(const std::uint8_t* a, const Affine& a_params, const std::uint8_t* b,
                   const Affine& b_params, std::int64_t n, const Affine& params, std::uint8_t* q);
void add_quantized(const std::int8_t* a, const Affine& a_params, const std::int8_t* b,
                   const Affine& b_params, std::int64_t n, const Affine& params, std::int8_t* q);

/// The same with the product.
void mul_quantized(const std::uint8_t* a, const Affine& a_params, const std::uint8_t* b,
                   const Affine& b_params, std::int64_t n, const Affine& params, std::uint8_t* q);
void mul_quantized(const std::int8_t* a, const Affine& a_params, const std::int8_t* b,
                   const Affine& b_params, std::int64_t n, const Affine& params, std::int8_t* q);

/// The smallest and the largest value of a range.
struct MinMax {
  float min;
  float max;
};

/// The smallest and largest of n values; both NaN if any value is NaN, {+inf, -inf} if n is 0, and
/// +0 rather than -0.
MinMax min_max(const float* x, std::int64_t n);

/// The same for each channel, into `mins` and `maxs` (shape.channels values each).
void min_max(const float* x, const ChannelShape& shape, float* mins, float* maxs);

/// Adds to counts[b] how many of n values fall into bin b of `bins` equal ones over [lo, hi]:
/// b = min(bins - 1, int((x - lo) * float(bins) / (hi - lo))) in float32, left to right; bins / 2
/// where hi equals lo. NaN and values outside are not counted. lo <= hi, both finite, as is
/// (hi - lo) * bins; 1 <= bins <= 65536.
void histogram(const float* x, std::int64_t n, float lo, float hi, std::int64_t bins,
               std::int64_t* counts);

}  // namespace adze::kernels
