#pragma once

#include <optional>
#include <tuple>

#include "adze/core/op.h"

namespace adze {

// `dims` empty: all dimensions. Sums of floats are taken in a fixed order that does not depend on
// thread count or ISA. Sums of integers and booleans are int64.

Tensor sum(const Tensor& a, const Shape& dims = {}, bool keepdim = false);
/// Floating dtypes only. NaN for no elements.
Tensor mean(const Tensor& a, const Shape& dims = {}, bool keepdim = false);
/// Variance with `correction` subtracted from the count (1: unbiased).
Tensor var(const Tensor& a, const Shape& dims = {}, std::int64_t correction = 1,
           bool keepdim = false);
/// p-norm: p = 1, 2, any p > 0, or infinity (largest |a|), or 0 (count of nonzeros).
Tensor norm(const Tensor& a, double p = 2, const Shape& dims = {}, bool keepdim = false);
/// Largest / smallest element; NaN wins. Throws for no elements. Quantized tensors keep qparams.
Tensor max(const Tensor& a);
Tensor min(const Tensor& a);
/// (values, indices int64) along `dim`; the first of equal elements.
std::tuple<Tensor, Tensor> max(const Tensor& a, std::int64_t dim, bool keepdim = false);
std::tuple<Tensor, Tensor> min(const Tensor& a, std::int64_t dim, bool keepdim = false);
/// (min, max) along all dimensions but `dim`, or over everything. Values only; no gradient.
std::tuple<Tensor, Tensor> aminmax(const Tensor& a, std::optional<std::int64_t> channel = {});
/// Index of the largest / smallest element, int64; over the flattened tensor without `dim`.
Tensor argmax(const Tensor& a, std::optional<std::int64_t> dim = {}, bool keepdim = false);
Tensor argmin(const Tensor& a, std::optional<std::int64_t> dim = {}, bool keepdim = false);
/// Boolean scalar tensors.
Tensor all(const Tensor& a);
Tensor any(const Tensor& a);
/// Number of elements that are not zero (for quantized tensors: whose real value is not zero).
std::int64_t count_nonzero(const Tensor& a);
/// (values, indices) of the k largest (smallest) along `dim`, in order; ties by lowest index. NaN
/// counts as the largest value, here and in `sort`. Quantized tensors keep qparams.
std::tuple<Tensor, Tensor> topk(const Tensor& a, std::int64_t k, std::int64_t dim = -1,
                                bool largest = true);
/// (values, indices) in ascending (descending) order along `dim`; stable. NaN sorts last (first).
std::tuple<Tensor, Tensor> sort(const Tensor& a, std::int64_t dim = -1, bool descending = false);

namespace ops {
using ReduceOp = Op<Tensor(const Tensor&, const Shape&, bool)>;
using ArgOp = Op<Tensor(const Tensor&, std::optional<std::int64_t>, bool)>;
using PairOp = Op<std::tuple<Tensor, Tensor>(const Tensor&, std::int64_t, bool)>;
extern const ReduceOp sum, mean;
extern const Op<Tensor(const Tensor&, const Shape&, std::int64_t, bool)> var;
extern const Op<Tensor(const Tensor&, double, const Shape&, bool)> norm;
extern const Op<Tensor(const Tensor&)> max, min, all, any;
extern const PairOp max_dim, min_dim, sort;
extern const Op<std::tuple<Tensor, Tensor>(const Tensor&, std::optional<std::int64_t>)> aminmax;
extern const ArgOp argmax, argmin;
extern const Op<std::tuple<Tensor, Tensor>(const Tensor&, std::int64_t, std::int64_t, bool)> topk;
}  // namespace ops

}  // namespace adze
