// Methods of Tensor that forward to ops.

#include <cmath>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/tensor.h"
#include "adze/core/tensor_impl.h"

#include "ops/view.h"
#include "strided.h"

namespace adze {

Tensor Tensor::dequantize() const {
  return adze::dequantize(*this);
}

// ---- autograd -----------------------------------------------------------------------------------

Tensor Tensor::detach() const {
  return adze::detach(*this);
}

void Tensor::backward(const Tensor& gradient) const {
  check(is_symbolic() || requires_grad(), "backward: this tensor neither requires a gradient nor ",
        "was computed from one that does");
  if (gradient.defined()) {
    check(gradient.sizes() == sizes(), "backward: a gradient of shape ", sizes(), " expected, got ",
          gradient.sizes());
    autograd::backward({*this}, {gradient});
    return;
  }
  check(numel() == 1, "backward: a gradient is needed for a tensor of shape ", sizes(),
        "; it may be left out for one element only");
  autograd::backward({*this}, {ones_like(detach())});
}

// ---- copies and views ---------------------------------------------------------------------------

Tensor Tensor::clone() const {
  return adze::clone(*this);
}
Tensor Tensor::contiguous() const {
  return adze::contiguous(*this);
}
Tensor Tensor::to(DType dtype) const {
  return adze::to(*this, dtype);
}
Tensor Tensor::operator[](std::int64_t i) const {
  return adze::select(*this, 0, i);
}

Tensor Tensor::select(std::int64_t dim, std::int64_t index) const {
  return adze::select(*this, dim, index);
}

Tensor Tensor::slice(std::int64_t dim, std::optional<std::int64_t> start,
                     std::optional<std::int64_t> end, std::int64_t step) const {
  return adze::slice(*this, dim, start, end, step);
}

Tensor Tensor::narrow(std::int64_t dim, std::int64_t start, std::int64_t length) const {
  if (!is_symbolic() || impl().sizes_known) {
    const std::int64_t size = this->size(dim);
    const std::int64_t first = start < 0 ? start + size : start;
    check(first >= 0 && length >= 0 && first <= size - length, "narrow: ", length,
          " elements from ", start, " on do not lie in dimension ", dim, " of shape ", sizes());
    start = first;
  } else {
    check(start >= 0, "narrow: a start >= 0 expected while the shape is not known, got ", start);
  }
  return adze::slice(*this, dim, start, start + length);
}

Tensor Tensor::view(const Shape& shape) const {
  if (!is_symbolic()) {
    const Shape resolved = detail::resolve_shape(*this, shape, "view");
    check(detail::view_strides(sizes(), strides(), resolved).has_value(), "view: shape ", sizes(),
          " with strides ", strides(), " cannot be seen as ", resolved,
          " without a copy; use reshape()");
  }
  return adze::reshape(*this, shape);
}

Tensor Tensor::reshape(const Shape& shape) const {
  return adze::reshape(*this, shape);
}

Tensor Tensor::flatten(std::int64_t start_dim, std::int64_t end_dim) const {
  return adze::flatten(*this, start_dim, end_dim);
}

Tensor Tensor::permute(const Shape& dims) const {
  return adze::permute(*this, dims);
}

Tensor Tensor::transpose(std::int64_t dim0, std::int64_t dim1) const {
  return adze::transpose(*this, dim0, dim1);
}

Tensor Tensor::t() const {
  if (!is_symbolic() || impl().sizes_known)
    check(dim() == 2, "t: a matrix expected, got shape ", sizes());
  return adze::transpose(*this, 0, 1);
}

Tensor Tensor::expand(const Shape& shape) const {
  return adze::expand(*this, shape);
}
Tensor Tensor::squeeze() const {
  return adze::squeeze(*this);
}
Tensor Tensor::squeeze(std::int64_t dim) const {
  return adze::squeeze(*this, dim);
}
Tensor Tensor::unsqueeze(std::int64_t dim) const {
  return adze::unsqueeze(*this, dim);
}

// ---- frequent ops -------------------------------------------------------------------------------

Tensor Tensor::sum() const {
  return adze::sum(*this);
}
Tensor Tensor::sum(const Shape& dims, bool keepdim) const {
  return adze::sum(*this, dims, keepdim);
}
Tensor Tensor::mean() const {
  return adze::mean(*this);
}
Tensor Tensor::mean(const Shape& dims, bool keepdim) const {
  return adze::mean(*this, dims, keepdim);
}
Tensor Tensor::max() const {
  return adze::max(*this);
}
Tensor Tensor::min() const {
  return adze::min(*this);
}
Tensor Tensor::argmax(std::optional<std::int64_t> dim, bool keepdim) const {
  return adze::argmax(*this, dim, keepdim);
}
Tensor Tensor::abs() const {
  return adze::abs(*this);
}
Tensor Tensor::exp() const {
  return adze::exp(*this);
}
Tensor Tensor::log() const {
  return adze::log(*this);
}
Tensor Tensor::sqrt() const {
  return adze::sqrt(*this);
}
Tensor Tensor::pow(Scalar exponent) const {
  return adze::pow(*this, exponent);
}
Tensor Tensor::relu() const {
  return adze::relu(*this);
}
Tensor Tensor::clamp(std::optional<double> min, std::optional<double> max) const {
  return adze::clamp(*this, min, max);
}
Tensor Tensor::matmul(const Tensor& other) const {
  return adze::matmul(*this, other);
}

// ---- comparison ---------------------------------------------------------------------------------

bool Tensor::equal(const Tensor& other) const {
  if (sizes() != other.sizes() || dtype() != other.dtype()) return false;
  if (is_quantized() && *quantizer() != *other.quantizer()) return false;
  return detail::visit_dtype(dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = detail::compute_t<T>;
    bool same = true;
    detail::for_each(
        sizes(), [&](const T& a, const T& b) { same &= static_cast<C>(a) == static_cast<C>(b); },
        detail::read<T>(*this, sizes()), detail::read<T>(other, sizes()));
    return same;
  });
}

bool Tensor::allclose(const Tensor& other, double rtol, double atol) const {
  const Shape shape = broadcast_shapes(sizes(), other.sizes(), "allclose");
  const std::vector<double> a = expand(shape).to_vector<double>();
  const std::vector<double> b = other.expand(shape).to_vector<double>();
  return std::equal(a.begin(), a.end(), b.begin(), [&](double x, double y) {
    return x == y || (std::isfinite(y) && std::abs(x - y) <= atol + rtol * std::abs(y));
  });
}

}  // namespace adze
