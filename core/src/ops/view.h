#pragma once

#include <optional>

#include "adze/core/quantizer.h"
#include "adze/core/tensor.h"

// What views do to shapes, strides and quantizers.
namespace adze::detail {

/// `shape` with its -1 filled in, checked against the number of elements of `a`; `where` starts
/// the error.
Shape resolve_shape(const Tensor& a, const Shape& shape, const char* where);

/// Strides that show a tensor of `sizes` and `strides` as `shape` (of as many elements), or nothing
/// when the elements would have to be copied.
std::optional<Shape> view_strides(const Shape& sizes, const Shape& strides, const Shape& shape);

/// True for a quantizer with one scale per channel; false for null.
bool has_channels(const QuantizerPtr& q);
/// `q` with its channels along another axis.
QuantizerPtr move_axis(const QuantizerPtr& q, std::int64_t axis);
/// `q` with the channels channels[0], channels[1], ... only.
QuantizerPtr pick_channels(const QuantizerPtr& q, const std::vector<std::int64_t>& channels);
/// The per-tensor quantizer of one channel. Throws for float zero points, which only rows have.
QuantizerPtr one_channel(const QuantizerPtr& q, std::int64_t channel, const char* where);

}  // namespace adze::detail
