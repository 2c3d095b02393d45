#include "view.h"

namespace adze::detail {

Shape resolve_shape(const Tensor& a, const Shape& shape, const char* where) {
  Shape out = shape;
  std::optional<std::size_t> open;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == -1) {
      check(!open, where, ": at most one size may be -1, got ", shape);
      open = i;
      out[i] = 1;
    }
    check(out[i] >= 0, where, ": sizes must be -1 or not negative, got ", shape);
  }
  const std::int64_t have = a.numel(), rest = numel(out);
  if (open) {
    check(rest > 0 && have % rest == 0, where, ": the -1 in ", shape,
          " cannot be chosen for shape ", a.sizes(), " of ", have, " elements");
    out[*open] = have / rest;
  } else {
    check(rest == have, where, ": shape ", shape, " has ", rest, " elements, shape ", a.sizes(),
          " has ", have);
  }
  return out;
}

std::optional<Shape> view_strides(const Shape& sizes, const Shape& strides, const Shape& shape) {
  if (sizes == shape) return strides;
  Shape out = contiguous_strides(shape);
  if (numel(sizes) == 0) return out;
  // Each run of evenly spaced elements must be made up of whole new dimensions.
  std::size_t n = shape.size();
  for (std::size_t d = sizes.size(); d > 0;) {
    --d;
    std::int64_t step = strides[d], left = sizes[d];
    if (left == 1) continue;
    for (; d > 0 && (sizes[d - 1] == 1 || strides[d - 1] == step * left); --d) left *= sizes[d - 1];
    while (left > 1) {
      const std::int64_t size = shape[--n];
      if (left % size != 0) return std::nullopt;
      out[n] = step;
      step *= size;
      left /= size;
    }
  }
  return out;
}

bool has_channels(const QuantizerPtr& q) {
  return q && is_per_channel(q->scheme);
}

QuantizerPtr move_axis(const QuantizerPtr& q, std::int64_t axis) {
  if (q->axis == axis) return q;
  auto out = std::make_shared<Quantizer>(*q);
  out->axis = axis;
  return out;
}

QuantizerPtr pick_channels(const QuantizerPtr& q, const std::vector<std::int64_t>& channels) {
  auto out = std::make_shared<Quantizer>();
  out->scheme = q->scheme;
  out->axis = q->axis;
  for (std::int64_t c : channels) {
    out->scales.push_back(q->scales[static_cast<std::size_t>(c)]);
    out->zero_points.push_back(q->zero_points[static_cast<std::size_t>(c)]);
  }
  return out;
}

QuantizerPtr one_channel(const QuantizerPtr& q, std::int64_t channel, const char* where) {
  check(q->scheme != QScheme::per_channel_affine_float_qparams, where,
        ": a channel with a float zero point is no per-tensor quantized tensor; keep the channel ",
        "dimension (slice), or dequantize() first");
  auto out = std::make_shared<Quantizer>();
  out->scales = {q->scales[static_cast<std::size_t>(channel)]};
  out->zero_points = {q->zero_points[static_cast<std::size_t>(channel)]};
  return out;
}

}  // namespace adze::detail
