#pragma once

#include "adze/core/op.h"

namespace adze {

/// Matrix product with the field's rules: vectors, matrices, and batches that broadcast.
Tensor matmul(const Tensor& a, const Tensor& b);
/// input · weightᵀ + bias: input (..., in_features), weight (out_features, in_features), bias
/// (out_features) or undefined; result (..., out_features).
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias = {});

namespace ops {
extern const Op<Tensor(const Tensor&, const Tensor&)> matmul;
extern const Op<Tensor(const Tensor&, const Tensor&, const Tensor&)> linear;
}  // namespace ops

}  // namespace adze
