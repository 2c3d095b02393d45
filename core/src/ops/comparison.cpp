#include <cmath>

#include "adze/core/ops/elementwise.h"
#include "adze/kernels/elementwise.h"

#include "ops/operands.h"

namespace adze {

using autograd::BackwardContext;
using autograd::Gradients;
using namespace detail;

namespace {

Operand plain(const Operand& o) {
  return o.is_tensor() && o.tensor().is_quantized() ? Operand(o.tensor().dequantize()) : o;
}

bool fits(Scalar s, DType dtype) {
  return visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::integral<T> && !std::same_as<T, bool>) {
      return std::in_range<T>(s.to_int());
    } else {
      return true;
    }
  });
}

// As for arithmetic, but an integer beyond the range of the tensor's dtype must not wrap around.
DType comparison_type(const Operand& a, const Operand& b) {
  const DType dtype = result_type(a, b);
  for (const Operand* o : {&a, &b}) {
    if (!o->is_tensor() && !fits(o->scalar(), dtype)) return int64;
  }
  return dtype;
}

template <class F>
Tensor compare(std::string_view name, const Operand& left, const Operand& right, F f) {
  const Operand a = plain(left), b = plain(right);
  const Shape sizes = broadcast_shapes(sizes_of(a), sizes_of(b), name);
  const Tensor out = make_tensor(sizes, boolean);
  visit_dtype(comparison_type(a, b), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    const Input<T> x(a, sizes), y(b, sizes);
    for_each(
        sizes, [f](T p, T q, bool& r) { r = f(convert<C>(p), convert<C>(q)); }, x.strided(),
        y.strided(), write<bool>(out));
  });
  return out;
}

// Elements as truth values: anything but 0 is true.
Tensor truth(const Tensor& t) {
  return converted(t.is_quantized() ? t.dequantize() : t, boolean);
}

template <class F>
Tensor logical(std::string_view name, const Tensor& a, const Tensor& b, F f) {
  const Shape sizes = broadcast_shapes(a.sizes(), b.sizes(), name);
  const Tensor x = truth(a), y = truth(b), out = make_tensor(sizes, boolean);
  for_each(
      sizes, [f](bool p, bool q, bool& r) { r = f(p, q); }, read<bool>(x, sizes),
      read<bool>(y, sizes), write<bool>(out));
  return out;
}

Tensor logical_not_forward(const Tensor& a) {
  const Tensor x = truth(a), out = make_tensor(a.sizes(), boolean);
  for_each(
      a.sizes(), [](bool p, bool& r) { r = !p; }, read<bool>(x, a.sizes()), write<bool>(out));
  return out;
}

Tensor isfinite_forward(const Tensor& a) {
  const Tensor out = make_tensor(a.sizes(), boolean);
  visit_dtype(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::integral<T>) {
      out.fill_(true);
    } else {
      for_each(
          a.sizes(), [](T p, bool& r) { r = std::isfinite(convert<compute_t<T>>(p)); },
          read<T>(a, a.sizes()), write<bool>(out));
    }
  });
  return out;
}

Tensor where_forward(const Tensor& condition, const Operand& a, const Operand& b) {
  check(condition.dtype() == boolean, "where: the condition must be boolean, got ",
        condition.dtype());
  check_plain("where", a, b);
  const Shape sizes = broadcast_shapes(
      condition.sizes(), broadcast_shapes(sizes_of(a), sizes_of(b), "where"), "where");
  const Tensor out = make_tensor(sizes, result_type(a, b));
  visit_dtype(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Strided<const bool> mask = read<bool>(condition, sizes);
    const Input<T> x(a, sizes), y(b, sizes);
    if constexpr (std::same_as<T, float>) {
      float* z = out.mutable_data<float>();
      const Shape &mask_step = mask.strides, &x_step = x.strided().strides,
                  &y_step = y.strided().strides;
      const Shape strides = contiguous_strides(sizes);
      for_each_run<4>(sizes, {&mask_step, &x_step, &y_step, &strides},
                      [&](const auto& at, const auto& step, std::int64_t n) {
                        const bool* m = mask.data + at[0];
                        const float *p = x.strided().data + at[1], *q = y.strided().data + at[2];
                        const auto* bytes = reinterpret_cast<const std::uint8_t*>(m);
                        if (step[0] == 1 && step[1] == 1 && step[2] == 1) {
                          kernels::select(bytes, p, q, n, z + at[3]);
                        } else if (step[0] == 1 && step[1] == 1 && step[2] == 0) {
                          kernels::select(bytes, p, *q, n, z + at[3]);
                        } else {
                          for (std::int64_t i = 0; i < n; ++i)
                            z[at[3] + i] = m[i * step[0]] ? p[i * step[1]] : q[i * step[2]];
                        }
                      });
    } else {
      for_each(
          sizes, [](bool m, T p, T q, T& r) { r = m ? p : q; }, mask, x.strided(), y.strided(),
          write<T>(out));
    }
  });
  return out;
}

Gradients where_derivative(const BackwardContext& c) {
  const Tensor condition = c.tensor(0);
  return {{},
          gradient_for(c, 1, [&] { return where(condition, c.grad(), 0); }),
          gradient_for(c, 2, [&] { return where(condition, 0, c.grad()); })};
}

constexpr OpTraits truth_value{.elementwise = true, .differentiable = false};

}  // namespace

namespace ops {

constinit const BinaryOp eq{{.name = "eq",
                             .forward =
                                 [](const Operand& a, const Operand& b) {
                                   return compare("eq", a, b,
                                                  [](auto p, auto q) { return p == q; });
                                 },
                             .traits = truth_value}};
constinit const BinaryOp ne{{.name = "ne",
                             .forward =
                                 [](const Operand& a, const Operand& b) {
                                   return compare("ne", a, b,
                                                  [](auto p, auto q) { return p != q; });
                                 },
                             .traits = truth_value}};
constinit const BinaryOp lt{{.name = "lt",
                             .forward =
                                 [](const Operand& a, const Operand& b) {
                                   return compare("lt", a, b, [](auto p, auto q) { return p < q; });
                                 },
                             .traits = truth_value}};
constinit const BinaryOp le{{.name = "le",
                             .forward =
                                 [](const Operand& a, const Operand& b) {
                                   return compare("le", a, b,
                                                  [](auto p, auto q) { return p <= q; });
                                 },
                             .traits = truth_value}};
constinit const BinaryOp gt{{.name = "gt",
                             .forward =
                                 [](const Operand& a, const Operand& b) {
                                   return compare("gt", a, b, [](auto p, auto q) { return p > q; });
                                 },
                             .traits = truth_value}};
constinit const BinaryOp ge{{.name = "ge",
                             .forward =
                                 [](const Operand& a, const Operand& b) {
                                   return compare("ge", a, b,
                                                  [](auto p, auto q) { return p >= q; });
                                 },
                             .traits = truth_value}};
constinit const Op<Tensor(const Tensor&, const Tensor&)> logical_and{
    {.name = "logical_and",
     .forward =
         [](const Tensor& a, const Tensor& b) {
           return logical("logical_and", a, b, [](bool p, bool q) { return p && q; });
         },
     .traits = truth_value}};
constinit const Op<Tensor(const Tensor&, const Tensor&)> logical_or{
    {.name = "logical_or",
     .forward =
         [](const Tensor& a, const Tensor& b) {
           return logical("logical_or", a, b, [](bool p, bool q) { return p || q; });
         },
     .traits = truth_value}};
constinit const UnaryOp logical_not{
    {.name = "logical_not", .forward = logical_not_forward, .traits = truth_value}};
constinit const UnaryOp isfinite{
    {.name = "isfinite", .forward = isfinite_forward, .traits = truth_value}};
constinit const Op<Tensor(const Tensor&, const Operand&, const Operand&)> where{
    {.name = "where",
     .forward = where_forward,
     .derivative = where_derivative,
     .traits = {.elementwise = true}}};

}  // namespace ops

Tensor eq(const Operand& a, const Operand& b) {
  return ops::eq(a, b);
}
Tensor ne(const Operand& a, const Operand& b) {
  return ops::ne(a, b);
}
Tensor lt(const Operand& a, const Operand& b) {
  return ops::lt(a, b);
}
Tensor le(const Operand& a, const Operand& b) {
  return ops::le(a, b);
}
Tensor gt(const Operand& a, const Operand& b) {
  return ops::gt(a, b);
}
Tensor ge(const Operand& a, const Operand& b) {
  return ops::ge(a, b);
}
Tensor logical_and(const Tensor& a, const Tensor& b) {
  return ops::logical_and(a, b);
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return ops::logical_or(a, b);
}
Tensor logical_not(const Tensor& a) {
  return ops::logical_not(a);
}
Tensor isfinite(const Tensor& a) {
  return ops::isfinite(a);
}
Tensor where(const Tensor& condition, const Operand& a, const Operand& b) {
  return ops::where(condition, a, b);
}

Tensor operator<(const Tensor& a, const Operand& b) {
  return ops::lt(a, b);
}
Tensor operator<=(const Tensor& a, const Operand& b) {
  return ops::le(a, b);
}
Tensor operator>(const Tensor& a, const Operand& b) {
  return ops::gt(a, b);
}
Tensor operator>=(const Tensor& a, const Operand& b) {
  return ops::ge(a, b);
}
Tensor operator==(const Tensor& a, const Operand& b) {
  return ops::eq(a, b);
}
Tensor operator!=(const Tensor& a, const Operand& b) {
  return ops::ne(a, b);
}

}  // namespace adze
