#include "adze/core/ops/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "adze/core/creation.h"

#include "ops/families.h"
#include "ops/grid.h"
#include "ops/operands.h"

namespace adze {

using namespace detail;

namespace {

template <class F>
void visit_quantized(DType dtype, F&& f) {
  switch (dtype) {
    case DType::qint8:
      return f(TypeTag<std::int8_t>{});
    case DType::quint8:
      return f(TypeTag<std::uint8_t>{});
    default:
      return f(TypeTag<std::int32_t>{});
  }
}

// ---- to integers --------------------------------------------------------------------------------

void check_input(const char* op, const Tensor& a) {
  check(!a.is_quantized(), op, ": the input is quantized already (", a.dtype(), ", shape ",
        a.sizes(), "); use requantize() to change its grid");
  check(a.dtype() == float32, op, ": a float32 tensor expected, got ", a.dtype(),
        "; convert it with to(float32)");
}

void check_target(const char* op, DType dtype) {
  check(is_quantized(dtype), op, ": the dtype must be qint8, quint8 or qint32, got ", dtype);
}

template <class T>
void quantize_values(const float* x, const Grid& grid, T* q) {
  if (!grid.float_zero_points.empty()) {
    for_each_channel_run(grid.shape,
                         [&](std::size_t channel, std::int64_t first, std::int64_t count) {
                           const float inverse = 1.0f / grid.scales[channel];
                           const float zero_point = grid.float_zero_points[channel];
                           for (std::int64_t i = first; i < first + count; ++i)
                             q[i] = convert<T>(std::nearbyint(x[i] * inverse + zero_point));
                         });
  } else {
    kernels::quantize(x, grid.shape, grid.channel_affine(), q);
  }
}

// A finite, contiguous float32 tensor on that grid.
Tensor on_grid(const char* op, const Tensor& a, const QuantizerPtr& quantizer, DType dtype) {
  if (!is_per_channel(quantizer->scheme)) {
    const kernels::Affine affine = affine_of(op, *quantizer, dtype);
    const Tensor out = make_tensor(a.sizes(), dtype, quantizer);
    visit_quantized(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      kernels::quantize(a.data<float>(), a.numel(), affine, out.mutable_data<T>());
    });
    return out;
  }
  const Grid grid = grid_of(op, *quantizer, a.sizes(), dtype);
  const Tensor out = make_tensor(a.sizes(), dtype, quantizer);
  visit_quantized(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (a.numel() > 0) quantize_values(a.data<float>(), grid, out.mutable_data<T>());
  });
  return out;
}

Tensor per_tensor_forward(const Tensor& a, double scale, std::int64_t zero_point, DType dtype) {
  constexpr auto op = "quantize_per_tensor";
  check_input(op, a);
  check_target(op, dtype);
  const QuantizerPtr quantizer = make_per_tensor_quantizer(scale, zero_point, dtype);
  const Tensor x = packed(a);
  finite_range(op, x);
  return on_grid(op, x, quantizer, dtype);
}

// The checked quantizer of these qparams; float zero points make the float-qparams scheme.
QuantizerPtr channel_quantizer(const char* op, ChannelQParams p, DType dtype) {
  const auto axis = static_cast<std::int64_t>(p.axis);
  if (!p.float_zero_points) {
    return make_per_channel_quantizer(std::move(p.scales), std::move(p.zero_points), axis, dtype);
  }
  for (const double scale : p.scales) float_scale(op, scale);
  for (const double z : p.zero_points)
    check(std::isfinite(z), op, ": the zero points must be finite, got ", z);
  return std::make_shared<Quantizer>(Quantizer{.scheme = per_channel_affine_float_qparams,
                                               .scales = std::move(p.scales),
                                               .zero_points = std::move(p.zero_points),
                                               .axis = axis});
}

Tensor per_channel_forward(const Tensor& a, const Tensor& scales, const Tensor& zero_points,
                           std::int64_t axis, DType dtype) {
  constexpr auto op = "quantize_per_channel";
  check_input(op, a);
  check_target(op, dtype);
  const QuantizerPtr quantizer =
      channel_quantizer(op, read_channel_qparams(op, a.sizes(), scales, zero_points, axis), dtype);
  const Tensor x = packed(a);
  finite_range(op, x);
  return on_grid(op, x, quantizer, dtype);
}

Tensor dynamic_forward(const Tensor& a, DType dtype, bool reduce_range) {
  constexpr auto op = "quantize_per_tensor_dynamic";
  check_input(op, a);
  check(dtype == qint8 || dtype == quint8, op, ": the dtype must be qint8 or quint8, got ", dtype);
  check(a.numel() > 0, op, ": the range of a tensor without elements is not known (shape ",
        a.sizes(), ")");
  const Tensor x = packed(a);
  const kernels::MinMax range = finite_range(op, x);
  const QRange ints = qrange(dtype);
  const QParams p = choose_qparams(range.min, range.max, ints.min, ints.max, reduce_range);
  return on_grid(op, x, make_per_tensor_quantizer(p.scale, p.zero_point, dtype), dtype);
}

// ---- to floats ----------------------------------------------------------------------------------

template <class T>
void dequantize_values(const T* q, const Grid& grid, float* x) {
  if (!grid.float_zero_points.empty()) {
    for_each_channel_run(
        grid.shape, [&](std::size_t channel, std::int64_t first, std::int64_t count) {
          const float scale = grid.scales[channel], zero_point = grid.float_zero_points[channel];
          for (std::int64_t i = first; i < first + count; ++i)
            x[i] = (static_cast<float>(q[i]) - zero_point) * scale;
        });
  } else {
    kernels::dequantize(q, grid.shape, grid.channel_affine(), x);
  }
}

Tensor dequantize_forward(const Tensor& a) {
  if (a.is_floating_point()) return a;
  check(a.is_quantized(), "dequantize: a quantized or a float tensor expected, got ", a.dtype());
  const Tensor q = packed(a), out = make_tensor(a.sizes(), float32);
  if (a.numel() == 0) return out;
  const Quantizer& quantizer = *a.quantizer();
  if (!is_per_channel(quantizer.scheme)) {
    const kernels::Affine affine = affine_of("dequantize", quantizer, a.dtype());
    visit_quantized(a.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      kernels::dequantize(q.data<T>(), q.numel(), affine, out.mutable_data<float>());
    });
    return out;
  }
  const Grid grid = grid_of("dequantize", quantizer, a.sizes(), a.dtype());
  visit_quantized(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    dequantize_values(q.data<T>(), grid, out.mutable_data<float>());
  });
  return out;
}

Tensor requantize_forward(const Tensor& a, double scale, std::int64_t zero_point) {
  check(a.is_quantized(), "requantize: a quantized tensor expected, got ", a.dtype(),
        "; use quantize_per_tensor()");
  const QuantizerPtr quantizer = make_per_tensor_quantizer(scale, zero_point, a.dtype());
  return on_grid("requantize", dequantize_forward(a), quantizer, a.dtype());
}

// ---- from integers ------------------------------------------------------------------------------

DType quantized_dtype(const char* op, const Tensor& ints) {
  switch (ints.dtype()) {
    case DType::int8:
      return DType::qint8;
    case DType::uint8:
      return DType::quint8;
    case DType::int32:
      return DType::qint32;
    default:
      fail(op, ": the integers must be int8, uint8 or int32, got ", ints.dtype());
  }
}

void check_not_symbolic(const char* op, const Tensor& t) {
  if (t.is_symbolic())
    throw TraceError(concat(op, ": cannot be traced; make the module that calls it a leaf"));
}

// The same elements, read as integers of a quantized tensor.
Tensor as_quantized(const Tensor& ints, DType dtype, QuantizerPtr quantizer) {
  const Tensor out = make_view(ints, ints.sizes(), ints.strides(), ints.storage_offset());
  out.impl().dtype = dtype;
  out.impl().quantizer = std::move(quantizer);
  return out;
}

}  // namespace

// ---- public functions ---------------------------------------------------------------------------

namespace ops {

constinit const Op<Tensor(const Tensor&, double, std::int64_t, DType)> quantize_per_tensor{
    {.name = "quantize_per_tensor",
     .forward = per_tensor_forward,
     .traits = {.elementwise = true, .differentiable = false}}};
constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, std::int64_t, DType)>
    quantize_per_channel{{.name = "quantize_per_channel",
                          .forward = per_channel_forward,
                          .traits = {.differentiable = false}}};
constinit const Op<Tensor(const Tensor&, DType, bool)> quantize_per_tensor_dynamic{
    {.name = "quantize_per_tensor_dynamic",
     .forward = dynamic_forward,
     .traits = {.differentiable = false}}};
// Of a float tensor it is the identity, which hands over the tensor and with it the graph.
constinit const Op<Tensor(const Tensor&)> dequantize{
    {.name = "dequantize",
     .forward = dequantize_forward,
     .traits = {.elementwise = true, .differentiable = false}}};
constinit const Op<Tensor(const Tensor&, double, std::int64_t)> requantize{
    {.name = "requantize",
     .forward = requantize_forward,
     .traits = {.elementwise = true, .differentiable = false}}};

}  // namespace ops

std::vector<const OpBase*> quantize_ops() {
  return {&ops::quantize_per_tensor,
          &ops::quantize_per_channel,
          &ops::quantize_per_tensor_dynamic,
          &ops::dequantize,
          &ops::requantize,
          &ops::fake_quantize_per_tensor_affine,
          &ops::fake_quantize_per_channel_affine};
}

Tensor quantize_per_tensor(const Tensor& a, double scale, std::int64_t zero_point, DType dtype) {
  return ops::quantize_per_tensor(a, scale, zero_point, dtype);
}
Tensor quantize_per_channel(const Tensor& a, const Tensor& scales, const Tensor& zero_points,
                            std::int64_t axis, DType dtype) {
  return ops::quantize_per_channel(a, scales, zero_points, axis, dtype);
}
Tensor quantize_per_tensor_dynamic(const Tensor& a, DType dtype, bool reduce_range) {
  return ops::quantize_per_tensor_dynamic(a, dtype, reduce_range);
}
Tensor dequantize(const Tensor& a) {
  return ops::dequantize(a);
}
Tensor requantize(const Tensor& a, double scale, std::int64_t zero_point) {
  return ops::requantize(a, scale, zero_point);
}

Tensor make_per_tensor_quantized_tensor(const Tensor& ints, double scale, std::int64_t zero_point) {
  constexpr auto op = "make_per_tensor_quantized_tensor";
  check_not_symbolic(op, ints);
  const DType dtype = quantized_dtype(op, ints);
  return as_quantized(ints, dtype, make_per_tensor_quantizer(scale, zero_point, dtype));
}

Tensor make_per_channel_quantized_tensor(const Tensor& ints, const Tensor& scales,
                                         const Tensor& zero_points, std::int64_t axis) {
  constexpr auto op = "make_per_channel_quantized_tensor";
  check_not_symbolic(op, ints);
  const DType dtype = quantized_dtype(op, ints);
  return as_quantized(
      ints, dtype,
      channel_quantizer(op, read_channel_qparams(op, ints.sizes(), scales, zero_points, axis),
                        dtype));
}

}  // namespace adze
