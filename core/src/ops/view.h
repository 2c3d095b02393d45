#pragma once

#include <optional>

#include "adze/core/tensor.h"

namespace adze::detail {

/// `shape` with its -1 filled in, checked against the number of elements of `a`; `where` starts
/// the error.
Shape resolve_shape(const Tensor& a, const Shape& shape, const char* where);

/// Strides that show a tensor of `sizes` and `strides` as `shape` (of as many elements), or nothing
/// when the elements would have to be copied.
std::optional<Shape> view_strides(const Shape& sizes, const Shape& strides, const Shape& shape);

}  // namespace adze::detail
