#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "quantization/ranges.h"

namespace adze::ao::quantization {

/// How many of `values` fall into each of `bins` equal bins over `range`; the last bin includes its
/// upper end, values outside are not counted. A range of one point is the middle of a wider one.
/// (range.max - range.min) * bins must be finite.
std::vector<float> count_values(std::span<const float> values, Range range, std::size_t bins);

/// `histogram`, counts of equal bins over `from`, as counts of as many bins over `to`, which
/// contains `from`.
std::vector<float> rebin(std::span<const float> histogram, Range from, Range to);

/// The range of whole bins of `histogram`, taken over `range`, that the search of HistogramObserver
/// ends with; `levels` is the number of integers that the range is to be divided into.
Range least_error_range(std::span<const float> histogram, Range range, double levels);

}  // namespace adze::ao::quantization
