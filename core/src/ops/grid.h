#pragma once

// Quantizers and qparams in the form that the kernels take: float32 scales, channels as a shape.

#include <cstdint>
#include <string_view>
#include <vector>

#include "adze/core/quantizer.h"
#include "adze/core/tensor.h"
#include "adze/kernels/quantize.h"

namespace adze::detail {

/// The affine map of a tensor: one scale, or one per channel.
struct Grid {
  kernels::ChannelShape shape;  // {1, 1, numel} for one scale
  bool per_channel = false;
  std::vector<float> scales;              // finite and > 0, with a finite reciprocal
  std::vector<std::int32_t> zero_points;  // empty when they are floats
  std::vector<float> float_zero_points;   // added before rounding
  QRange range;

  kernels::Affine affine() const {
    return {scales[0], zero_points[0], static_cast<std::int32_t>(range.min),
            static_cast<std::int32_t>(range.max)};
  }
  kernels::ChannelAffine channel_affine() const {
    return {scales.data(), zero_points.data(), static_cast<std::int32_t>(range.min),
            static_cast<std::int32_t>(range.max)};
  }
};

/// A contiguous tensor of those sizes as the kernels see it from one of its axes.
kernels::ChannelShape channel_shape(const Shape& sizes, std::size_t axis);

/// `scale` in float32; throws when it is not finite and > 0 there, or its reciprocal is not.
float float_scale(std::string_view where, double scale);

/// The map of a per-tensor quantizer with the range of `dtype`.
kernels::Affine affine_of(std::string_view where, const Quantizer& quantizer, DType dtype);

/// The grid of a quantized tensor with those sizes.
Grid grid_of(std::string_view where, const Quantizer& quantizer, const Shape& sizes, DType dtype);

/// The range of a contiguous float32 tensor, {0, 0} without elements; throws, with the first place,
/// when an element is not finite.
kernels::MinMax finite_range(std::string_view where, const Tensor& a);

/// Scales and zero points per channel, as given to an op.
struct ChannelQParams {
  std::size_t axis = 0;
  std::vector<double> scales, zero_points;
  bool float_zero_points = false;
};

/// Reads `scales` (floats) and `zero_points` (integers or floats), vectors with one element per
/// channel of `axis` of a tensor with those sizes; throws when the axis, the dtypes or the lengths
/// do not fit.
ChannelQParams read_channel_qparams(std::string_view where, const Shape& sizes,
                                    const Tensor& scales, const Tensor& zero_points,
                                    std::int64_t axis);

/// f(channel, first, count) for each run of neighbouring elements of one channel.
template <class F>
void for_each_channel_run(const kernels::ChannelShape& shape, F&& f) {
  std::int64_t first = 0;
  for (std::int64_t outer = 0; outer < shape.outer; ++outer) {
    for (std::int64_t channel = 0; channel < shape.channels; ++channel, first += shape.inner)
      f(static_cast<std::size_t>(channel), first, shape.inner);
  }
}

}  // namespace adze::detail
