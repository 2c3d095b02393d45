#include "adze/core/ops/reduction.h"

#include <cmath>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/kernels/elementwise.h"
#include "adze/kernels/parallel.h"
#include "adze/kernels/quantize.h"

#include "ops/families.h"
#include "ops/reduce.h"

namespace adze {

using autograd::BackwardContext;
using autograd::Gradients;
using namespace detail;

namespace detail {

Reduced::Reduced(std::string_view op, const Shape& sizes, const Shape& dims) : kept_(sizes) {
  // A tensor without dimensions may be reduced along its first and last.
  const std::size_t n = std::max<std::size_t>(sizes.size(), 1);
  for (const std::int64_t dim : dims) {
    const auto d = static_cast<std::size_t>(wrap_dim(dim, n, op));
    check(!reduced_[d], op, ": dimension ", dim, " was given twice");
    reduced_[d] = true;
  }
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    reduced_[d] = reduced_[d] || dims.empty();
    if (!reduced_[d]) continue;
    count_ *= sizes[d];
    kept_[d] = 1;
  }
}

Shape Reduced::result(bool keepdim) const {
  if (keepdim) return kept_;
  Shape sizes;
  for (std::size_t d = 0; d < kept_.size(); ++d)
    if (!reduced_[d]) sizes.push_back(kept_[d]);
  return sizes;
}

Tensor with_kept_dims(const Tensor& x, const Shape& sizes, const Shape& dims) {
  return reshape(x, Reduced("reduction", sizes, dims).kept());
}

void check_comparable(std::string_view op, const Tensor& t) {
  check(!t.is_quantized() || !is_per_channel(t.qscheme()), op,
        ": the channels of this tensor have different scales; dequantize() it first");
}

Tensor comparable(const Tensor& t) {
  return t.is_quantized() ? t.int_repr() : t;
}

Tensor restored(const Tensor& elements, const Tensor& like) {
  if (!like.is_quantized()) return elements;
  auto impl = std::make_shared<TensorImpl>(elements.impl());
  impl->dtype = like.dtype();
  impl->quantizer = like.quantizer();
  return Tensor(std::move(impl));
}

}  // namespace detail

namespace {

// A contiguous tensor as outer × count × inner, where count is the last block of neighbouring
// dimensions that are reduced and not yet 1.
struct Block {
  std::int64_t outer = 1, count = 1, inner = 1;
};

// Takes that block out of `sizes`; an empty optional when nothing is left to reduce.
std::optional<Block> next_block(Shape& sizes, const Reduced& reduced) {
  const auto open = [&](std::size_t d) { return reduced[d] && sizes[d] != 1; };
  std::size_t d = sizes.size();
  Block block;
  while (d > 0 && !open(d - 1)) block.inner *= sizes[--d];
  if (d == 0) return {};
  while (d > 0 && (open(d - 1) || sizes[d - 1] == 1)) {
    block.count *= sizes[--d];
    sizes[d] = 1;
  }
  while (d > 0) block.outer *= sizes[--d];
  return block;
}

// Applies `join(from, block, to)` block by block, each time to a smaller contiguous array.
template <class T, class F>
Tensor reduce_blocks(const Tensor& contiguous, const Reduced& reduced, F join) {
  Tensor x = contiguous;
  Shape sizes = x.sizes();
  while (const auto block = next_block(sizes, reduced)) {
    const Tensor y = make_tensor(sizes, dtype_of<T>);
    join(x.data<T>(), *block, y.mutable_data<T>());
    x = y;
  }
  return x;
}

// ---- sums
// -------------------------------------------------------------------------------------------

void sum_block(const float* x, const Block& b, float* y) {
  constexpr std::int64_t worthwhile = 1 << 15;  // elements
  const std::int64_t size = b.count * b.inner, grain = 1 + worthwhile / (1 + size);
  kernels::parallel_for(0, b.outer, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      if (b.inner == 1) {
        y[i] = kernels::sum(x + i * size, size);
      } else {
        kernels::sum_rows(x + i * size, b.count, b.inner, y + i * b.inner);
      }
    }
  });
}

template <class T>
void sum_block(const T* x, const Block& b, T* y) {
  using Sum = std::conditional_t<std::integral<T>, std::uint64_t, T>;  // integers wrap around
  for (std::int64_t i = 0; i < b.outer; ++i) {
    for (std::int64_t k = 0; k < b.inner; ++k) {
      Sum sum{};
      for (std::int64_t j = 0; j < b.count; ++j)
        sum += static_cast<Sum>(x[(i * b.count + j) * b.inner + k]);
      y[i * b.inner + k] = static_cast<T>(sum);
    }
  }
}

// Sums in the dtype they are taken in: float32 for 16-bit floats, int64 for integers.
Tensor sum_of(std::string_view op, const Tensor& a, const Reduced& reduced) {
  check_plain(op, a);
  const DType dtype = a.dtype() == float64 ? float64 : a.is_floating_point() ? float32 : int64;
  const Tensor x = packed(converted(a, dtype));
  const auto in = [&]<class T>(TypeTag<T>) {
    return reduce_blocks<T>(x, reduced,
                            [](const T* from, const Block& b, T* to) { sum_block(from, b, to); });
  };
  const Tensor out = dtype == float32   ? in(TypeTag<float>{})
                     : dtype == float64 ? in(TypeTag<double>{})
                                        : in(TypeTag<std::int64_t>{});
  return out.is_same(a) ? clone(out) : out;
}

Tensor shaped(const Tensor& x, const Reduced& reduced, bool keepdim) {
  return reshape(x, reduced.result(keepdim));
}

void check_floating(std::string_view op, const Tensor& a) {
  check_plain(op, a);
  check(a.is_floating_point(), op, ": needs a floating dtype, got ", a.dtype(),
        "; convert it with to(float32)");
}

Tensor sum_forward(const Tensor& a, const Shape& dims, bool keepdim) {
  const Reduced reduced("sum", a.sizes(), dims);
  const Tensor total = shaped(sum_of("sum", a, reduced), reduced, keepdim);
  return a.is_floating_point() ? converted(total, a.dtype()) : total;
}

Tensor mean_forward(const Tensor& a, const Shape& dims, bool keepdim) {
  check_floating("mean", a);
  const Reduced reduced("mean", a.sizes(), dims);
  const Tensor total = shaped(sum_of("mean", a, reduced), reduced, keepdim);
  return converted(div(total, reduced.count()), a.dtype());
}

Tensor spread(const Tensor& g, const Shape& sizes, const Shape& dims) {
  return expand(with_kept_dims(g, sizes, dims), sizes);
}

Gradients sum_derivative(const BackwardContext& c) {
  return {spread(c.grad(), c.sizes(0), c.args[1].to_shape())};
}

Gradients mean_derivative(const BackwardContext& c) {
  const Shape sizes = c.sizes(0), dims = c.args[1].to_shape();
  const std::int64_t count = Reduced("mean", sizes, dims).count();
  return {spread(c.grad() / count, sizes, dims)};
}

// ---- variance, norms
// ----------------------------------------------------------------------------------

std::int64_t degrees_of_freedom(const Reduced& reduced, std::int64_t correction) {
  return std::max<std::int64_t>(reduced.count() - correction, 0);
}

Tensor var_forward(const Tensor& a, const Shape& dims, std::int64_t correction, bool keepdim) {
  check_floating("var", a);
  const Reduced reduced("var", a.sizes(), dims);
  const Tensor x = converted(a, a.dtype() == float64 ? float64 : float32);
  const Tensor total = sum(square(x - mean(x, dims, true)), dims, keepdim);
  return converted(total / degrees_of_freedom(reduced, correction), a.dtype());
}

Gradients var_derivative(const BackwardContext& c) {
  const Tensor x = c.tensor(0);
  const Shape dims = c.args[1].to_shape();
  const Reduced reduced("var", x.sizes(), dims);
  const auto n = static_cast<double>(degrees_of_freedom(reduced, c.args[2].to_int()));
  return {(x - mean(x, dims, true)) * (with_kept_dims(c.grad(), x.sizes(), dims) * (2 / n))};
}

Tensor norm_forward(const Tensor& a, double p, const Shape& dims, bool keepdim) {
  check_floating("norm", a);
  check(p >= 0, "norm: p must be >= 0, got ", p);
  const Reduced reduced("norm", a.sizes(), dims);
  const Tensor x = converted(a, a.dtype() == float64 ? float64 : float32);
  const auto of = [&] {
    if (p == 0) return sum(to(ne(x, 0), x.dtype()), dims, keepdim);
    if (p == 1) return sum(abs(x), dims, keepdim);
    if (p == 2) return sqrt(sum(square(x), dims, keepdim));
    if (std::isinf(p)) return extremum("norm", abs(x), reduced, keepdim, true);
    return pow(sum(pow(abs(x), p), dims, keepdim), 1 / p);
  };
  return converted(of(), a.dtype());
}

Gradients norm_derivative(const BackwardContext& c) {
  const Tensor x = c.tensor(0);
  const double p = c.args[1].to_double();
  const Shape dims = c.args[2].to_shape();
  if (p == 0) return {zeros_like(x)};
  const Tensor g = with_kept_dims(c.grad(), x.sizes(), dims);
  if (p == 1) return {g * sign(x)};
  const Tensor norms = with_kept_dims(c.output(), x.sizes(), dims);
  if (std::isinf(p)) {
    const Tensor largest = to(eq(abs(x), norms), x.dtype());
    return {g * sign(x) * largest / sum(largest, dims, true)};
  }
  const Tensor slope = p == 2 ? x / norms : sign(x) * pow(abs(x) / norms, p - 1);
  return {where(eq(norms, 0), 0, g * slope)};
}

// ---- extrema
// --------------------------------------------------------------------------------------------

template <bool largest, class T>
void extremum_block(const T* x, const Block& b, T* y) {
  for (std::int64_t i = 0; i < b.outer; ++i) {
    const T* from = x + i * b.count * b.inner;
    T* best = y + i * b.inner;
    std::copy_n(from, b.inner, best);
    for (std::int64_t j = 1; j < b.count; ++j) {
      const T* row = from + j * b.inner;
      for (std::int64_t k = 0; k < b.inner; ++k)
        if (beats<largest>(row[k], best[k])) best[k] = row[k];
    }
  }
}

void check_not_empty(std::string_view op, const Tensor& a, const Reduced& reduced) {
  check(reduced.count() > 0, op, ": no elements to choose from, shape is ", a.sizes());
}

}  // namespace

Tensor detail::extremum(std::string_view op, const Tensor& x, const Reduced& reduced, bool keepdim,
                        bool largest) {
  check_not_empty(op, x, reduced);
  const Tensor values = visit_dtype(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    return reduce_blocks<T>(packed(x), reduced, [&](const T* from, const Block& b, T* to) {
      largest ? extremum_block<true>(from, b, to) : extremum_block<false>(from, b, to);
    });
  });
  return shaped(values.is_same(x) ? clone(values) : values, reduced, keepdim);
}

namespace {

Tensor extremum_of_all(std::string_view op, const Tensor& a, bool largest) {
  check_comparable(op, a);
  const Reduced all(op, a.sizes(), {});
  if (a.dtype() != float32) return restored(extremum(op, comparable(a), all, false, largest), a);
  check_not_empty(op, a, all);
  const kernels::MinMax range = kernels::min_max(packed(a).data<float>(), a.numel());
  return full({}, largest ? range.max : range.min);
}

// All elements that reach the extremum share the gradient.
Gradients extremum_derivative(const BackwardContext& c) {
  const Tensor x = c.tensor(0), &best = c.output();
  const Tensor hit = is_nan(best.item<double>()) ? ne(x, x) : eq(x, best);
  return {where(hit, c.grad() / count_nonzero(hit), 0)};
}

std::tuple<Tensor, Tensor> aminmax_forward(const Tensor& a, std::optional<std::int64_t> channel) {
  check_comparable("aminmax", a);
  Shape dims;
  std::size_t axis = 0;
  if (channel) {
    axis = static_cast<std::size_t>(wrap_dim(*channel, a.sizes().size(), "aminmax"));
    for (std::size_t d = 0; d < a.sizes().size(); ++d)
      if (d != axis) dims.push_back(static_cast<std::int64_t>(d));
    // A vector of channels: each element is its own range.
    if (dims.empty()) return {clone(a), clone(a)};
  }
  const Reduced reduced("aminmax", a.sizes(), dims);
  check_not_empty("aminmax", a, reduced);
  if (a.dtype() != float32) {
    const Tensor x = comparable(a);
    return {restored(extremum("aminmax", x, reduced, false, false), a),
            restored(extremum("aminmax", x, reduced, false, true), a)};
  }
  const Tensor x = packed(a);
  const Tensor mins = make_tensor(reduced.result(false), float32),
               maxs = make_tensor(reduced.result(false), float32);
  if (channel) {
    kernels::ChannelShape shape{.channels = a.sizes()[axis]};
    for (std::size_t d = 0; d < axis; ++d) shape.outer *= a.sizes()[d];
    for (std::size_t d = axis + 1; d < a.sizes().size(); ++d) shape.inner *= a.sizes()[d];
    kernels::min_max(x.data<float>(), shape, mins.mutable_data<float>(),
                     maxs.mutable_data<float>());
  } else {
    const kernels::MinMax range = kernels::min_max(x.data<float>(), x.numel());
    *mins.mutable_data<float>() = range.min;
    *maxs.mutable_data<float>() = range.max;
  }
  return {mins, maxs};
}

// ---- truth
// ------------------------------------------------------------------------------------------------

// Whether the real value of any element is (not) zero.
bool any_element(const Tensor& a, bool zero) {
  const Tensor x = converted(a.is_quantized() ? a.dequantize() : a, boolean);
  bool found = false;
  for_each(
      x.sizes(), [&found, zero](bool v) { found |= v != zero; }, read<bool>(x, x.sizes()));
  return found;
}

constexpr OpTraits constant{.differentiable = false};
constexpr OpTraits keeps_qparams{.shares_qparams = true};
constexpr OpTraits constant_with_qparams{.shares_qparams = true, .differentiable = false};

}  // namespace

std::int64_t count_nonzero(const Tensor& a) {
  const Tensor x = converted(a.is_quantized() ? a.dequantize() : a, boolean);
  std::int64_t count = 0;
  for_each(
      x.sizes(), [&count](bool v) { count += v; }, read<bool>(x, x.sizes()));
  return count;
}

namespace ops {

constinit const ReduceOp sum{{.name = "sum", .forward = sum_forward, .derivative = sum_derivative}};
constinit const ReduceOp mean{
    {.name = "mean", .forward = mean_forward, .derivative = mean_derivative}};
constinit const Op<Tensor(const Tensor&, const Shape&, std::int64_t, bool)> var{
    {.name = "var", .forward = var_forward, .derivative = var_derivative}};
constinit const Op<Tensor(const Tensor&, double, const Shape&, bool)> norm{
    {.name = "norm", .forward = norm_forward, .derivative = norm_derivative}};
constinit const Op<Tensor(const Tensor&)> max{
    {.name = "max",
     .forward = [](const Tensor& a) { return extremum_of_all("max", a, true); },
     .derivative = extremum_derivative,
     .traits = keeps_qparams}};
constinit const Op<Tensor(const Tensor&)> min{
    {.name = "min",
     .forward = [](const Tensor& a) { return extremum_of_all("min", a, false); },
     .derivative = extremum_derivative,
     .traits = keeps_qparams}};
constinit const Op<std::tuple<Tensor, Tensor>(const Tensor&, std::optional<std::int64_t>)> aminmax{
    {.name = "aminmax", .forward = aminmax_forward, .traits = constant_with_qparams}};
constinit const Op<Tensor(const Tensor&)> all{
    {.name = "all",
     .forward = [](const Tensor& a) { return full({}, !any_element(a, true), boolean); },
     .traits = constant}};
constinit const Op<Tensor(const Tensor&)> any{
    {.name = "any",
     .forward = [](const Tensor& a) { return full({}, any_element(a, false), boolean); },
     .traits = constant}};

}  // namespace ops

std::vector<const OpBase*> reduction_ops() {
  return {&ops::sum,    &ops::mean,    &ops::var,     &ops::norm,    &ops::max,
          &ops::min,    &ops::max_dim, &ops::min_dim, &ops::aminmax, &ops::argmax,
          &ops::argmin, &ops::all,     &ops::any,     &ops::topk,    &ops::sort};
}

Tensor sum(const Tensor& a, const Shape& dims, bool keepdim) {
  return ops::sum(a, dims, keepdim);
}
Tensor mean(const Tensor& a, const Shape& dims, bool keepdim) {
  return ops::mean(a, dims, keepdim);
}
Tensor var(const Tensor& a, const Shape& dims, std::int64_t correction, bool keepdim) {
  return ops::var(a, dims, correction, keepdim);
}
Tensor norm(const Tensor& a, double p, const Shape& dims, bool keepdim) {
  return ops::norm(a, p, dims, keepdim);
}
Tensor max(const Tensor& a) {
  return ops::max(a);
}
Tensor min(const Tensor& a) {
  return ops::min(a);
}
std::tuple<Tensor, Tensor> aminmax(const Tensor& a, std::optional<std::int64_t> channel) {
  return ops::aminmax(a, channel);
}
Tensor all(const Tensor& a) {
  return ops::all(a);
}
Tensor any(const Tensor& a) {
  return ops::any(a);
}

}  // namespace adze
