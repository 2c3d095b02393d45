#include "ops/grid.h"

#include <cmath>

namespace adze::detail {
namespace {

[[noreturn]] void fail_not_finite(std::string_view where, const Tensor& a) {
  const float* x = a.data<float>();
  std::int64_t count = 0, first = 0;
  for (std::int64_t i = a.numel(); i-- > 0;) {
    if (std::isfinite(x[i])) continue;
    ++count;
    first = i;
  }
  Shape index = a.sizes();
  std::int64_t rest = first;
  for (std::size_t d = index.size(); d-- > 0;) {
    const std::int64_t size = index[d];
    index[d] = rest % size;
    rest /= size;
  }
  fail(where, ": the input must be finite, but ", count, " of its ", a.numel(),
       " elements are not; the first is ", x[first], " at index ", index);
}

}  // namespace

kernels::ChannelShape channel_shape(const Shape& sizes, std::size_t axis) {
  kernels::ChannelShape shape;
  for (std::size_t d = 0; d < sizes.size(); ++d)
    (d < axis ? shape.outer : d == axis ? shape.channels : shape.inner) *= sizes[d];
  return shape;
}

float float_scale(std::string_view where, double scale) {
  const auto s = static_cast<float>(scale);
  check(std::isfinite(s) && s > 0 && std::isfinite(1.0f / s), where,
        ": the scale must be finite and > 0, and so must its reciprocal in float32; got ", scale);
  return s;
}

kernels::Affine affine_of(std::string_view where, const Quantizer& quantizer, DType dtype) {
  const QRange range = qrange(dtype);
  return {float_scale(where, quantizer.scales[0]),
          static_cast<std::int32_t>(quantizer.zero_points[0]), static_cast<std::int32_t>(range.min),
          static_cast<std::int32_t>(range.max)};
}

Grid grid_of(std::string_view where, const Quantizer& quantizer, const Shape& sizes, DType dtype) {
  Grid grid;
  grid.per_channel = is_per_channel(quantizer.scheme);
  grid.shape = grid.per_channel ? channel_shape(sizes, static_cast<std::size_t>(quantizer.axis))
                                : kernels::ChannelShape{1, 1, numel(sizes)};
  grid.range = qrange(dtype);
  for (const double scale : quantizer.scales) grid.scales.push_back(float_scale(where, scale));
  if (quantizer.scheme == QScheme::per_channel_affine_float_qparams) {
    for (const double z : quantizer.zero_points)
      grid.float_zero_points.push_back(static_cast<float>(z));
  } else {
    for (const double z : quantizer.zero_points)
      grid.zero_points.push_back(static_cast<std::int32_t>(z));
  }
  return grid;
}

kernels::MinMax finite_range(std::string_view where, const Tensor& a) {
  if (a.numel() == 0) return {0, 0};
  const kernels::MinMax range = kernels::min_max(a.data<float>(), a.numel());
  if (!std::isfinite(range.min) || !std::isfinite(range.max)) fail_not_finite(where, a);
  return range;
}

ChannelQParams read_channel_qparams(std::string_view where, const Shape& sizes,
                                    const Tensor& scales, const Tensor& zero_points,
                                    std::int64_t axis) {
  ChannelQParams p;
  p.axis = static_cast<std::size_t>(wrap_dim(axis, sizes.size(), where));
  check(scales.is_floating_point(), where, ": the scales must be floats, got ", scales.dtype());
  check(zero_points.is_floating_point() || is_integral(zero_points.dtype()), where,
        ": the zero points must be integers or floats, got ", zero_points.dtype());
  const Shape expected{sizes[p.axis]};
  check(scales.sizes() == expected && zero_points.sizes() == expected, where,
        ": one scale and one zero point for each channel of axis ", p.axis, " of shape ", sizes,
        " expected, ", expected, "; got scales ", scales.sizes(), " and zero points ",
        zero_points.sizes());
  p.scales = scales.to_vector<double>();
  p.zero_points = zero_points.to_vector<double>();
  p.float_zero_points = zero_points.is_floating_point();
  return p;
}

}  // namespace adze::detail
