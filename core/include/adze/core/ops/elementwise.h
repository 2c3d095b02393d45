#pragma once

#include <concepts>
#include <optional>

#include "adze/core/op.h"

namespace adze {

// Operands broadcast against each other; dtypes promote (see promote_types, Scalar). Quantized
// operands throw: dequantize them, or use the ops of quantized.h.

Tensor add(const Operand& a, const Operand& b);
Tensor sub(const Operand& a, const Operand& b);
Tensor mul(const Operand& a, const Operand& b);
/// True division: integers give float32.
Tensor div(const Operand& a, const Operand& b);
Tensor pow(const Operand& base, const Operand& exponent);
/// Larger (smaller) of the two; NaN when either is NaN.
Tensor maximum(const Operand& a, const Operand& b);
Tensor minimum(const Operand& a, const Operand& b);

// Comparisons give boolean tensors; NaN compares false except in `ne`. Quantized operands are
// dequantized first.
Tensor eq(const Operand& a, const Operand& b);
Tensor ne(const Operand& a, const Operand& b);
Tensor lt(const Operand& a, const Operand& b);
Tensor le(const Operand& a, const Operand& b);
Tensor gt(const Operand& a, const Operand& b);
Tensor ge(const Operand& a, const Operand& b);
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& a);
Tensor isfinite(const Tensor& a);

/// a where `condition` (boolean) holds, else b; all three broadcast. Selects: no arithmetic touches
/// the other value.
Tensor where(const Tensor& condition, const Operand& a, const Operand& b);

Tensor neg(const Tensor& a);
Tensor abs(const Tensor& a);
Tensor sign(const Tensor& a);
/// Round half to even.
Tensor round(const Tensor& a);
Tensor floor(const Tensor& a);
Tensor exp(const Tensor& a);
Tensor log(const Tensor& a);
Tensor sqrt(const Tensor& a);
Tensor square(const Tensor& a);
Tensor reciprocal(const Tensor& a);
/// max(a, 0); NaN stays. A quantized tensor is clamped at its zero point and keeps its qparams.
Tensor relu(const Tensor& a);
/// 1 / (1 + exp(-a)). Of a quantized (8-bit, per tensor) one: the same dtype with scale 1/256 and
/// the zero point at the lowest integer.
Tensor sigmoid(const Tensor& a);
/// Of a quantized (8-bit, per tensor) one: the same dtype with scale 2/256 and the zero point in
/// the middle, 128 or 0.
Tensor tanh(const Tensor& a);
/// Limits to [min, max]; either may be missing, not both. Of integer tensors the bounds are moved
/// inward to integers. Quantized tensors keep their qparams; bounds are rounded to their grid.
Tensor clamp(const Tensor& a, std::optional<double> min, std::optional<double> max = {});
/// Converted copy; `a` itself when it already has the dtype. Differentiable between floats.
Tensor to(const Tensor& a, DType dtype);
/// A contiguous copy.
Tensor clone(const Tensor& a);

Tensor operator-(const Tensor& a);
Tensor operator+(const Tensor& a, const Operand& b);
Tensor operator-(const Tensor& a, const Operand& b);
Tensor operator*(const Tensor& a, const Operand& b);
Tensor operator/(const Tensor& a, const Operand& b);
Tensor operator+(Scalar a, const Tensor& b);
Tensor operator-(Scalar a, const Tensor& b);
Tensor operator*(Scalar a, const Tensor& b);
Tensor operator/(Scalar a, const Tensor& b);
Tensor operator<(const Tensor& a, const Operand& b);
Tensor operator<=(const Tensor& a, const Operand& b);
Tensor operator>(const Tensor& a, const Operand& b);
Tensor operator>=(const Tensor& a, const Operand& b);
Tensor operator==(const Tensor& a, const Operand& b);
Tensor operator!=(const Tensor& a, const Operand& b);
// Two tensors: exact, or C++20 may take either order of the arguments, of which clang warns.
template <std::same_as<Tensor> T>
Tensor operator==(const Tensor& a, const T& b) {
  return eq(a, b);
}
template <std::same_as<Tensor> T>
Tensor operator!=(const Tensor& a, const T& b) {
  return ne(a, b);
}

namespace ops {
using UnaryOp = Op<Tensor(const Tensor&)>;
using BinaryOp = Op<Tensor(const Operand&, const Operand&)>;
extern const BinaryOp add, sub, mul, div, pow, maximum, minimum, eq, ne, lt, le, gt, ge;
extern const Op<Tensor(const Tensor&, const Tensor&)> logical_and, logical_or;
extern const UnaryOp logical_not, isfinite, neg, abs, sign, round, floor, exp, log, sqrt, square,
    reciprocal, relu, sigmoid, tanh, clone;
extern const Op<Tensor(const Tensor&, const Operand&, const Operand&)> where;
extern const Op<Tensor(const Tensor&, std::optional<double>, std::optional<double>)> clamp;
extern const Op<Tensor(const Tensor&, DType)> to;
}  // namespace ops

}  // namespace adze
