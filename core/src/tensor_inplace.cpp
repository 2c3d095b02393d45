// Writing into tensors: copy_, fill_, add_, mul_.

#include <cmath>
#include <limits>
#include <utility>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops/quantize.h"
#include "adze/core/ops/shape.h"
#include "adze/core/tensor.h"
#include "adze/core/tensor_impl.h"
#include "adze/kernels/elementwise.h"

#include "strided.h"

namespace adze {

namespace detail {

void copy_elements(const Tensor& destination, const Tensor& source) {
  const Shape& sizes = destination.sizes();
  if (underlying(destination.dtype()) == underlying(source.dtype())) {
    visit_width(source.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_each(
          sizes, [](T& to, const T& from) { to = from; }, write_bits<T>(destination),
          read_bits<T>(source, sizes));
    });
    return;
  }
  visit_dtype(destination.dtype(), [&](auto to_tag) {
    visit_dtype(source.dtype(), [&](auto from_tag) {
      using To = typename decltype(to_tag)::type;
      using From = typename decltype(from_tag)::type;
      for_each(
          sizes, [](To& to, const From& from) { to = convert<To>(from); }, write<To>(destination),
          read<From>(source, sizes));
    });
  });
}

}  // namespace detail

namespace {

// True when two elements of the tensor may share memory, as after expand().
bool overlaps_itself(const Tensor& t) {
  if (t.is_contiguous()) return false;
  for (std::size_t i = 0; i < t.sizes().size(); ++i)
    if (t.sizes()[i] > 1 && t.strides()[i] == 0) return true;
  return false;
}

void check_writable(const Tensor& t, const char* op) {
  if (t.is_symbolic())
    throw TraceError(detail::concat(op, ": writing in place cannot be traced; use an op that ",
                                    "returns a new tensor, or make the module a leaf"));
  check(!(grad_enabled() && t.requires_grad()), op, ": writes in place are not recorded for ",
        "gradients; hold a NoGrad guard, or use an op that returns a new tensor");
  check(!overlaps_itself(t), op, ": elements of the expanded tensor (shape ", t.sizes(),
        ", strides ", t.strides(), ") share memory; clone() it first");
}

// The operand, checked against the tensor it is written into, and copied when writing would change
// it half way.
Tensor operand_for(const Tensor& destination, const Tensor& source, const char* op) {
  if (source.is_symbolic())
    throw TraceError(detail::concat(op, ": writing in place cannot be traced; use an op that ",
                                    "returns a new tensor, or make the module a leaf"));
  check(!(grad_enabled() && source.requires_grad()), op, ": the operand needs a gradient, but ",
        "writes in place are not recorded; hold a NoGrad guard, or detach() the operand");
  if (source.sizes() != destination.sizes())
    check(broadcast_shapes(destination.sizes(), source.sizes(), op) == destination.sizes(), op,
          ": the operand of shape ", source.sizes(), " does not broadcast to ",
          destination.sizes());
  const TensorImpl &d = destination.impl(), &s = source.impl();
  const bool same_elements =
      d.offset == s.offset && d.sizes == s.sizes && d.strides == s.strides && d.dtype == s.dtype;
  if (d.storage != s.storage || same_elements) return source;
  Tensor copy = make_tensor(source.sizes(), source.dtype(), source.quantizer());
  detail::copy_elements(copy, source);
  return copy;
}

Tensor converted(const Tensor& t, DType dtype) {
  if (t.dtype() == dtype) return t;
  Tensor out = make_tensor(t.sizes(), dtype);
  detail::copy_elements(out, t);
  return out;
}

// The integers of `source` on the grid of `grid`.
Tensor quantized_like(const Tensor& source, const Tensor& grid) {
  Tensor real = expand(source, grid.sizes());
  if (real.is_quantized()) real = adze::dequantize(real);
  real = converted(real, DType::float32);
  if (!is_per_channel(grid.qscheme()))
    return quantize_per_tensor(real, grid.q_scale(), grid.q_zero_point(), grid.dtype());
  return quantize_per_channel(real, grid.q_per_channel_scales(), grid.q_per_channel_zero_points(),
                              grid.q_per_channel_axis(), grid.dtype());
}

void copy_to_quantized(const Tensor& destination, const Tensor& source) {
  NoGrad guard;
  if (!source.is_quantized()) {
    detail::copy_elements(destination, quantized_like(source, destination));
    return;
  }
  check(source.dtype() == destination.dtype(), "copy_: a source of dtype ", destination.dtype(),
        " expected, got ", source.dtype(), "; dequantize() it first");
  if (*source.quantizer() != *destination.quantizer()) {
    TensorImpl& d = destination.impl();
    check(source.sizes() == destination.sizes(),
          "copy_: a quantized source hands over its quantizer, so its shape must be that of the ",
          "destination ", destination.sizes(), ", got ", source.sizes());
    check(static_cast<std::size_t>(d.numel) * item_size(d.dtype) == d.storage->bytes(),
          "copy_: the destination is a part of a tensor with another quantizer; requantize() the ",
          "source first");
    d.quantizer = source.quantizer();
  }
  detail::copy_elements(destination, source);
}

void check_arithmetic(const Tensor& t, DType operand, const char* op) {
  check(!t.is_quantized() && !is_quantized(operand), op, ": quantized tensors take no part in ",
        "arithmetic (", t.dtype(), ", ", operand, "); dequantize() them");
  const bool fits = t.is_floating_point() || !is_floating_point(operand);
  check(fits && !(t.dtype() == DType::boolean && operand != DType::boolean), op, ": the result of ",
        t.dtype(), " and ", operand, " cannot be kept in ", t.dtype());
}

// t[i] = f(t[i], other[i]), both in the type in which `t` is computed with.
template <class F>
void update(const Tensor& t, const Tensor& other, F&& f) {
  detail::visit_dtype(t.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = detail::compute_t<T>;
    const Tensor operand = converted(other, dtype_of<C>);
    detail::for_each(
        t.sizes(),
        [&](T& to, const C& from) { to = detail::convert<T>(f(detail::convert<C>(to), from)); },
        detail::write<T>(t), detail::read<C>(operand, t.sizes()));
  });
}

// Arithmetic of integers wraps around.
template <class T>
T wrapping_add_scaled(T a, T b, T alpha) {
  if constexpr (std::same_as<T, bool>) {
    return a || (b && alpha);
  } else if constexpr (std::integral<T>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) +
                          static_cast<std::uint64_t>(b) * static_cast<std::uint64_t>(alpha));
  } else {
    return a + alpha * b;
  }
}

template <class T>
T wrapping_mul(T a, T b) {
  if constexpr (std::same_as<T, bool>) {
    return a && b;
  } else if constexpr (std::integral<T>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  } else {
    return a * b;
  }
}

// An integer dtype takes a number that lies in its range; a fraction is cut off.
void check_fits(Scalar value, DType dtype) {
  if (!is_integral(dtype)) return;
  detail::visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::integral<T> && !std::same_as<T, bool>) {
      constexpr auto low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
      const double whole = std::trunc(value.to_double());
      const bool fits = value.is_floating() ? whole >= static_cast<double>(low) &&
                                                  whole < static_cast<double>(high) + 1
                                            : std::in_range<T>(value.to_int());
      check(fits, "fill_: the value ", value.to_double(), " does not fit into ", dtype);
    }
  });
}

DType scalar_dtype(Scalar s) {
  switch (s.kind()) {
    case Scalar::Kind::logical:
      return DType::boolean;
    case Scalar::Kind::integer:
      return DType::int64;
    default:
      return DType::float64;
  }
}

bool both_plain_float32(const Tensor& a, const Tensor& b) {
  return a.dtype() == DType::float32 && b.dtype() == DType::float32 && a.is_contiguous() &&
         b.is_contiguous() && a.sizes() == b.sizes();
}

}  // namespace

const Tensor& Tensor::copy_(const Tensor& source) const {
  check_writable(*this, "copy_");
  const Tensor from = operand_for(*this, source, "copy_");
  if (is_quantized()) {
    copy_to_quantized(*this, from);
  } else {
    detail::copy_elements(*this, from.is_quantized() ? adze::dequantize(from) : from);
  }
  return *this;
}

const Tensor& Tensor::fill_(Scalar value) const {
  check_writable(*this, "fill_");
  if (is_quantized()) {
    const Tensor filled = full({}, value);
    copy_to_quantized(*this, filled);
    return *this;
  }
  check_fits(value, dtype());
  detail::visit_dtype(dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T v = value.is_floating() ? detail::convert<T>(value.to_double())
                                    : detail::convert<T>(value.to_int());
    detail::for_each(
        sizes(), [v](T& to) { to = v; }, detail::write<T>(*this));
  });
  return *this;
}

const Tensor& Tensor::add_(const Tensor& other, Scalar alpha) const {
  check_writable(*this, "add_");
  check_arithmetic(*this, other.dtype(), "add_");
  check_arithmetic(*this, alpha == Scalar(1) ? other.dtype() : scalar_dtype(alpha), "add_");
  const Tensor from = operand_for(*this, other, "add_");
  if (both_plain_float32(*this, from)) {
    kernels::axpy(static_cast<float>(alpha.to_double()), from.data<float>(), numel(),
                  mutable_data<float>());
    return *this;
  }
  update(*this, from, [&]<class C>(C a, C b) {
    return wrapping_add_scaled(a, b,
                               alpha.is_floating() ? detail::convert<C>(alpha.to_double())
                                                   : detail::convert<C>(alpha.to_int()));
  });
  return *this;
}

const Tensor& Tensor::mul_(const Tensor& other) const {
  check_writable(*this, "mul_");
  check_arithmetic(*this, other.dtype(), "mul_");
  const Tensor from = operand_for(*this, other, "mul_");
  if (both_plain_float32(*this, from)) {
    const float* b = from.data<float>();
    float* a = mutable_data<float>();
    kernels::mul(a, b, numel(), a);
    return *this;
  }
  update(*this, from, []<class C>(C a, C b) { return wrapping_mul(a, b); });
  return *this;
}

const Tensor& Tensor::mul_(Scalar other) const {
  check_writable(*this, "mul_");
  check_arithmetic(*this, scalar_dtype(other), "mul_");
  return mul_(full({}, other, is_floating_point() ? dtype() : scalar_dtype(other)));
}

}  // namespace adze
