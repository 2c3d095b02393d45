#include "adze/core/ops/quantized.h"

#include <algorithm>
#include <cmath>

#include "adze/core/ops/functional.h"
#include "adze/core/ops/quantize.h"
#include "adze/core/ops/shape.h"
#include "adze/kernels/quantize.h"

#include "ops/families.h"
#include "ops/grid.h"
#include "ops/operands.h"
#include "ops/quantized_operands.h"

namespace adze {

using namespace detail;

namespace {

// ---- two tensors --------------------------------------------------------------------------------

enum class Combine { sum, product };

Tensor combine_tensors(std::string_view op, const Tensor& a, const Tensor& b, Combine f, bool relu,
                       double scale, std::int64_t zero_point) {
  check_quantized(op, a);
  check_quantized(op, b);
  check(a.dtype() == b.dtype(), op, ": both inputs must have the same dtype, got ", a.dtype(),
        " and ", b.dtype());
  const Shape sizes = broadcast_shapes(a.sizes(), b.sizes(), op);
  const QuantizerPtr quantizer = make_per_tensor_quantizer(scale, zero_point, a.dtype());
  const kernels::Affine a_grid = affine_of(op, *a.quantizer(), a.dtype());
  const kernels::Affine b_grid = affine_of(op, *b.quantizer(), b.dtype());
  kernels::Affine out_grid = affine_of(op, *quantizer, a.dtype());
  if (relu) out_grid.qmin = out_grid.zero_point;
  const Tensor x = packed(expand(a, sizes)), y = packed(expand(b, sizes));
  const Tensor out = make_tensor(sizes, a.dtype(), quantizer);
  visit_bytes(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T *from_x = x.data<T>(), *from_y = y.data<T>();
    T* to = out.mutable_data<T>();
    if (f == Combine::sum) {
      kernels::add_quantized(from_x, a_grid, from_y, b_grid, out.numel(), out_grid, to);
    } else {
      kernels::mul_quantized(from_x, a_grid, from_y, b_grid, out.numel(), out_grid, to);
    }
  });
  return out;
}

// ---- a tensor and a number ----------------------------------------------------------------------

void check_operands(std::string_view op, const Tensor& a, double c) {
  check_quantized(op, a);
  check(std::isfinite(static_cast<float>(c)), op, ": the number must be finite in float32, got ",
        c);
}

Tensor add_number(std::string_view op, const Tensor& a, double c, bool relu) {
  check_operands(op, a, c);
  const QRange range = qrange(a.dtype());
  const auto lowest = static_cast<double>(range.min), highest = static_cast<double>(range.max);
  const double a_scale = a.q_scale(), a_zero = static_cast<double>(a.q_zero_point());
  const double steps = std::nearbyint(c / a_scale), moved = a_zero - steps;
  double scale = a_scale;
  if (moved < lowest) scale = (highest - moved) / (highest - lowest) * a_scale;
  if (moved > highest) scale = (moved - lowest) / (highest - lowest) * a_scale;
  const double zero = std::clamp(moved, lowest, highest);
  const auto ratio = static_cast<float>(a_scale / scale);  // 1: the integers stay
  const auto table = byte_table(a.dtype(), [&](auto q) {
    const auto value = static_cast<float>(q - a_zero + steps);
    const double moved_q = zero + static_cast<double>(std::nearbyint(value * ratio));
    return std::clamp(moved_q, relu ? zero : lowest, highest);
  });
  float_scale(op, scale);
  return map_bytes(a, table,
                   make_per_tensor_quantizer(scale, static_cast<std::int64_t>(zero), a.dtype()));
}

Tensor multiply_number(std::string_view op, const Tensor& a, double c, bool relu) {
  check_operands(op, a, c);
  const QRange range = qrange(a.dtype());
  const auto ends = static_cast<double>(range.min + range.max);
  const bool mirrored = c < 0;
  double scale = 1, zero = 0;
  if (c != 0) {
    scale = a.q_scale() * std::fabs(c);
    zero = static_cast<double>(a.q_zero_point());
    if (mirrored) zero = ends - zero;
  }
  float_scale(op, scale);
  const auto table = byte_table(a.dtype(), [&](auto integer) {
    const auto q = static_cast<double>(integer);
    const double product = c == 0 ? 0 : mirrored ? ends - q : q;
    return relu ? std::max(product, zero) : product;
  });
  return map_bytes(a, table,
                   make_per_tensor_quantizer(scale, static_cast<std::int64_t>(zero), a.dtype()));
}

// ---- joining, softmax ---------------------------------------------------------------------------

Tensor cat_forward(const TensorList& tensors, std::int64_t dim, double scale,
                   std::int64_t zero_point) {
  constexpr auto op = "quantized::cat";
  check(!tensors.empty(), op, ": at least one tensor expected, got none");
  for (const Tensor& t : tensors) {
    check_quantized(op, t);
    check(t.dtype() == tensors[0].dtype(), op, ": all inputs must have the same dtype, got ",
          tensors[0].dtype(), " and ", t.dtype());
  }
  const QuantizerPtr quantizer = make_per_tensor_quantizer(scale, zero_point, tensors[0].dtype());
  TensorList parts;
  for (const Tensor& t : tensors)
    parts.push_back(*t.quantizer() == *quantizer ? t : map_values(op, t, nullptr, quantizer));
  return adze::cat(parts, dim);
}

Tensor softmax_forward(const Tensor& x, std::int64_t dim, double scale, std::int64_t zero_point) {
  constexpr auto op = "quantized::softmax";
  check_quantized(op, x);
  const QuantizerPtr quantizer = make_per_tensor_quantizer(scale, zero_point, x.dtype());
  const kernels::Affine grid = affine_of(op, *quantizer, x.dtype());
  const Tensor y = packed(adze::softmax(dequantize(x), dim));
  const Tensor out = make_tensor(x.sizes(), x.dtype(), quantizer);
  visit_bytes(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::quantize(y.data<float>(), y.numel(), grid, out.mutable_data<T>());
  });
  return out;
}

constexpr OpTraits elementwise{.elementwise = true, .differentiable = false};
constexpr OpTraits constant{.differentiable = false};

}  // namespace

namespace ops::quantized {

constinit const Op<Tensor(const Tensor&, const Tensor&, double, std::int64_t)> add{
    {.name = "quantized::add",
     .forward =
         [](const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point) {
           return combine_tensors("quantized::add", a, b, Combine::sum, false, scale, zero_point);
         },
     .traits = elementwise}};
constinit const Op<Tensor(const Tensor&, const Tensor&, double, std::int64_t)> add_relu{
    {.name = "quantized::add_relu",
     .forward =
         [](const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point) {
           return combine_tensors("quantized::add_relu", a, b, Combine::sum, true, scale,
                                  zero_point);
         },
     .traits = elementwise}};
constinit const Op<Tensor(const Tensor&, const Tensor&, double, std::int64_t)> mul{
    {.name = "quantized::mul",
     .forward =
         [](const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point) {
           return combine_tensors("quantized::mul", a, b, Combine::product, false, scale,
                                  zero_point);
         },
     .traits = elementwise}};
constinit const Op<Tensor(const Tensor&, const Tensor&, double, std::int64_t)> mul_relu{
    {.name = "quantized::mul_relu",
     .forward =
         [](const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point) {
           return combine_tensors("quantized::mul_relu", a, b, Combine::product, true, scale,
                                  zero_point);
         },
     .traits = elementwise}};
constinit const Op<Tensor(const Tensor&, double)> add_scalar{
    {.name = "quantized::add_scalar",
     .forward = [](const Tensor& a,
                   double c) { return add_number("quantized::add_scalar", a, c, false); },
     .traits = elementwise}};
constinit const Op<Tensor(const Tensor&, double)> add_scalar_relu{
    {.name = "quantized::add_scalar_relu",
     .forward = [](const Tensor& a,
                   double c) { return add_number("quantized::add_scalar_relu", a, c, true); },
     .traits = elementwise}};
constinit const Op<Tensor(const Tensor&, double)> mul_scalar{
    {.name = "quantized::mul_scalar",
     .forward = [](const Tensor& a,
                   double c) { return multiply_number("quantized::mul_scalar", a, c, false); },
     .traits = elementwise}};
constinit const Op<Tensor(const Tensor&, double)> mul_scalar_relu{
    {.name = "quantized::mul_scalar_relu",
     .forward = [](const Tensor& a,
                   double c) { return multiply_number("quantized::mul_scalar_relu", a, c, true); },
     .traits = elementwise}};
constinit const Op<Tensor(const TensorList&, std::int64_t, double, std::int64_t)> cat{
    {.name = "quantized::cat", .forward = cat_forward, .traits = constant}};
constinit const Op<Tensor(const Tensor&, std::int64_t, double, std::int64_t)> softmax{
    {.name = "quantized::softmax", .forward = softmax_forward, .traits = constant}};

}  // namespace ops::quantized

std::vector<const OpBase*> quantized_ops() {
  namespace q = ops::quantized;
  return {&q::add,
          &q::add_relu,
          &q::mul,
          &q::mul_relu,
          &q::add_scalar,
          &q::add_scalar_relu,
          &q::mul_scalar,
          &q::mul_scalar_relu,
          &q::cat,
          &q::softmax,
          &q::linear,
          &q::linear_relu,
          &q::linear_dynamic,
          &q::linear_relu_dynamic,
          &q::linear_dynamic_fp16,
          &q::linear_relu_dynamic_fp16};
}

namespace quantized {

Tensor add(const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point) {
  return ops::quantized::add(a, b, scale, zero_point);
}
Tensor add_relu(const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point) {
  return ops::quantized::add_relu(a, b, scale, zero_point);
}
Tensor mul(const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point) {
  return ops::quantized::mul(a, b, scale, zero_point);
}
Tensor mul_relu(const Tensor& a, const Tensor& b, double scale, std::int64_t zero_point) {
  return ops::quantized::mul_relu(a, b, scale, zero_point);
}
Tensor add_scalar(const Tensor& a, double c) {
  return ops::quantized::add_scalar(a, c);
}
Tensor add_scalar_relu(const Tensor& a, double c) {
  return ops::quantized::add_scalar_relu(a, c);
}
Tensor mul_scalar(const Tensor& a, double c) {
  return ops::quantized::mul_scalar(a, c);
}
Tensor mul_scalar_relu(const Tensor& a, double c) {
  return ops::quantized::mul_scalar_relu(a, c);
}
Tensor cat(const TensorList& tensors, std::int64_t dim, double scale, std::int64_t zero_point) {
  return ops::quantized::cat(tensors, dim, scale, zero_point);
}
Tensor softmax(const Tensor& x, std::int64_t dim, double scale, std::int64_t zero_point) {
  return ops::quantized::softmax(x, dim, scale, zero_point);
}

}  // namespace quantized

}  // namespace adze
