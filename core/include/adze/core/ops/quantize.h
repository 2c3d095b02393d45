#pragma once

#include <cstdint>
#include <tuple>

#include "adze/core/op.h"
#include "adze/core/quantizer.h"

namespace adze {

/// Scale (real units per step) and zero point (the integer that stands for 0) of one tensor.
struct QParams {
  double scale = 1;
  std::int64_t zero_point = 0;
  friend bool operator==(const QParams&, const QParams&) = default;
};

/// qparams for the range [min, max] by the rule of dynamic quantization: the range is extended to
/// hold 0, scales below 6.1e-5 are raised, the zero point is nudged to an integer. With
/// `preserve_sparsity` and min < 0 < max the zero point is the middle of the range.
/// `reduce_range` halves [qmin, qmax]. Throws unless min <= max and both are finite.
QParams choose_qparams(double min, double max, std::int64_t qmin, std::int64_t qmax,
                       bool reduce_range = false, bool preserve_sparsity = false);

/// clamp(zero_point + round_half_even(x * (1 / scale)), qmin, qmax) in float32; the product is
/// rounded before the zero point is added. `a` is float32; non-finite elements throw.
Tensor quantize_per_tensor(const Tensor& a, double scale, std::int64_t zero_point, DType dtype);
/// The same per channel along `axis`; scales and zero_points are vectors of that length. Floating
/// zero points are added before rounding (per_channel_affine_float_qparams).
Tensor quantize_per_channel(const Tensor& a, const Tensor& scales, const Tensor& zero_points,
                            std::int64_t axis, DType dtype);
/// To qint8 or quint8 with qparams from the tensor's own range (see choose_qparams).
Tensor quantize_per_tensor_dynamic(const Tensor& a, DType dtype, bool reduce_range = false);
/// (q - zero_point) * scale, float32; a float tensor comes back as it is.
Tensor dequantize(const Tensor& a);
/// A quantized tensor made of integers (int8, uint8 or int32) and qparams; shares storage.
Tensor make_per_tensor_quantized_tensor(const Tensor& ints, double scale, std::int64_t zero_point);
Tensor make_per_channel_quantized_tensor(const Tensor& ints, const Tensor& scales,
                                         const Tensor& zero_points, std::int64_t axis);
/// The same values on another grid: dequantize, then quantize.
Tensor requantize(const Tensor& a, double scale, std::int64_t zero_point);

/// Quantizes and dequantizes in float: (clamp(zp + round_half_even(x / s), qmin, qmax) - zp) * s.
/// The gradient passes straight through where the integer lies inside [qmin, qmax], else it is 0.
/// Infinities saturate, NaN stays NaN. Throws unless qmin <= zero_point <= qmax and scale > 0.
Tensor fake_quantize_per_tensor_affine(const Tensor& a, double scale, std::int64_t zero_point,
                                       std::int64_t quant_min, std::int64_t quant_max);
Tensor fake_quantize_per_channel_affine(const Tensor& a, const Tensor& scale,
                                        const Tensor& zero_point, std::int64_t axis,
                                        std::int64_t quant_min, std::int64_t quant_max);

namespace ops {
extern const Op<Tensor(const Tensor&, double, std::int64_t, DType)> quantize_per_tensor;
extern const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, std::int64_t, DType)>
    quantize_per_channel;
extern const Op<Tensor(const Tensor&, DType, bool)> quantize_per_tensor_dynamic;
extern const Op<Tensor(const Tensor&)> dequantize;
extern const Op<Tensor(const Tensor&, double, std::int64_t)> requantize;
extern const Op<Tensor(const Tensor&, double, std::int64_t, std::int64_t, std::int64_t)>
    fake_quantize_per_tensor_affine;
extern const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, std::int64_t, std::int64_t,
                       std::int64_t)>
    fake_quantize_per_channel_affine;
}  // namespace ops

}  // namespace adze
