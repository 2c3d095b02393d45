#include <cmath>
#include <limits>

#include "adze/core/ops/elementwise.h"
#include "adze/core/ops/quantize.h"

#include "ops/grid.h"
#include "ops/operands.h"

namespace adze {

using autograd::BackwardContext;
using autograd::Gradients;
using namespace detail;

namespace {

// Largest integer that the float32 kernel is exact for.
constexpr std::int64_t kernel_limit = 1 << 22;

void check_ints(const char* op, const QRange& range) {
  check(range.min <= range.max, op, ": quant_min must not exceed quant_max, got [", range.min, ", ",
        range.max, "]");
  check(range.min >= std::numeric_limits<std::int32_t>::min() &&
            range.max <= std::numeric_limits<std::int32_t>::max(),
        op, ": quant_min and quant_max must be 32-bit integers, got [", range.min, ", ", range.max,
        "]");
}

void check_zero_point(const char* op, double zero_point, const QRange& range,
                      std::string_view what) {
  check(
      zero_point >= static_cast<double>(range.min) && zero_point <= static_cast<double>(range.max),
      op, ": the zero point", what, " must lie in [quant_min, quant_max] = [", range.min, ", ",
      range.max, "], got ", zero_point);
}

// Any range and float zero points, with the integers as doubles; the difference to the zero point
// is rounded to float32 once.
void fake_quantize_wide(const float* x, const Grid& grid, float* y, std::uint8_t* mask) {
  const auto low = static_cast<double>(grid.range.min), high = static_cast<double>(grid.range.max);
  const bool float_zero_points = !grid.float_zero_points.empty();
  for_each_channel_run(
      grid.shape, [&](std::size_t channel, std::int64_t first, std::int64_t count) {
        const float scale = grid.scales[channel], inverse = 1.0f / scale;
        const float shift = float_zero_points ? grid.float_zero_points[channel] : 0.0f;
        const double zero_point = float_zero_points ? 0.0 : grid.zero_points[channel];
        for (std::int64_t i = first; i < first + count; ++i) {
          const double q = zero_point + static_cast<double>(std::nearbyint(x[i] * inverse + shift));
          const double clamped = q < low ? low : q > high ? high : q;
          y[i] = static_cast<float>(clamped - zero_point - static_cast<double>(shift)) * scale;
          if (mask) mask[i] = q >= low && q <= high;
        }
      });
}

// fake_quantize of contiguous float32 values, and where the gradient passes.
void fake_quantize_values(const float* x, const Grid& grid, float* y, std::uint8_t* mask) {
  if (!grid.float_zero_points.empty() || grid.range.min < -kernel_limit ||
      grid.range.max > kernel_limit) {
    fake_quantize_wide(x, grid, y, mask);
    return;
  }
  const std::int64_t n = grid.shape.outer * grid.shape.channels * grid.shape.inner;
  if (grid.per_channel) {
    kernels::fake_quantize(x, grid.shape, grid.channel_affine(), y, mask);
  } else {
    kernels::fake_quantize(x, n, grid.affine(), y, mask);
  }
  // The kernel gives 0 for NaN.
  if (!std::isnan(kernels::min_max(x, n).min)) return;
  for (std::int64_t i = 0; i < n; ++i)
    if (std::isnan(x[i])) y[i] = x[i];
}

void check_input(const char* op, const Tensor& a) {
  check(a.is_floating_point(), op, ": a float tensor expected, got ", a.dtype());
}

// Both are computed in float32; the result has the dtype of `a`.
Tensor fake_quantized(const Tensor& a, const Grid& grid) {
  const Tensor x = packed(converted(a, float32)), y = make_tensor(a.sizes(), float32);
  if (a.numel() > 0) fake_quantize_values(x.data<float>(), grid, y.mutable_data<float>(), nullptr);
  return converted(y, a.dtype());
}

Gradients straight_through(const BackwardContext& c, const Grid& grid) {
  const Tensor a = c.tensor(0), mask = make_tensor(a.sizes(), boolean);
  const Tensor x = packed(converted(a, float32)), y = make_tensor(a.sizes(), float32);
  if (a.numel() > 0) {
    // A bool is one byte, 0 or 1, as the kernel writes them.
    auto* bytes = reinterpret_cast<std::uint8_t*>(mask.mutable_data<bool>());
    fake_quantize_values(x.data<float>(), grid, y.mutable_data<float>(), bytes);
  }
  return {where(mask, c.grad(), 0)};
}

// ---- per tensor ---------------------------------------------------------------------------------

constexpr auto per_tensor = "fake_quantize_per_tensor_affine";

Grid tensor_grid(const Tensor& a, double scale, std::int64_t zero_point, const QRange& range) {
  check_input(per_tensor, a);
  check_ints(per_tensor, range);
  check_zero_point(per_tensor, static_cast<double>(zero_point), range, "");
  Grid grid;
  grid.shape.inner = a.numel();
  grid.scales = {float_scale(per_tensor, scale)};
  grid.zero_points = {static_cast<std::int32_t>(zero_point)};
  grid.range = range;
  return grid;
}

Tensor per_tensor_forward(const Tensor& a, double scale, std::int64_t zero_point,
                          std::int64_t quant_min, std::int64_t quant_max) {
  return fake_quantized(a, tensor_grid(a, scale, zero_point, {quant_min, quant_max}));
}

Gradients per_tensor_derivative(const BackwardContext& c) {
  return straight_through(c, tensor_grid(c.tensor(0), c.args[1].to_double(), c.args[2].to_int(),
                                         {c.args[3].to_int(), c.args[4].to_int()}));
}

// ---- per channel --------------------------------------------------------------------------------

constexpr auto per_channel = "fake_quantize_per_channel_affine";

Grid channel_grid(const Tensor& a, const Tensor& scale, const Tensor& zero_point, std::int64_t axis,
                  const QRange& range) {
  check_input(per_channel, a);
  check_ints(per_channel, range);
  const ChannelQParams p = read_channel_qparams(per_channel, a.sizes(), scale, zero_point, axis);
  Grid grid;
  grid.shape = channel_shape(a.sizes(), p.axis);
  grid.per_channel = true;
  grid.range = range;
  for (std::size_t i = 0; i < p.scales.size(); ++i) {
    const double z = p.zero_points[i];
    check_zero_point(per_channel, z, range, concat(" of channel ", i));
    grid.scales.push_back(float_scale(per_channel, p.scales[i]));
    if (p.float_zero_points) {
      grid.float_zero_points.push_back(static_cast<float>(z));
    } else {
      grid.zero_points.push_back(static_cast<std::int32_t>(z));
    }
  }
  return grid;
}

Tensor per_channel_forward(const Tensor& a, const Tensor& scale, const Tensor& zero_point,
                           std::int64_t axis, std::int64_t quant_min, std::int64_t quant_max) {
  return fake_quantized(a, channel_grid(a, scale, zero_point, axis, {quant_min, quant_max}));
}

Gradients per_channel_derivative(const BackwardContext& c) {
  return straight_through(c, channel_grid(c.tensor(0), c.tensor(1), c.tensor(2), c.args[3].to_int(),
                                          {c.args[4].to_int(), c.args[5].to_int()}));
}

}  // namespace

namespace ops {

constinit const Op<Tensor(const Tensor&, double, std::int64_t, std::int64_t, std::int64_t)>
    fake_quantize_per_tensor_affine{{.name = "fake_quantize_per_tensor_affine",
                                     .forward = per_tensor_forward,
                                     .derivative = per_tensor_derivative,
                                     .traits = {.elementwise = true}}};
constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, std::int64_t, std::int64_t,
                          std::int64_t)>
    fake_quantize_per_channel_affine{{.name = "fake_quantize_per_channel_affine",
                                      .forward = per_channel_forward,
                                      .derivative = per_channel_derivative}};

}  // namespace ops

Tensor fake_quantize_per_tensor_affine(const Tensor& a, double scale, std::int64_t zero_point,
                                       std::int64_t quant_min, std::int64_t quant_max) {
  return ops::fake_quantize_per_tensor_affine(a, scale, zero_point, quant_min, quant_max);
}

Tensor fake_quantize_per_channel_affine(const Tensor& a, const Tensor& scale,
                                        const Tensor& zero_point, std::int64_t axis,
                                        std::int64_t quant_min, std::int64_t quant_max) {
  // Observers write their qparams in place, possibly before the derivative reads them.
  const bool keeps = !a.is_symbolic() && grad_enabled() && a.requires_grad();
  const auto kept = [&](const Tensor& t) { return keeps && !t.is_symbolic() ? clone(t) : t; };
  return ops::fake_quantize_per_channel_affine(a, kept(scale), kept(zero_point), axis, quant_min,
                                               quant_max);
}

}  // namespace adze
