// Ops that find elements along a dimension: max and min with their indices, argmax, topk, sort.

#include <algorithm>
#include <numeric>

#include "adze/core/creation.h"
#include "adze/core/ops/reduction.h"
#include "adze/core/ops/shape.h"

#include "ops/reduce.h"

namespace adze {

using autograd::BackwardContext;
using autograd::Gradients;
using namespace detail;

namespace {

using Index = std::int64_t;
using Pair = std::tuple<Tensor, Tensor>;

std::size_t checked_dim(std::string_view op, const Tensor& a, std::int64_t dim) {
  check(a.dim() > 0, op, ": needs a tensor with at least one dimension, got shape ()");
  return static_cast<std::size_t>(wrap_dim(dim, a.sizes().size(), op));
}

Shape resized(const Shape& sizes, std::size_t dim, std::int64_t size) {
  Shape result = sizes;
  result[dim] = size;
  return result;
}

template <bool largest>
Pair extremum_along(std::string_view op, const Tensor& a, std::int64_t dim, bool keepdim) {
  check_comparable(op, a);
  const std::size_t d = checked_dim(op, a, dim);
  const std::int64_t n = a.sizes()[d];
  check(n > 0, op, ": dimension ", dim, " of shape ", a.sizes(), " has no elements to choose from");
  const Tensor x = comparable(a);
  const Shape sizes = resized(a.sizes(), d, 1);
  Tensor values = make_tensor(sizes, x.dtype()), indices = make_tensor(sizes, int64);
  visit_dtype(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_line(
        a.sizes(), d,
        [n](Line<const T> in, Line<T> value, Line<Index> index) {
          Index best = 0;
          for (Index i = 1; i < n; ++i)
            if (beats<largest>(in[i], in[best])) best = i;
          value[0] = in[best];
          index[0] = best;
        },
        read<T>(x, x.sizes()), write<T>(values), write<Index>(indices));
  });
  if (!keepdim) {
    values = squeeze(values, static_cast<std::int64_t>(d));
    indices = squeeze(indices, static_cast<std::int64_t>(d));
  }
  return {restored(values, a), indices};
}

template <bool largest>
Tensor index_of_extremum(std::string_view op, const Tensor& a, std::optional<std::int64_t> dim,
                         bool keepdim) {
  if (dim) return std::get<1>(extremum_along<largest>(op, a, *dim, keepdim));
  check(a.numel() > 0, op, ": no elements to choose from, shape is ", a.sizes());
  const Tensor index = std::get<1>(extremum_along<largest>(op, reshape(a, {-1}), 0, false));
  return keepdim ? reshape(index, Shape(a.sizes().size(), 1)) : index;
}

// The first k of each line in the order `before(x[i], x[j])`, equal ones as they come.
template <bool largest>
Pair order_lines(const Tensor& a, std::size_t d, std::int64_t k) {
  const Tensor x = comparable(a);
  const std::int64_t n = a.sizes()[d];
  const Shape sizes = resized(a.sizes(), d, k);
  const Tensor values = make_tensor(sizes, x.dtype()), indices = make_tensor(sizes, int64);
  if (values.numel() == 0) return {restored(values, a), indices};
  std::vector<Index> order(static_cast<std::size_t>(n));
  visit_dtype(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_line(
        a.sizes(), d,
        [&](Line<const T> in, Line<T> value, Line<Index> index) {
          std::iota(order.begin(), order.end(), Index{0});
          // The index decides between equal elements, so that no stable sort is needed.
          const auto before = [&](Index i, Index j) {
            const T p = in[i], q = in[j];
            return precedes<largest>(p, q) || (i < j && !precedes<largest>(q, p));
          };
          if (k < n) {
            std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
          } else {
            std::sort(order.begin(), order.end(), before);
          }
          for (Index i = 0; i < k; ++i) {
            index[i] = order[static_cast<std::size_t>(i)];
            value[i] = in[index[i]];
          }
        },
        read<T>(x, x.sizes()), write<T>(values), write<Index>(indices));
  });
  return {restored(values, a), indices};
}

Pair topk_forward(const Tensor& a, std::int64_t k, std::int64_t dim, bool largest) {
  check_comparable("topk", a);
  const std::size_t d = checked_dim("topk", a, dim);
  check(k >= 0 && k <= a.sizes()[d], "topk: k must lie in [0, ", a.sizes()[d], "] for dimension ",
        dim, " of shape ", a.sizes(), ", got ", k);
  return largest ? order_lines<true>(a, d, k) : order_lines<false>(a, d, k);
}

Pair sort_forward(const Tensor& a, std::int64_t dim, bool descending) {
  check_comparable("sort", a);
  const std::size_t d = checked_dim("sort", a, dim);
  const std::int64_t n = a.sizes()[d];
  return descending ? order_lines<true>(a, d, n) : order_lines<false>(a, d, n);
}

// Each chosen element gets the gradient of its place, all others 0.
Tensor scattered(const Tensor& gradient, const Tensor& indices, const Shape& sizes, std::size_t d) {
  const Tensor out = zeros(sizes, gradient.dtype());
  visit_floating(gradient.dtype(), "scatter", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t k = indices.sizes()[d];
    for_each_line(
        sizes, d,
        [k](Line<const T> from, Line<const Index> index, Line<T> to) {
          for (Index i = 0; i < k; ++i) to[index[i]] = from[i];
        },
        read<T>(gradient, gradient.sizes()), read<Index>(indices, indices.sizes()), write<T>(out));
  });
  return out;
}

// `dim` and whether the result kept it, for the ops of this file.
Gradients scatter_derivative(const BackwardContext& c, std::int64_t dim, bool kept) {
  const Shape sizes = c.sizes(0);
  const auto d = static_cast<std::size_t>(wrap_dim(dim, sizes.size(), "scatter"));
  Tensor gradient = c.grad(), indices = c.output(1);
  if (!kept) {
    gradient = unsqueeze(gradient, static_cast<std::int64_t>(d));
    indices = unsqueeze(indices, static_cast<std::int64_t>(d));
  }
  return {scattered(gradient, indices, sizes, d)};
}

Gradients along_derivative(const BackwardContext& c) {
  return scatter_derivative(c, c.args[1].to_int(), c.args[2].to_bool());
}

constexpr OpTraits keeps_qparams{.shares_qparams = true};
constexpr OpTraits constant{.differentiable = false};

}  // namespace

namespace ops {

constinit const PairOp max_dim{
    {.name = "max_dim",
     .forward = [](const Tensor& a, std::int64_t dim,
                   bool keepdim) { return extremum_along<true>("max", a, dim, keepdim); },
     .derivative = along_derivative,
     .traits = keeps_qparams}};
constinit const PairOp min_dim{
    {.name = "min_dim",
     .forward = [](const Tensor& a, std::int64_t dim,
                   bool keepdim) { return extremum_along<false>("min", a, dim, keepdim); },
     .derivative = along_derivative,
     .traits = keeps_qparams}};
constinit const ArgOp argmax{
    {.name = "argmax",
     .forward = [](const Tensor& a, std::optional<std::int64_t> dim,
                   bool keepdim) { return index_of_extremum<true>("argmax", a, dim, keepdim); },
     .traits = constant}};
constinit const ArgOp argmin{
    {.name = "argmin",
     .forward = [](const Tensor& a, std::optional<std::int64_t> dim,
                   bool keepdim) { return index_of_extremum<false>("argmin", a, dim, keepdim); },
     .traits = constant}};
constinit const Op<Pair(const Tensor&, std::int64_t, std::int64_t, bool)> topk{
    {.name = "topk",
     .forward = topk_forward,
     .derivative =
         [](const BackwardContext& c) { return scatter_derivative(c, c.args[2].to_int(), true); },
     .traits = keeps_qparams}};
constinit const PairOp sort{
    {.name = "sort",
     .forward = sort_forward,
     .derivative =
         [](const BackwardContext& c) { return scatter_derivative(c, c.args[1].to_int(), true); },
     .traits = keeps_qparams}};

}  // namespace ops

std::tuple<Tensor, Tensor> max(const Tensor& a, std::int64_t dim, bool keepdim) {
  return ops::max_dim(a, dim, keepdim);
}
std::tuple<Tensor, Tensor> min(const Tensor& a, std::int64_t dim, bool keepdim) {
  return ops::min_dim(a, dim, keepdim);
}
Tensor argmax(const Tensor& a, std::optional<std::int64_t> dim, bool keepdim) {
  return ops::argmax(a, dim, keepdim);
}
Tensor argmin(const Tensor& a, std::optional<std::int64_t> dim, bool keepdim) {
  return ops::argmin(a, dim, keepdim);
}
std::tuple<Tensor, Tensor> topk(const Tensor& a, std::int64_t k, std::int64_t dim, bool largest) {
  return ops::topk(a, k, dim, largest);
}
std::tuple<Tensor, Tensor> sort(const Tensor& a, std::int64_t dim, bool descending) {
  return ops::sort(a, dim, descending);
}

}  // namespace adze
