#pragma once

#include <limits>
#include <string_view>

#include "adze/core/tensor.h"
#include "adze/nn/handles.h"

namespace adze::ao::quantization {

/// Smallest and largest value; min > max stands for "none".
struct Range {
  float min, max;
  bool empty() const { return !(min <= max); }
};
inline constexpr Range no_range{std::numeric_limits<float>::infinity(),
                                -std::numeric_limits<float>::infinity()};

/// The elements of `x` (float32) that are finite, flat, or `x` itself when all are. Warns in the
/// name of `where` when some are not.
Tensor finite_elements(std::string_view where, const Tensor& x);
/// Range of the elements of `x`, which has some.
Range range_of(const Tensor& x);

/// Value of a buffer with one element.
float scalar(const adze::nn::Buffer& buffer);
/// Makes `value` the content of a buffer; shape and dtype follow.
void store(const adze::nn::Buffer& buffer, const Tensor& value);
void store(const adze::nn::Buffer& buffer, float value);

}  // namespace adze::ao::quantization
