#include "adze/core/ops/shape.h"

#include <numeric>

#include "adze/core/creation.h"
#include "adze/core/tensor_impl.h"

#include "../strided.h"
#include "families.h"
#include "view.h"

namespace adze {

namespace {

using autograd::BackwardContext;
using autograd::Gradients;
using detail::has_channels;

constexpr OpTraits view_traits{.shape_only = true, .shares_qparams = true};

std::size_t wrap(std::int64_t dim, const Tensor& a, const char* where) {
  return static_cast<std::size_t>(wrap_dim(dim, a.sizes().size(), where));
}

std::int64_t product(const Shape& sizes, std::size_t begin, std::size_t end) {
  return std::accumulate(sizes.begin() + begin, sizes.begin() + end, std::int64_t{1},
                         std::multiplies<>());
}

// The gradient in the shape of the argument: the derivative of all ops that only regroup elements.
Gradients regroup_backward(const BackwardContext& ctx) {
  return {reshape(ctx.grad(), ctx.tensor(0).sizes())};
}

Gradients pass_backward(const BackwardContext& ctx) {
  return {ctx.grad()};
}

// ---- reshape ------------------------------------------------------------------------------------

// Where the channels of `a` lie after a reshape: as many elements must come before them.
QuantizerPtr reshape_quantizer(const Tensor& a, const Shape& shape) {
  const QuantizerPtr& q = a.quantizer();
  if (!has_channels(q)) return q;
  const auto axis = static_cast<std::size_t>(q->axis);
  const std::int64_t before = product(a.sizes(), 0, axis);
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (shape[d] == a.sizes()[axis] && product(shape, 0, d) == before)
      return detail::move_axis(q, static_cast<std::int64_t>(d));
  fail("reshape: the tensor of shape ", a.sizes(), " is quantized per channel along axis ", axis,
       ", which shape ", shape, " does not keep; dequantize() it first");
}

Tensor contiguous_copy(const Tensor& a) {
  Tensor out = make_tensor(a.sizes(), a.dtype(), a.quantizer());
  detail::copy_elements(out, a);
  return out;
}

Tensor reshape_forward(const Tensor& a, const Shape& wanted) {
  const Shape shape = detail::resolve_shape(a, wanted, "reshape");
  const QuantizerPtr quantizer = reshape_quantizer(a, shape);
  if (a.is_contiguous())
    return make_view(a, shape, contiguous_strides(shape), a.storage_offset(), quantizer);
  if (const auto strides = detail::view_strides(a.sizes(), a.strides(), shape))
    return make_view(a, shape, *strides, a.storage_offset(), quantizer);
  return make_view(contiguous_copy(a), shape, contiguous_strides(shape), 0, quantizer);
}

Tensor flatten_forward(const Tensor& a, std::int64_t start_dim, std::int64_t end_dim) {
  if (a.dim() == 0) return reshape_forward(a, {1});
  const std::size_t first = wrap(start_dim, a, "flatten"), last = wrap(end_dim, a, "flatten");
  check(first <= last, "flatten: the first dimension must not come after the last, got ", start_dim,
        " and ", end_dim, " for shape ", a.sizes());
  Shape shape;
  for (std::size_t d = 0; d < first; ++d) shape.push_back(a.sizes()[d]);
  shape.push_back(product(a.sizes(), first, last + 1));
  for (std::size_t d = last + 1; d < a.sizes().size(); ++d) shape.push_back(a.sizes()[d]);
  return reshape_forward(a, shape);
}

// ---- permute, transpose -------------------------------------------------------------------------

Tensor permute_forward(const Tensor& a, const Shape& dims) {
  check(dims.size() == a.sizes().size(), "permute: ", a.dim(), " dimensions expected for shape ",
        a.sizes(), ", got ", dims);
  Shape sizes = a.sizes(), strides = a.strides();
  QuantizerPtr quantizer = a.quantizer();
  std::array<bool, max_dims> seen{};
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::size_t from = wrap(dims[i], a, "permute");
    check(!seen[from], "permute: each dimension once expected, got ", dims);
    seen[from] = true;
    sizes[i] = a.sizes()[from];
    strides[i] = a.strides()[from];
    if (has_channels(a.quantizer()) && a.quantizer()->axis == static_cast<std::int64_t>(from))
      quantizer = detail::move_axis(a.quantizer(), static_cast<std::int64_t>(i));
  }
  return make_view(a, sizes, strides, a.storage_offset(), quantizer);
}

Gradients permute_backward(const BackwardContext& ctx) {
  const Shape dims = ctx.args[1].to_shape();
  Shape inverse = dims;
  for (std::size_t i = 0; i < dims.size(); ++i)
    inverse[wrap(dims[i], ctx.grad(), "permute")] = static_cast<std::int64_t>(i);
  return {permute(ctx.grad(), inverse)};
}

Tensor transpose_forward(const Tensor& a, std::int64_t dim0, std::int64_t dim1) {
  Shape dims(a.sizes().size(), 0);
  std::iota(dims.begin(), dims.end(), std::int64_t{0});
  std::swap(dims[wrap(dim0, a, "transpose")], dims[wrap(dim1, a, "transpose")]);
  return permute_forward(a, dims);
}

Gradients transpose_backward(const BackwardContext& ctx) {
  return {transpose(ctx.grad(), ctx.args[1].to_int(), ctx.args[2].to_int())};
}

// ---- expand, squeeze, unsqueeze -----------------------------------------------------------------

Tensor expand_forward(const Tensor& a, const Shape& shape) {
  const Shape& from = a.sizes();
  check(shape.size() >= from.size(), "expand: shape ", shape, " has fewer dimensions than ", from);
  const std::size_t lead = shape.size() - from.size();
  Shape sizes = shape;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (i < lead) {
      check(shape[i] >= 0, "expand: new dimensions need a size, got ", shape, " for ", from);
      continue;
    }
    if (shape[i] == -1) sizes[i] = from[i - lead];
    check(sizes[i] == from[i - lead] || (from[i - lead] == 1 && sizes[i] >= 0), "expand: shape ",
          from, " does not expand to ", shape, ": size ", from[i - lead], " is neither 1 nor ",
          sizes[i]);
  }
  QuantizerPtr quantizer = a.quantizer();
  if (has_channels(quantizer)) {
    const std::size_t axis = lead + static_cast<std::size_t>(quantizer->axis);
    const auto channels = static_cast<std::int64_t>(quantizer->scales.size());
    if (sizes[axis] != channels)
      quantizer = detail::pick_channels(
          quantizer, std::vector<std::int64_t>(static_cast<std::size_t>(sizes[axis]), 0));
    quantizer = detail::move_axis(quantizer, static_cast<std::int64_t>(axis));
  }
  return make_view(a, sizes, detail::broadcast_strides(from, a.strides(), sizes),
                   a.storage_offset(), quantizer);
}

Gradients expand_backward(const BackwardContext& ctx) {
  return {autograd::sum_to(ctx.grad(), ctx.tensor(0).sizes())};
}

Tensor squeeze_forward(const Tensor& a, std::optional<std::int64_t> dim) {
  Shape sizes, strides;
  QuantizerPtr quantizer = a.quantizer();
  const std::size_t only = dim ? wrap(*dim, a, "squeeze") : max_dims;  // max_dims: all of size 1
  for (std::size_t d = 0; d < a.sizes().size(); ++d) {
    const bool is_axis =
        has_channels(a.quantizer()) && a.quantizer()->axis == static_cast<std::int64_t>(d);
    if (a.sizes()[d] == 1 && (only == max_dims || only == d)) {
      if (is_axis) quantizer = detail::one_channel(a.quantizer(), 0, "squeeze");
      continue;
    }
    if (is_axis) quantizer = detail::move_axis(quantizer, static_cast<std::int64_t>(sizes.size()));
    sizes.push_back(a.sizes()[d]);
    strides.push_back(a.strides()[d]);
  }
  return make_view(a, sizes, strides, a.storage_offset(), quantizer);
}

Tensor unsqueeze_forward(const Tensor& a, std::int64_t dim) {
  const auto at = static_cast<std::size_t>(wrap_dim(dim, a.sizes().size() + 1, "unsqueeze"));
  Shape sizes = a.sizes(), strides = a.strides();
  const std::int64_t stride = at < sizes.size() ? sizes[at] * strides[at] : 1;
  sizes.insert(at, 1);
  strides.insert(at, stride);
  QuantizerPtr quantizer = a.quantizer();
  if (has_channels(quantizer) && quantizer->axis >= static_cast<std::int64_t>(at))
    quantizer = detail::move_axis(quantizer, quantizer->axis + 1);
  return make_view(a, sizes, strides, a.storage_offset(), quantizer);
}

// ---- select, slice ------------------------------------------------------------------------------

Tensor select_forward(const Tensor& a, std::int64_t dim, std::int64_t index) {
  const std::size_t d = wrap(dim, a, "select");
  const std::int64_t size = a.sizes()[d];
  check(index >= -size && index < size, "select: index ", index, " is out of range for dimension ",
        d, " of shape ", a.sizes());
  const std::int64_t i = index < 0 ? index + size : index;
  QuantizerPtr quantizer = a.quantizer();
  if (has_channels(quantizer)) {
    const std::int64_t axis = quantizer->axis, at = static_cast<std::int64_t>(d);
    if (axis == at) {
      quantizer = detail::one_channel(quantizer, i, "select");
    } else if (axis > at) {
      quantizer = detail::move_axis(quantizer, axis - 1);
    }
  }
  Shape sizes = a.sizes(), strides = a.strides();
  sizes.erase(d);
  strides.erase(d);
  return make_view(a, sizes, strides, a.storage_offset() + i * a.strides()[d], quantizer);
}

Gradients select_backward(const BackwardContext& ctx) {
  const Tensor out = zeros_like(ctx.tensor(0));
  select(out, ctx.args[1].to_int(), ctx.args[2].to_int()).copy_(ctx.grad());
  return {out};
}

Tensor slice_forward(const Tensor& a, std::int64_t dim, std::optional<std::int64_t> start,
                     std::optional<std::int64_t> end, std::int64_t step) {
  const std::size_t d = wrap(dim, a, "slice");
  check(step > 0, "slice: the step must be > 0, got ", step);
  const std::int64_t size = a.sizes()[d];
  const auto clamped = [size](std::int64_t i) {
    return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size);
  };
  const std::int64_t first = clamped(start.value_or(0));
  const std::int64_t last = std::max(clamped(end.value_or(size)), first);
  const std::int64_t count = (last - first) / step + ((last - first) % step != 0);
  QuantizerPtr quantizer = a.quantizer();
  if (has_channels(quantizer) && quantizer->axis == static_cast<std::int64_t>(d) && count != size) {
    std::vector<std::int64_t> channels(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < channels.size(); ++i)
      channels[i] = first + static_cast<std::int64_t>(i) * step;
    quantizer = detail::pick_channels(quantizer, channels);
  }
  Shape sizes = a.sizes(), strides = a.strides();
  sizes[d] = count;
  if (count > 1) strides[d] *= step;
  return make_view(a, sizes, strides, a.storage_offset() + first * a.strides()[d], quantizer);
}

Gradients slice_backward(const BackwardContext& ctx) {
  const Tensor out = zeros_like(ctx.tensor(0));
  slice_forward(out, ctx.args[1].to_int(), ctx.args[2].as<std::optional<std::int64_t>>(),
                ctx.args[3].as<std::optional<std::int64_t>>(), ctx.args[4].to_int())
      .copy_(ctx.grad());
  return {out};
}

// ---- contiguous, detach -------------------------------------------------------------------------

Tensor contiguous_forward(const Tensor& a) {
  return a.is_contiguous() ? a : contiguous_copy(a);
}

Tensor detach_forward(const Tensor& a) {
  return make_view(a, a.sizes(), a.strides(), a.storage_offset());
}

}  // namespace

namespace ops {
constinit const Op<Tensor(const Tensor&, const Shape&)> reshape{{.name = "reshape",
                                                                 .forward = reshape_forward,
                                                                 .derivative = regroup_backward,
                                                                 .traits = view_traits}};
constinit const Op<Tensor(const Tensor&, std::int64_t, std::int64_t)> flatten{
    {.name = "flatten",
     .forward = flatten_forward,
     .derivative = regroup_backward,
     .traits = view_traits}};
constinit const Op<Tensor(const Tensor&, const Shape&)> permute{{.name = "permute",
                                                                 .forward = permute_forward,
                                                                 .derivative = permute_backward,
                                                                 .traits = view_traits}};
constinit const Op<Tensor(const Tensor&, std::int64_t, std::int64_t)> transpose{
    {.name = "transpose",
     .forward = transpose_forward,
     .derivative = transpose_backward,
     .traits = view_traits}};
constinit const Op<Tensor(const Tensor&, const Shape&)> expand{{.name = "expand",
                                                                .forward = expand_forward,
                                                                .derivative = expand_backward,
                                                                .traits = view_traits}};
constinit const Op<Tensor(const Tensor&, std::optional<std::int64_t>)> squeeze{
    {.name = "squeeze",
     .forward = squeeze_forward,
     .derivative = regroup_backward,
     .traits = view_traits}};
constinit const Op<Tensor(const Tensor&, std::int64_t)> unsqueeze{{.name = "unsqueeze",
                                                                   .forward = unsqueeze_forward,
                                                                   .derivative = regroup_backward,
                                                                   .traits = view_traits}};
constinit const Op<Tensor(const Tensor&, std::int64_t, std::int64_t)> select{
    {.name = "select",
     .forward = select_forward,
     .derivative = select_backward,
     .traits = view_traits}};
constinit const Op<Tensor(const Tensor&, std::int64_t, std::optional<std::int64_t>,
                          std::optional<std::int64_t>, std::int64_t)>
    slice{{.name = "slice",
           .forward = slice_forward,
           .derivative = slice_backward,
           .traits = view_traits}};
constinit const Op<Tensor(const Tensor&)> contiguous{{.name = "contiguous",
                                                      .forward = contiguous_forward,
                                                      .derivative = pass_backward,
                                                      .traits = view_traits}};
constinit const Op<Tensor(const Tensor&)> detach{
    {.name = "detach",
     .forward = detach_forward,
     .traits = {.shape_only = true, .shares_qparams = true, .differentiable = false}}};
constinit const Op<std::int64_t(const Tensor&, std::int64_t)> size{
    {.name = "size",
     .forward = [](const Tensor& a, std::int64_t dim) { return a.size(dim); },
     .traits = {.shape_only = true, .differentiable = false}}};
constinit const Op<Value(const Value::List&, std::int64_t)> getitem{
    {.name = "getitem",
     .forward =
         [](const Value::List& list, std::int64_t i) {
           const auto n = static_cast<std::int64_t>(list.size());
           check(i >= -n && i < n, "getitem: there is no element ", i, ", the list has ", n);
           return list[static_cast<std::size_t>(i < 0 ? i + n : i)];
         },
     .traits = {.shape_only = true, .shares_qparams = true, .differentiable = false}}};
}  // namespace ops

std::vector<const OpBase*> shape_ops() {
  return {&ops::reshape, &ops::flatten,       &ops::permute,   &ops::transpose,
          &ops::expand,  &ops::squeeze,       &ops::unsqueeze, &ops::select,
          &ops::slice,   &ops::contiguous,    &ops::detach,    &ops::cat,
          &ops::stack,   &ops::split,         &ops::chunk,     &ops::index_select,
          &ops::gather,  &ops::masked_select, &ops::size,      &ops::getitem};
}

Tensor reshape(const Tensor& a, const Shape& shape) {
  return ops::reshape(a, shape);
}
Tensor flatten(const Tensor& a, std::int64_t start_dim, std::int64_t end_dim) {
  return ops::flatten(a, start_dim, end_dim);
}
Tensor permute(const Tensor& a, const Shape& dims) {
  return ops::permute(a, dims);
}
Tensor transpose(const Tensor& a, std::int64_t dim0, std::int64_t dim1) {
  return ops::transpose(a, dim0, dim1);
}
Tensor expand(const Tensor& a, const Shape& shape) {
  return ops::expand(a, shape);
}
Tensor squeeze(const Tensor& a, std::optional<std::int64_t> dim) {
  return ops::squeeze(a, dim);
}
Tensor unsqueeze(const Tensor& a, std::int64_t dim) {
  return ops::unsqueeze(a, dim);
}
Tensor select(const Tensor& a, std::int64_t dim, std::int64_t index) {
  return ops::select(a, dim, index);
}
Tensor slice(const Tensor& a, std::int64_t dim, std::optional<std::int64_t> start,
             std::optional<std::int64_t> end, std::int64_t step) {
  return ops::slice(a, dim, start, end, step);
}
Tensor contiguous(const Tensor& a) {
  return ops::contiguous(a);
}
Tensor detach(const Tensor& a) {
  return ops::detach(a);
}

}  // namespace adze
