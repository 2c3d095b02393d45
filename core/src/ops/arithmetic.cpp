#include <cmath>

#include "adze/core/creation.h"
#include "adze/core/ops/elementwise.h"
#include "adze/kernels/elementwise.h"

#include "ops/operands.h"

namespace adze {

using autograd::BackwardContext;
using autograd::Gradients;
using autograd::sum_to;
using namespace detail;

namespace {

// Integer arithmetic wraps around; in the unsigned type that is defined.
template <class T, class F>
T wrapping(T x, T y, F f) {
  using U = std::make_unsigned_t<T>;
  return static_cast<T>(f(static_cast<U>(x), static_cast<U>(y)));
}

// Each op: the function of two elements, and the float32 kernels for arrays and single values.
struct Add {
  template <class T>
  static T apply(T x, T y) {
    if constexpr (std::same_as<T, bool>) {
      return x || y;
    } else if constexpr (std::integral<T>) {
      return wrapping(x, y, [](auto a, auto b) { return a + b; });
    } else {
      return x + y;
    }
  }
  template <class X, class Y>
  static void run(X x, Y y, std::int64_t n, float* out) {
    if constexpr (std::same_as<X, float>) {
      kernels::add(y, x, n, out);
    } else {
      kernels::add(x, y, n, out);
    }
  }
};

struct Sub {
  template <class T>
  static T apply(T x, T y) {
    if constexpr (std::same_as<T, bool>) {
      return x != y;
    } else if constexpr (std::integral<T>) {
      return wrapping(x, y, [](auto a, auto b) { return a - b; });
    } else {
      return x - y;
    }
  }
  template <class X, class Y>
  static void run(X x, Y y, std::int64_t n, float* out) {
    kernels::sub(x, y, n, out);
  }
};

struct Mul {
  template <class T>
  static T apply(T x, T y) {
    if constexpr (std::same_as<T, bool>) {
      return x && y;
    } else if constexpr (std::integral<T>) {
      // Through 64 bits: products of promoted 16-bit integers could overflow int.
      return static_cast<T>(static_cast<std::uint64_t>(x) * static_cast<std::uint64_t>(y));
    } else {
      return x * y;
    }
  }
  template <class X, class Y>
  static void run(X x, Y y, std::int64_t n, float* out) {
    if constexpr (std::same_as<X, float>) {
      kernels::mul(y, x, n, out);
    } else {
      kernels::mul(x, y, n, out);
    }
  }
};

struct Div {
  template <class T>
  static T apply(T x, T y) {
    return static_cast<T>(x / y);
  }
  template <class X, class Y>
  static void run(X x, Y y, std::int64_t n, float* out) {
    kernels::div(x, y, n, out);
  }
};

template <class T>
T integer_power(T base, T exponent) {
  check(!(exponent < T{}), "pow: integers have no negative powers (exponent ", +exponent,
        "); convert the base to a floating dtype");
  std::uint64_t result = 1, factor = static_cast<std::uint64_t>(base);
  for (auto e = static_cast<std::uint64_t>(exponent); e != 0; e >>= 1) {
    if (e & 1) result *= factor;
    factor *= factor;
  }
  return static_cast<T>(result);
}

struct Pow {
  template <class T>
  static T apply(T x, T y) {
    if constexpr (std::same_as<T, bool>) {
      return x || !y;
    } else if constexpr (std::integral<T>) {
      return integer_power(x, y);
    } else {
      return y == T{2} ? x * x : std::pow(x, y);
    }
  }
};

template <class T>
bool is_nan(T x) {
  return x != x;
}

struct Maximum {
  template <class T>
  static T apply(T x, T y) {
    return is_nan(x) || x > y ? x : y;
  }
};

struct Minimum {
  template <class T>
  static T apply(T x, T y) {
    return is_nan(x) || x < y ? x : y;
  }
};

template <class F>
concept HasKernel = requires(const float* x, float* out) {
  F::run(x, x, std::int64_t{}, out);
};

// Runs of neighbours or of one repeated value go to the kernels.
template <class F>
void run_float32(const Shape& sizes, const Strided<const float>& a, const Strided<const float>& b,
                 float* out) {
  const Shape out_strides = contiguous_strides(sizes);
  for_each_run<3>(sizes, {&a.strides, &b.strides, &out_strides},
                  [&](const auto& at, const auto& step, std::int64_t n) {
                    const float *x = a.data + at[0], *y = b.data + at[1];
                    float* z = out + at[2];
                    if (step[0] == 1 && step[1] == 1) {
                      F::run(x, y, n, z);
                    } else if (step[0] == 1 && step[1] == 0) {
                      F::run(x, *y, n, z);
                    } else if (step[0] == 0 && step[1] == 1) {
                      F::run(*x, y, n, z);
                    } else {
                      for (std::int64_t i = 0; i < n; ++i)
                        z[i] = F::apply(x[i * step[0]], y[i * step[1]]);
                    }
                  });
}

template <class F>
Tensor arithmetic(std::string_view name, const Operand& a, const Operand& b) {
  if constexpr (HasKernel<F>) {
    if (a.is_tensor() && b.is_tensor()) {
      const TensorImpl &x = a.tensor().impl(), &y = b.tensor().impl();
      if (x.dtype == float32 && y.dtype == float32 && x.contiguous && y.contiguous &&
          x.sizes == y.sizes) {
        const Tensor out = make_tensor(x.sizes, float32);
        F::run(a.tensor().data<float>(), b.tensor().data<float>(), x.numel,
               out.mutable_data<float>());
        return out;
      }
    }
  }
  check_plain(name, a, b);
  DType dtype = result_type(a, b);
  if (std::same_as<F, Div> && !is_floating_point(dtype)) dtype = float32;
  const Shape sizes = broadcast_shapes(sizes_of(a), sizes_of(b), name);
  const Tensor out = make_tensor(sizes, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Input<T> x(a, sizes), y(b, sizes);
    if constexpr (std::same_as<T, float> && HasKernel<F>) {
      run_float32<F>(sizes, x.strided(), y.strided(), out.mutable_data<float>());
    } else if constexpr (!(std::same_as<F, Div> && std::integral<T>)) {
      using C = compute_t<T>;
      for_each(
          sizes, [](T p, T q, T& r) { r = convert<T>(F::apply(convert<C>(p), convert<C>(q))); },
          x.strided(), y.strided(), write<T>(out));
    }
  });
  return out;
}

Tensor sub_forward(const Operand& a, const Operand& b) {
  check(result_type(a, b) != boolean, "sub: booleans have no difference; use ne or logical_not");
  return arithmetic<Sub>("sub", a, b);
}

Gradients add_derivative(const BackwardContext& c) {
  const auto gradient = [&] { return c.grad(); };
  return {gradient_for(c, 0, gradient), gradient_for(c, 1, gradient)};
}

Gradients sub_derivative(const BackwardContext& c) {
  return {gradient_for(c, 0, [&] { return c.grad(); }),
          gradient_for(c, 1, [&] { return neg(c.grad()); })};
}

Gradients mul_derivative(const BackwardContext& c) {
  return {gradient_for(c, 0, [&] { return mul(c.grad(), saved_operand(c, 1)); }),
          gradient_for(c, 1, [&] { return mul(c.grad(), saved_operand(c, 0)); })};
}

Gradients div_derivative(const BackwardContext& c) {
  return {
      gradient_for(c, 0, [&] { return div(c.grad(), saved_operand(c, 1)); }),
      gradient_for(c, 1, [&] { return neg(mul(c.grad(), div(c.output(), saved_operand(c, 1)))); })};
}

Gradients pow_derivative(const BackwardContext& c) {
  return {gradient_for(c, 0,
                       [&] {
                         const Operand base = saved_operand(c, 0), e = saved_operand(c, 1);
                         // Exponent 0 gives 0 at every base, also where base^-1 is infinite.
                         const Tensor slope = mul(e, pow(base, sub(e, 1)));
                         return mul(c.grad(), where(eq(e, 0), 0, slope));
                       }),
          gradient_for(c, 1, [&] {
            const Operand base = saved_operand(c, 0), e = saved_operand(c, 1);
            // 0^e = 0 for every e > 0, although log 0 is infinite.
            const Tensor flat = logical_and(eq(base, 0), ge(e, 0));
            const Tensor b = base.is_tensor() ? base.tensor() : full({}, base.scalar());
            return mul(c.grad(), where(flat, 0, mul(c.output(), log(b))));
          })};
}

// The winner takes the gradient; two equal elements share it.
Gradients extremum_derivative(const BackwardContext& c, bool largest) {
  const Operand a = saved_operand(c, 0), b = saved_operand(c, 1);
  const Tensor first = largest ? gt(a, b) : lt(a, b), tie = eq(a, b);
  const Tensor half = where(tie, mul(c.grad(), 0.5), 0);
  return {gradient_for(c, 0, [&] { return where(first, c.grad(), half); }),
          gradient_for(c, 1, [&] { return where(logical_or(first, tie), half, c.grad()); })};
}

constexpr OpTraits elementwise{.elementwise = true};

}  // namespace

namespace ops {

constinit const BinaryOp add{
    {.name = "add",
     .forward = [](const Operand& a, const Operand& b) { return arithmetic<Add>("add", a, b); },
     .derivative = add_derivative,
     .traits = elementwise}};
constinit const BinaryOp sub{
    {.name = "sub", .forward = sub_forward, .derivative = sub_derivative, .traits = elementwise}};
constinit const BinaryOp mul{
    {.name = "mul",
     .forward = [](const Operand& a, const Operand& b) { return arithmetic<Mul>("mul", a, b); },
     .derivative = mul_derivative,
     .traits = elementwise}};
constinit const BinaryOp div{
    {.name = "div",
     .forward = [](const Operand& a, const Operand& b) { return arithmetic<Div>("div", a, b); },
     .derivative = div_derivative,
     .traits = elementwise}};
constinit const BinaryOp pow{
    {.name = "pow",
     .forward = [](const Operand& a, const Operand& b) { return arithmetic<Pow>("pow", a, b); },
     .derivative = pow_derivative,
     .traits = elementwise}};
constinit const BinaryOp maximum{
    {.name = "maximum",
     .forward = [](const Operand& a,
                   const Operand& b) { return arithmetic<Maximum>("maximum", a, b); },
     .derivative = [](const BackwardContext& c) { return extremum_derivative(c, true); },
     .traits = elementwise}};
constinit const BinaryOp minimum{
    {.name = "minimum",
     .forward = [](const Operand& a,
                   const Operand& b) { return arithmetic<Minimum>("minimum", a, b); },
     .derivative = [](const BackwardContext& c) { return extremum_derivative(c, false); },
     .traits = elementwise}};

}  // namespace ops

Tensor add(const Operand& a, const Operand& b) {
  return ops::add(a, b);
}
Tensor sub(const Operand& a, const Operand& b) {
  return ops::sub(a, b);
}
Tensor mul(const Operand& a, const Operand& b) {
  return ops::mul(a, b);
}
Tensor div(const Operand& a, const Operand& b) {
  return ops::div(a, b);
}
Tensor pow(const Operand& base, const Operand& exponent) {
  return ops::pow(base, exponent);
}
Tensor maximum(const Operand& a, const Operand& b) {
  return ops::maximum(a, b);
}
Tensor minimum(const Operand& a, const Operand& b) {
  return ops::minimum(a, b);
}

Tensor operator+(const Tensor& a, const Operand& b) {
  return ops::add(a, b);
}
Tensor operator-(const Tensor& a, const Operand& b) {
  return ops::sub(a, b);
}
Tensor operator*(const Tensor& a, const Operand& b) {
  return ops::mul(a, b);
}
Tensor operator/(const Tensor& a, const Operand& b) {
  return ops::div(a, b);
}
Tensor operator+(Scalar a, const Tensor& b) {
  return ops::add(a, b);
}
Tensor operator-(Scalar a, const Tensor& b) {
  return ops::sub(a, b);
}
Tensor operator*(Scalar a, const Tensor& b) {
  return ops::mul(a, b);
}
Tensor operator/(Scalar a, const Tensor& b) {
  return ops::div(a, b);
}

}  // namespace adze
