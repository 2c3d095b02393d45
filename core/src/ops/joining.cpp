// The ops of adze/core/ops/shape.h that join, split and pick: cat, stack, split, chunk,
// index_select, gather, masked_select.

#include <cstring>
#include <numeric>

#include "adze/core/creation.h"
#include "adze/core/ops/elementwise.h"
#include "adze/core/ops/quantize.h"
#include "adze/core/ops/shape.h"
#include "adze/core/tensor_impl.h"

#include "../strided.h"
#include "view.h"

namespace adze {

namespace {

using autograd::BackwardContext;
using autograd::Gradients;
using detail::has_channels;

constexpr OpTraits moving_traits{.shape_only = true, .shares_qparams = true};

std::size_t wrap(std::int64_t dim, const Tensor& a, const char* where) {
  return static_cast<std::size_t>(wrap_dim(dim, a.sizes().size(), where));
}

// A gradient in the dtype of the argument that it belongs to, nothing for one that has none.
Value gradient_for(const Tensor& argument, const Tensor& grad) {
  if (!argument.is_floating_point()) return {};
  return to(grad, argument.dtype());
}

// ---- cat, stack ---------------------------------------------------------------------------------

// A vector without elements may stand among tensors of any shape, and adds nothing.
bool is_blank(const Tensor& t) {
  return t.dim() == 1 && t.numel() == 0;
}

bool channels_along(const Tensor& t, std::size_t dim) {
  return has_channels(t.quantizer()) && t.quantizer()->axis == static_cast<std::int64_t>(dim);
}

// The quantizer of the joined tensor: that of the first; along the channels, all channels.
QuantizerPtr joined_quantizer(const TensorList& tensors, const Tensor& first, std::size_t dim) {
  if (!channels_along(first, dim)) return first.quantizer();
  auto out = std::make_shared<Quantizer>(*first.quantizer());
  out->scales.clear();
  out->zero_points.clear();
  for (const Tensor& t : tensors) {
    if (is_blank(t)) continue;
    check(channels_along(t, dim) && t.qscheme() == first.qscheme(), "cat: along the channels of a ",
          "per-channel quantized tensor, all must be quantized so along axis ", dim);
    const Quantizer& q = *t.quantizer();
    out->scales.insert(out->scales.end(), q.scales.begin(), q.scales.end());
    out->zero_points.insert(out->zero_points.end(), q.zero_points.begin(), q.zero_points.end());
  }
  return out;
}

Tensor cat_forward(const TensorList& tensors, std::int64_t dim) {
  check(!tensors.empty(), "cat: at least one tensor expected, got none");
  Tensor first = tensors[0];
  for (const Tensor& t : tensors) {
    if (!is_blank(t)) {
      first = t;
      break;
    }
  }
  const std::size_t d = wrap(dim, first, "cat");
  Shape sizes = first.sizes();
  sizes[d] = 0;
  DType dtype = first.dtype();
  for (const Tensor& t : tensors) {
    check(t.is_quantized() == first.is_quantized() &&
              (!t.is_quantized() || t.dtype() == first.dtype()),
          "cat: quantized tensors are joined with others of their dtype only, got ", first.dtype(),
          " and ", t.dtype());
    if (!t.is_quantized()) dtype = promote_types(dtype, t.dtype());
    if (is_blank(t)) continue;
    Shape other = t.sizes();
    if (other.size() == sizes.size()) other[d] = sizes[d];
    check(other == sizes, "cat: shapes may differ in dimension ", d, " only, got ", first.sizes(),
          " and ", t.sizes());
    sizes[d] += t.sizes()[d];
  }
  const Tensor out = make_tensor(sizes, dtype, joined_quantizer(tensors, first, d));
  std::int64_t at = 0;
  for (const Tensor& t : tensors) {
    if (is_blank(t)) continue;
    const Tensor part = slice(out, static_cast<std::int64_t>(d), at, at + t.sizes()[d]);
    at += t.sizes()[d];
    const bool same_grid = !t.is_quantized() || *t.quantizer() == *part.quantizer();
    NoGrad guard;
    if (same_grid) {
      detail::copy_elements(part, t);
    } else {
      part.copy_(dequantize(t));
    }
  }
  return out;
}

Gradients cat_backward(const BackwardContext& ctx) {
  const TensorList tensors = ctx.args[0].to_tensor_list();
  const std::int64_t dim = wrap_dim(ctx.args[1].to_int(), ctx.grad().sizes().size(), "cat");
  Value::List grads;
  std::int64_t at = 0;
  for (const Tensor& t : tensors) {
    if (is_blank(t)) {
      grads.push_back(gradient_for(t, zeros_like(t)));
      continue;
    }
    const std::int64_t end = at + t.size(dim);
    grads.push_back(gradient_for(t, slice(ctx.grad(), dim, at, end)));
    at = end;
  }
  return {Value(std::move(grads))};
}

Tensor stack_forward(const TensorList& tensors, std::int64_t dim) {
  check(!tensors.empty(), "stack: at least one tensor expected, got none");
  const Shape& sizes = tensors[0].sizes();
  const std::int64_t d = wrap_dim(dim, sizes.size() + 1, "stack");
  TensorList rows;
  for (const Tensor& t : tensors) {
    check(t.sizes() == sizes, "stack: equal shapes expected, got ", sizes, " and ", t.sizes());
    rows.push_back(unsqueeze(t, d));
  }
  return cat_forward(rows, d);
}

Gradients stack_backward(const BackwardContext& ctx) {
  const TensorList tensors = ctx.args[0].to_tensor_list();
  Value::List grads;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    grads.push_back(gradient_for(
        tensors[i], select(ctx.grad(), ctx.args[1].to_int(), static_cast<std::int64_t>(i))));
  return {Value(std::move(grads))};
}

// ---- split, chunk -------------------------------------------------------------------------------

TensorList split_at(const Tensor& a, const std::vector<std::int64_t>& sections, std::size_t dim) {
  TensorList parts;
  std::int64_t at = 0;
  for (std::int64_t size : sections) {
    parts.push_back(slice(a, static_cast<std::int64_t>(dim), at, at + size));
    at += size;
  }
  return parts;
}

TensorList split_forward(const Tensor& a, const Shape& sections, std::int64_t dim) {
  const std::size_t d = wrap(dim, a, "split");
  const std::vector<std::int64_t> sizes(sections.begin(), sections.end());
  for (std::int64_t size : sizes)
    check(size >= 0, "split: sections must not be negative, got ", sections);
  const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  check(total == a.sizes()[d], "split: the sections ", sections, " must sum to ", a.sizes()[d],
        ", the size of dimension ", d, " of shape ", a.sizes(), ", got ", total);
  return split_at(a, sizes, d);
}

TensorList chunk_forward(const Tensor& a, std::int64_t chunks, std::int64_t dim) {
  const std::size_t d = wrap(dim, a, "chunk");
  check(chunks > 0, "chunk: the number of chunks must be > 0, got ", chunks);
  const std::int64_t size = a.sizes()[d];
  if (size == 0) return split_at(a, std::vector<std::int64_t>(static_cast<std::size_t>(chunks)), d);
  const std::int64_t each = (size - 1) / chunks + 1;
  std::vector<std::int64_t> sections(static_cast<std::size_t>(size / each), each);
  if (size % each != 0) sections.push_back(size % each);
  return split_at(a, sections, d);
}

Gradients split_backward(const BackwardContext& ctx) {
  return {cat(ctx.grads, ctx.args[2].to_int())};
}

// ---- index_select -------------------------------------------------------------------------------

// The indices as row numbers that lie in dimension `d` of `a`.
std::vector<std::int64_t> row_numbers(const Tensor& a, std::size_t d, const Tensor& index) {
  check(index.dim() == 1 && is_integral(index.dtype()),
        "index_select: the index must be an integer vector, got dtype ", index.dtype(),
        " and shape ", index.sizes());
  std::vector<std::int64_t> rows = index.to_vector<std::int64_t>();
  for (std::int64_t row : rows)
    check(row >= 0 && row < a.sizes()[d], "index_select: index ", row,
          " is out of range for dimension ", d, " of shape ", a.sizes());
  return rows;
}

struct Blocks {
  std::int64_t outer, inner;
};
Blocks blocks_around(const Shape& sizes, std::size_t d) {
  Blocks b{1, 1};
  for (std::size_t i = 0; i < sizes.size(); ++i)
    if (i != d) (i < d ? b.outer : b.inner) *= sizes[i];
  return b;
}

Tensor index_select_forward(const Tensor& a, std::int64_t dim, const Tensor& index) {
  const std::size_t d = wrap(dim, a, "index_select");
  const std::vector<std::int64_t> rows = row_numbers(a, d, index);
  Shape sizes = a.sizes();
  sizes[d] = static_cast<std::int64_t>(rows.size());
  QuantizerPtr quantizer = a.quantizer();
  if (channels_along(a, d)) quantizer = detail::pick_channels(quantizer, rows);
  const Tensor out = make_tensor(sizes, a.dtype(), quantizer);
  if (out.numel() == 0) return out;
  const Tensor source = contiguous(a);
  const Blocks b = blocks_around(sizes, d);
  const std::size_t bytes = static_cast<std::size_t>(b.inner) * item_size(a.dtype());
  const auto* from = static_cast<const std::byte*>(source.raw_data());
  auto* to = static_cast<std::byte*>(out.mutable_raw_data());
  for (std::int64_t o = 0; o < b.outer; ++o) {
    for (std::int64_t row : rows) {
      std::memcpy(to, from + static_cast<std::size_t>(row) * bytes, bytes);
      to += bytes;
    }
    from += static_cast<std::size_t>(a.sizes()[d]) * bytes;
  }
  return out;
}

Gradients index_select_backward(const BackwardContext& ctx) {
  const Tensor a = ctx.tensor(0), out = zeros_like(a), grad = contiguous(ctx.grad());
  const std::size_t d = wrap(ctx.args[1].to_int(), a, "index_select");
  const std::vector<std::int64_t> rows = row_numbers(a, d, ctx.tensor(2));
  const Blocks b = blocks_around(a.sizes(), d);
  detail::visit_floating(a.dtype(), "index_select", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = detail::compute_t<T>;
    T* to = out.mutable_data<T>();
    const T* from = grad.data<T>();
    for (std::int64_t o = 0; o < b.outer; ++o) {
      for (std::int64_t row : rows) {
        T* sum = to + (o * a.sizes()[d] + row) * b.inner;
        for (std::int64_t i = 0; i < b.inner; ++i, ++from)
          sum[i] = static_cast<T>(static_cast<C>(sum[i]) + static_cast<C>(*from));
      }
    }
  });
  return {out};
}

// ---- gather -------------------------------------------------------------------------------------

void check_gather(const Tensor& a, std::size_t d, const Tensor& index) {
  check(index.dtype() == DType::int64 && index.dim() == a.dim(),
        "gather: the index must be int64 with ", a.dim(), " dimensions, got dtype ", index.dtype(),
        " and shape ", index.sizes());
  for (std::size_t i = 0; i < a.sizes().size(); ++i)
    check(i == d || index.sizes()[i] <= a.sizes()[i], "gather: outside of dimension ", d,
          " the index must not be larger than the tensor, got ", index.sizes(), " for ", a.sizes());
  const std::int64_t size = a.sizes()[d];
  detail::for_each(
      index.sizes(),
      [&](const std::int64_t& i) {
        check(i >= 0 && i < size, "gather: index ", i, " is out of range for dimension ", d,
              " of shape ", a.sizes());
      },
      detail::read<std::int64_t>(index, index.sizes()));
}

QuantizerPtr gather_quantizer(const Tensor& a, std::size_t d, const Shape& sizes) {
  const QuantizerPtr& q = a.quantizer();
  if (!has_channels(q)) return q;
  check(!channels_along(a, d), "gather: elements of different channels (axis ", d,
        ") have different qparams; dequantize() first");
  std::vector<std::int64_t> channels(
      static_cast<std::size_t>(sizes[static_cast<std::size_t>(q->axis)]));
  std::iota(channels.begin(), channels.end(), std::int64_t{0});
  return detail::pick_channels(q, channels);
}

Tensor gather_forward(const Tensor& a, std::int64_t dim, const Tensor& index) {
  const std::size_t d = wrap(dim, a, "gather");
  check_gather(a, d, index);
  const Shape& sizes = index.sizes();
  const Tensor out = make_tensor(sizes, a.dtype(), gather_quantizer(a, d, sizes));
  detail::visit_width(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    detail::for_each_line(
        sizes, d,
        [n = sizes[d]](auto to, auto at, auto from) {
          for (std::int64_t i = 0; i < n; ++i) to[i] = from[at[i]];
        },
        detail::write_bits<T>(out), detail::read<std::int64_t>(index, sizes),
        detail::Strided<const T>{static_cast<const T*>(a.raw_data()), a.strides()});
  });
  return out;
}

Gradients gather_backward(const BackwardContext& ctx) {
  const Tensor a = ctx.tensor(0), index = ctx.tensor(2), out = zeros_like(a);
  const std::size_t d = wrap(ctx.args[1].to_int(), a, "gather");
  const Shape& sizes = index.sizes();
  detail::visit_floating(a.dtype(), "gather", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = detail::compute_t<T>;
    detail::for_each_line(
        sizes, d,
        [n = sizes[d]](auto to, auto at, auto from) {
          for (std::int64_t i = 0; i < n; ++i)
            to[at[i]] = static_cast<T>(static_cast<C>(to[at[i]]) + static_cast<C>(from[i]));
        },
        detail::write<T>(out), detail::read<std::int64_t>(index, sizes),
        detail::read<T>(ctx.grad(), sizes));
  });
  return {out};
}

// ---- masked_select ------------------------------------------------------------------------------

Tensor masked_select_forward(const Tensor& a, const Tensor& mask) {
  check(mask.dtype() == DType::boolean && mask.sizes() == a.sizes(),
        "masked_select: a boolean mask of shape ", a.sizes(), " expected, got dtype ", mask.dtype(),
        " and shape ", mask.sizes());
  check(!has_channels(a.quantizer()), "masked_select: elements of a per-channel quantized tensor ",
        "have different qparams; dequantize() first");
  const Shape& sizes = a.sizes();
  std::int64_t count = 0;
  detail::for_each(
      sizes, [&](const bool& keep) { count += keep; }, detail::read<bool>(mask, sizes));
  const Tensor out = make_tensor({count}, a.dtype(), a.quantizer());
  detail::visit_width(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = static_cast<T*>(out.mutable_raw_data());
    detail::for_each(
        sizes,
        [&](const bool& keep, const T& from) {
          if (keep) *to++ = from;
        },
        detail::read<bool>(mask, sizes), detail::read_bits<T>(a, sizes));
  });
  return out;
}

Gradients masked_select_backward(const BackwardContext& ctx) {
  const Tensor out = zeros_like(ctx.tensor(0)), mask = ctx.tensor(1);
  const Tensor grad = contiguous(ctx.grad());
  detail::visit_width(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = static_cast<const T*>(grad.raw_data());
    detail::for_each(
        out.sizes(),
        [&](const bool& keep, T& to) {
          if (keep) to = *from++;
        },
        detail::read<bool>(mask, out.sizes()), detail::write_bits<T>(out));
  });
  return {out};
}

}  // namespace

namespace ops {
constinit const Op<Tensor(const TensorList&, std::int64_t)> cat{
    {.name = "cat", .forward = cat_forward, .derivative = cat_backward, .traits = moving_traits}};
constinit const Op<Tensor(const TensorList&, std::int64_t)> stack{{.name = "stack",
                                                                   .forward = stack_forward,
                                                                   .derivative = stack_backward,
                                                                   .traits = moving_traits}};
constinit const Op<TensorList(const Tensor&, const Shape&, std::int64_t)> split{
    {.name = "split",
     .forward = split_forward,
     .derivative = split_backward,
     .traits = moving_traits,
     .count = [](std::span<const Value> args) {
       return args.size() > 1 ? args[1].to_shape().size() : std::size_t{0};
     }}};
constinit const Op<TensorList(const Tensor&, std::int64_t, std::int64_t)> chunk{
    {.name = "chunk",
     .forward = chunk_forward,
     .derivative = split_backward,
     .traits = moving_traits}};
constinit const Op<Tensor(const Tensor&, std::int64_t, const Tensor&)> index_select{
    {.name = "index_select",
     .forward = index_select_forward,
     .derivative = index_select_backward,
     .traits = moving_traits}};
constinit const Op<Tensor(const Tensor&, std::int64_t, const Tensor&)> gather{
    {.name = "gather",
     .forward = gather_forward,
     .derivative = gather_backward,
     .traits = moving_traits}};
constinit const Op<Tensor(const Tensor&, const Tensor&)> masked_select{
    {.name = "masked_select",
     .forward = masked_select_forward,
     .derivative = masked_select_backward,
     .traits = moving_traits}};
}  // namespace ops

Tensor cat(const TensorList& tensors, std::int64_t dim) {
  return ops::cat(tensors, dim);
}
Tensor stack(const TensorList& tensors, std::int64_t dim) {
  return ops::stack(tensors, dim);
}
TensorList split(const Tensor& a, const Shape& sections, std::int64_t dim) {
  return ops::split(a, sections, dim);
}
TensorList chunk(const Tensor& a, std::int64_t chunks, std::int64_t dim) {
  return ops::chunk(a, chunks, dim);
}
Tensor index_select(const Tensor& a, std::int64_t dim, const Tensor& index) {
  return ops::index_select(a, dim, index);
}
Tensor gather(const Tensor& a, std::int64_t dim, const Tensor& index) {
  return ops::gather(a, dim, index);
}
Tensor masked_select(const Tensor& a, const Tensor& mask) {
  return ops::masked_select(a, mask);
}

}  // namespace adze
