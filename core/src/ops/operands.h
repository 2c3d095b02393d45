#pragma once

// What elementwise ops share: common dtype and shape of operands, and reading them as one type.

#include <string_view>

#include "adze/core/autograd.h"
#include "adze/core/op.h"
#include "adze/core/ops.h"

#include "strided.h"

namespace adze::detail {

/// Dtype in which two operands meet. Tensors with dimensions win over 0-dim tensors, and those over
/// numbers, within one kind (bool < integer < floating); a lower rank only lifts the kind.
DType result_type(const Operand& a, const Operand& b);

/// Throws when an operand is quantized: there is no arithmetic on integers with qparams.
void check_plain(std::string_view op, const Tensor& t);
void check_plain(std::string_view op, const Operand& a, const Operand& b);

/// Sizes of an operand; () for a number.
inline Shape sizes_of(const Operand& o) {
  return o.is_tensor() ? o.tensor().sizes() : Shape{};
}

/// The tensor of that dtype with these values: `t` itself or a contiguous copy. No autograd.
Tensor converted(const Tensor& t, DType dtype);
/// The tensor itself when it is contiguous, else a contiguous copy. No autograd.
Tensor packed(const Tensor& t);

template <class T>
T scalar_as(Scalar s) {
  if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    return s.is_floating() ? convert<T>(s.to_double()) : static_cast<T>(s.to_int());
  } else {
    return convert<T>(s.to_double());
  }
}

/// An operand read as elements of type T in a loop over `sizes`.
template <class T>
class Input {
 public:
  Input(const Operand& operand, const Shape& sizes) {
    if (operand.is_tensor()) {
      tensor_ = converted(operand.tensor(), dtype_of<T>);
      strided_ = read<T>(tensor_, sizes);
    } else {
      number_ = scalar_as<T>(operand.scalar());
      strided_ = {&number_, Shape(sizes.size(), 0)};
    }
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  const Strided<const T>& strided() const { return strided_; }

 private:
  Tensor tensor_;
  T number_{};
  Strided<const T> strided_;
};

/// The i-th argument of a binary op in its derivative.
inline Operand saved_operand(const autograd::BackwardContext& c, std::size_t i) {
  return c.args[i].is_tensor() ? Operand(c.tensor(i)) : Operand(c.args[i].to_scalar());
}

/// `gradient()` summed to the shape of the i-th argument, or none when it is not wanted.
template <class F>
Value gradient_for(const autograd::BackwardContext& c, std::size_t i, F&& gradient) {
  if (!c.needs(i)) return {};
  return autograd::sum_to(gradient(), c.sizes(i));
}

}  // namespace adze::detail
