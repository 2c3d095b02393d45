#pragma once

#include "adze/core/op.h"

namespace adze {

/// Matrix product with the field's rules: vectors, matrices, and batches that broadcast.
Tensor matmul(const Tensor& a, const Tensor& b);
/// input · weightᵀ + bias: input (..., in_features), weight (out_features, in_features), bias
/// (out_features) or undefined; result (..., out_features).
///
/// From the second product with a float32 weight on, its elements are kept with it in the order
/// that kernels read, without blocks of zeros if there are many, until they change. That changes no
/// result but, where a sum underflows, the sign of a zero.
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias = {});

namespace ops {
extern const Op<Tensor(const Tensor&, const Tensor&)> matmul;
extern const Op<Tensor(const Tensor&, const Tensor&, const Tensor&)> linear;
}  // namespace ops

}  // namespace adze
