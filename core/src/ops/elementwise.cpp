#include "adze/core/ops/elementwise.h"

#include <cmath>

#include "adze/core/creation.h"
#include "adze/kernels/elementwise.h"

#include "ops/families.h"
#include "ops/operands.h"
#include "ops/quantized_operands.h"

namespace adze {

using autograd::BackwardContext;
using autograd::Gradients;
using namespace detail;

namespace {

// ---- functions that keep the dtype --------------------------------------------------------------

// f of each element in its compute type.
template <class F>
Tensor map(std::string_view name, const Tensor& a, F f) {
  check_plain(name, a);
  const Tensor out = make_tensor(a.sizes(), a.dtype());
  visit_dtype(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each(
        a.sizes(), [f](T x, T& y) { y = convert<T>(f(convert<compute_t<T>>(x))); },
        read<T>(a, a.sizes()), write<T>(out));
  });
  return out;
}

// The same; integers and booleans are their own result.
template <class F>
Tensor map_floating(std::string_view name, const Tensor& a, F f) {
  return map(name, a, [f](auto x) {
    if constexpr (std::floating_point<decltype(x)>) {
      return f(x);
    } else {
      return x;
    }
  });
}

Tensor neg_forward(const Tensor& a) {
  check(a.dtype() != boolean, "neg: not defined for booleans; use logical_not");
  return map("neg", a, [](auto x) {
    if constexpr (std::floating_point<decltype(x)>) {
      return -x;
    } else {
      // Wraps around at the smallest integer.
      return static_cast<decltype(x)>(-static_cast<std::uint64_t>(x));
    }
  });
}

Tensor abs_forward(const Tensor& a) {
  return map("abs", a, [](auto x) {
    using T = decltype(x);
    if constexpr (std::floating_point<T>) {
      return std::fabs(x);
    } else {
      return x < T{} ? static_cast<T>(-static_cast<std::uint64_t>(x)) : x;
    }
  });
}

Tensor sign_forward(const Tensor& a) {
  return map("sign", a, [](auto x) {
    using T = decltype(x);
    return x != x ? x : static_cast<T>((x > T{}) - (x < T{}));
  });
}

Tensor square_forward(const Tensor& a) {
  check_plain("square", a);
  return mul(a, a);
}

// ---- functions with floating results
// --------------------------------------------------------------

using Kernel = void (*)(const float*, std::int64_t, float*);

// float32 through the kernel, whatever the strides; 16-bit floats and integers by way of float32.
template <class F>
Tensor transcendental(std::string_view name, const Tensor& a, Kernel kernel, F f) {
  check_plain(name, a);
  const DType dtype = a.dtype();
  if (dtype == float64) return map_floating(name, a, f);
  const Tensor x = packed(converted(a, float32)), out = make_tensor(a.sizes(), float32);
  kernel(x.data<float>(), x.numel(), out.mutable_data<float>());
  return is_floating_point(dtype) ? converted(out, dtype) : out;
}

template <class T>
T sigmoid_of(T x) {
  return x >= T{} ? T{1} / (T{1} + std::exp(-x)) : std::exp(x) / (T{1} + std::exp(x));
}

// The integers of a quantized result cover the range of the function: [0, 1) or [-1, 1).
Tensor sigmoid_forward(const Tensor& a) {
  if (!a.is_quantized())
    return transcendental("sigmoid", a, kernels::sigmoid, [](auto x) { return sigmoid_of(x); });
  const std::int64_t zero_point = qrange(a.dtype()).min;
  return map_values("sigmoid", a, kernels::sigmoid,
                    make_per_tensor_quantizer(1.0 / 256, zero_point, a.dtype()));
}

Tensor tanh_forward(const Tensor& a) {
  if (!a.is_quantized())
    return transcendental("tanh", a, kernels::tanh, [](auto x) { return std::tanh(x); });
  const std::int64_t zero_point = qrange(a.dtype()).min + 128;
  return map_values("tanh", a, kernels::tanh,
                    make_per_tensor_quantizer(2.0 / 256, zero_point, a.dtype()));
}

Tensor reciprocal_forward(const Tensor& a) {
  check_plain("reciprocal", a);
  return div(1, a);
}

// ---- clamping
// -------------------------------------------------------------------------------------

// The integer nearest to a real bound, for one scale; beyond the range of the dtype: its ends.
template <class T>
T quantized_bound(double bound, double scale, double zero_point) {
  const float inverse = 1.0f / static_cast<float>(scale);
  return convert<T>(zero_point +
                    static_cast<double>(std::nearbyint(static_cast<float>(bound) * inverse)));
}

// Clamps the integers; bounds and zero points may differ from channel to channel.
Tensor clamp_quantized(const Tensor& a, std::optional<double> min, std::optional<double> max) {
  const Tensor out = make_tensor(a.sizes(), a.dtype(), a.quantizer());
  visit_dtype(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::integral<T> && !std::same_as<T, bool>) {
      const Quantizer& q = *a.quantizer();
      std::vector<T> lows, highs;
      for (std::size_t i = 0; i < q.scales.size(); ++i) {
        const auto bound = [&](std::optional<double> b, T otherwise) {
          return b ? quantized_bound<T>(*b, q.scales[i], q.zero_points[i]) : otherwise;
        };
        lows.push_back(bound(min, std::numeric_limits<T>::min()));
        highs.push_back(bound(max, std::numeric_limits<T>::max()));
      }
      Shape by_channel(a.sizes().size(), 0);
      if (is_per_channel(q.scheme)) by_channel[static_cast<std::size_t>(q.axis)] = 1;
      for_each(
          a.sizes(), [](T x, T low, T high, T& y) { y = std::min(std::max(x, low), high); },
          read<T>(a, a.sizes()), Strided<const T>{lows.data(), by_channel},
          Strided<const T>{highs.data(), by_channel}, write<T>(out));
    }
  });
  return out;
}

Tensor relu_forward(const Tensor& a) {
  if (a.is_quantized()) return clamp_quantized(a, 0.0, {});
  if (a.dtype() != float32) {
    return map("relu", a, [](auto x) { return x < decltype(x){} ? decltype(x){} : x; });
  }
  const Tensor x = packed(a), out = make_tensor(a.sizes(), float32);
  kernels::relu(x.data<float>(), x.numel(), out.mutable_data<float>());
  return out;
}

Tensor clamp_forward(const Tensor& a, std::optional<double> min, std::optional<double> max) {
  check(min || max, "clamp: needs a minimum or a maximum");
  check(!(min && std::isnan(*min)) && !(max && std::isnan(*max)), "clamp: a bound is NaN");
  if (a.is_quantized()) return clamp_quantized(a, min, max);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double low = min.value_or(-infinity), high = max.value_or(infinity);
  if (a.dtype() == float32) {
    const Tensor x = packed(a), out = make_tensor(a.sizes(), float32);
    kernels::clamp(x.data<float>(), static_cast<float>(low), static_cast<float>(high), x.numel(),
                   out.mutable_data<float>());
    return out;
  }
  return map("clamp", a, [low, high](auto x) {
    using T = decltype(x);
    if constexpr (std::floating_point<T>) {
      const T bottom = static_cast<T>(low), top = static_cast<T>(high);
      const T y = x < bottom ? bottom : x;
      return y > top ? top : y;
    } else {
      // Bounds between integers are moved inward.
      return std::min(std::max(x, convert<T>(std::ceil(low))), convert<T>(std::floor(high)));
    }
  });
}

Gradients clamp_derivative(const BackwardContext& c) {
  const Tensor x = c.tensor(0);
  const auto min = c.args[1].as<std::optional<double>>(),
             max = c.args[2].as<std::optional<double>>();
  Tensor inside = min ? ge(x, *min) : le(x, *max);
  if (min && max) inside = logical_and(inside, le(x, *max));
  return {where(inside, c.grad(), 0)};
}

Gradients relu_derivative(const BackwardContext& c) {
  const Tensor& y = c.output();
  if (y.dtype() != float32 || c.grad().dtype() != float32) {
    return {where(gt(y, 0), c.grad(), 0)};
  }
  const Tensor dy = packed(c.grad()), dx = make_tensor(y.sizes(), float32);
  kernels::threshold_backward(dy.data<float>(), packed(y).data<float>(), 0, dy.numel(),
                              dx.mutable_data<float>());
  return {dx};
}

// ---- copies
// -----------------------------------------------------------------------------------------

Tensor to_forward(const Tensor& a, DType dtype) {
  check(a.dtype() == dtype || !a.is_quantized(), "to: a quantized tensor (", a.dtype(),
        ") does not convert to ", dtype, "; use dequantize()");
  check(a.dtype() == dtype || !is_quantized(dtype), "to: ", a.dtype(), " does not convert to ",
        dtype, "; use quantize_per_tensor or quantize_per_channel");
  return converted(a, dtype);
}

Tensor clone_forward(const Tensor& a) {
  const Tensor out = make_tensor(a.sizes(), a.dtype(), a.quantizer());
  copy_elements(out, a);
  return out;
}

Gradients zero_derivative(const BackwardContext& c) {
  return {zeros_like(c.grad())};
}
Gradients pass_derivative(const BackwardContext& c) {
  return {c.grad()};
}

constexpr OpTraits elementwise{.elementwise = true};
constexpr OpTraits keeps_qparams{.elementwise = true, .shares_qparams = true};

}  // namespace

namespace ops {

constinit const UnaryOp neg{
    {.name = "neg",
     .forward = neg_forward,
     .derivative = [](const BackwardContext& c) -> Gradients { return {adze::neg(c.grad())}; },
     .traits = elementwise}};
constinit const UnaryOp abs{{.name = "abs",
                             .forward = abs_forward,
                             .derivative = [](const BackwardContext& c) -> Gradients {
                               return {c.grad() * adze::sign(c.tensor(0))};
                             },
                             .traits = elementwise}};
constinit const UnaryOp sign{{.name = "sign",
                              .forward = sign_forward,
                              .derivative = zero_derivative,
                              .traits = elementwise}};
constinit const UnaryOp round{{.name = "round",
                               .forward =
                                   [](const Tensor& a) {
                                     return map_floating("round", a,
                                                         [](auto x) { return std::nearbyint(x); });
                                   },
                               .derivative = zero_derivative,
                               .traits = elementwise}};
constinit const UnaryOp floor{{.name = "floor",
                               .forward =
                                   [](const Tensor& a) {
                                     return map_floating("floor", a,
                                                         [](auto x) { return std::floor(x); });
                                   },
                               .derivative = zero_derivative,
                               .traits = elementwise}};
constinit const UnaryOp exp{
    {.name = "exp",
     .forward =
         [](const Tensor& a) {
           return transcendental("exp", a, kernels::exp, [](auto x) { return std::exp(x); });
         },
     .derivative = [](const BackwardContext& c) -> Gradients { return {c.grad() * c.output()}; },
     .traits = elementwise}};
constinit const UnaryOp log{
    {.name = "log",
     .forward =
         [](const Tensor& a) {
           return transcendental("log", a, kernels::log, [](auto x) { return std::log(x); });
         },
     .derivative = [](const BackwardContext& c) -> Gradients { return {c.grad() / c.tensor(0)}; },
     .traits = elementwise}};
constinit const UnaryOp sqrt{{.name = "sqrt",
                              .forward =
                                  [](const Tensor& a) {
                                    return transcendental("sqrt", a, kernels::sqrt,
                                                          [](auto x) { return std::sqrt(x); });
                                  },
                              .derivative = [](const BackwardContext& c) -> Gradients {
                                return {c.grad() / (c.output() * 2)};
                              },
                              .traits = elementwise}};
constinit const UnaryOp square{{.name = "square",
                                .forward = square_forward,
                                .derivative = [](const BackwardContext& c) -> Gradients {
                                  return {c.grad() * c.tensor(0) * 2};
                                },
                                .traits = elementwise}};
constinit const UnaryOp reciprocal{{.name = "reciprocal",
                                    .forward = reciprocal_forward,
                                    .derivative = [](const BackwardContext& c) -> Gradients {
                                      return {adze::neg(c.grad() * c.output() * c.output())};
                                    },
                                    .traits = elementwise}};
constinit const UnaryOp relu{{.name = "relu",
                              .forward = relu_forward,
                              .derivative = relu_derivative,
                              .traits = keeps_qparams}};
constinit const UnaryOp sigmoid{{.name = "sigmoid",
                                 .forward = sigmoid_forward,
                                 .derivative = [](const BackwardContext& c) -> Gradients {
                                   return {c.grad() * c.output() * (1 - c.output())};
                                 },
                                 .traits = elementwise}};
constinit const UnaryOp tanh{{.name = "tanh",
                              .forward = tanh_forward,
                              .derivative = [](const BackwardContext& c) -> Gradients {
                                return {c.grad() * (1 - adze::square(c.output()))};
                              },
                              .traits = elementwise}};
constinit const UnaryOp clone{{.name = "clone",
                               .forward = clone_forward,
                               .derivative = pass_derivative,
                               .traits = keeps_qparams}};
constinit const Op<Tensor(const Tensor&, std::optional<double>, std::optional<double>)> clamp{
    {.name = "clamp",
     .forward = clamp_forward,
     .derivative = clamp_derivative,
     .traits = keeps_qparams}};
constinit const Op<Tensor(const Tensor&, DType)> to{
    {.name = "to", .forward = to_forward, .derivative = pass_derivative, .traits = elementwise}};

}  // namespace ops

std::vector<const OpBase*> elementwise_ops() {
  return {&ops::add,        &ops::sub,         &ops::mul,        &ops::div,   &ops::pow,
          &ops::maximum,    &ops::minimum,     &ops::eq,         &ops::ne,    &ops::lt,
          &ops::le,         &ops::gt,          &ops::ge,         &ops::where, &ops::logical_and,
          &ops::logical_or, &ops::logical_not, &ops::isfinite,   &ops::neg,   &ops::abs,
          &ops::sign,       &ops::round,       &ops::floor,      &ops::exp,   &ops::log,
          &ops::sqrt,       &ops::square,      &ops::reciprocal, &ops::relu,  &ops::sigmoid,
          &ops::tanh,       &ops::clamp,       &ops::to,         &ops::clone};
}

Tensor neg(const Tensor& a) {
  return ops::neg(a);
}
Tensor abs(const Tensor& a) {
  return ops::abs(a);
}
Tensor sign(const Tensor& a) {
  return ops::sign(a);
}
Tensor round(const Tensor& a) {
  return ops::round(a);
}
Tensor floor(const Tensor& a) {
  return ops::floor(a);
}
Tensor exp(const Tensor& a) {
  return ops::exp(a);
}
Tensor log(const Tensor& a) {
  return ops::log(a);
}
Tensor sqrt(const Tensor& a) {
  return ops::sqrt(a);
}
Tensor square(const Tensor& a) {
  return ops::square(a);
}
Tensor reciprocal(const Tensor& a) {
  return ops::reciprocal(a);
}
Tensor relu(const Tensor& a) {
  return ops::relu(a);
}
Tensor sigmoid(const Tensor& a) {
  return ops::sigmoid(a);
}
Tensor tanh(const Tensor& a) {
  return ops::tanh(a);
}
Tensor clone(const Tensor& a) {
  return ops::clone(a);
}
Tensor clamp(const Tensor& a, std::optional<double> min, std::optional<double> max) {
  return ops::clamp(a, min, max);
}
Tensor to(const Tensor& a, DType dtype) {
  return ops::to(a, dtype);
}
Tensor operator-(const Tensor& a) {
  return ops::neg(a);
}

}  // namespace adze
