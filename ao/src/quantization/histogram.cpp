#include "quantization/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "adze/kernels/quantize.h"

namespace adze::ao::quantization {
namespace {

// Into how many parts a bin is cut before its parts are given to other bins.
constexpr std::size_t upsample_rate = 16;

// Point i of `count` equally spaced points over `range`, both ends exact. Float arithmetic from the
// nearer end, as the field computes it: which bin a tie goes to depends on the last bit.
float point(Range range, std::size_t count, std::size_t i) {
  const float step = (range.max - range.min) / static_cast<float>(count - 1);
  return i < count / 2 ? range.min + step * static_cast<float>(i)
                       : range.max - step * static_cast<float>(count - 1 - i);
}

double cube(double v) {
  return v * v * v;
}

// Squared error of quantizing what the histogram holds when bins first..last are divided into
// `levels` steps and all else is clamped. Inside a bin the values are taken as evenly spread, so
// that the error of a piece [a, b] of a step, measured from the middle of the step, is
// density * (b^3 - a^3) / 3. All lengths are in bins.
class QuantizationError {
 public:
  QuantizationError(std::span<const float> histogram, double levels)
      : histogram_(histogram), levels_(levels) {}

  double operator()(std::int64_t first, std::int64_t last) const {
    const double step = static_cast<double>(last - first + 1) / levels_;
    const double whole_step = cube(step) / 12;
    double sum = 0;
    Position begin = locate(-static_cast<double>(first), step);
    for (std::size_t i = 0; i < histogram_.size(); ++i) {
      const Position end =
          locate(static_cast<double>(static_cast<std::int64_t>(i) + 1 - first), step);
      if (histogram_[i] != 0) {
        const double head = cube(step / 2) - cube(begin.offset);
        const double tail = cube(end.offset) + cube(step / 2);
        sum += static_cast<double>(histogram_[i]) *
               (head / 3 + (end.step - begin.step - 1) * whole_step + tail / 3);
      }
      begin = end;
    }
    return sum;
  }

 private:
  struct Position {
    double step;    // index of the step, clamped to those that exist
    double offset;  // distance from the middle of that step
  };
  Position locate(double x, double step) const {
    const double index = std::clamp(std::floor(x / step), 0.0, levels_ - 1);
    return {index, x - (index + 0.5) * step};
  }

  std::span<const float> histogram_;
  double levels_;
};

}  // namespace

std::vector<float> count_values(std::span<const float> values, Range range, std::size_t bins) {
  std::vector<std::int64_t> counts(bins);
  kernels::histogram(values.data(), static_cast<std::int64_t>(values.size()), range.min, range.max,
                     static_cast<std::int64_t>(bins), counts.data());
  return {counts.begin(), counts.end()};
}

std::vector<float> rebin(std::span<const float> histogram, Range from, Range to) {
  const std::size_t bins = histogram.size(), parts = bins * upsample_rate;
  std::vector<float> edges(bins + 1), out(bins);
  for (std::size_t i = 0; i <= bins; ++i) edges[i] = point(to, bins + 1, i);
  const float half_part = 0.5f * ((from.max - from.min) / static_cast<float>(parts));
  for (std::size_t i = 0; i < parts; ++i) {
    const float weight = histogram[i / upsample_rate] / static_cast<float>(upsample_rate);
    const float middle = point(from, parts + 1, i) + half_part;
    const auto above = std::upper_bound(edges.begin(), edges.end(), middle) - edges.begin();
    out[static_cast<std::size_t>(
        std::clamp<std::ptrdiff_t>(above - 1, 0, static_cast<std::ptrdiff_t>(bins) - 1))] += weight;
  }
  return out;
}

Range least_error_range(std::span<const float> histogram, Range range, double levels) {
  constexpr double step = 1e-5;  // by which one of the two quantiles moves each round
  const auto bins = static_cast<std::int64_t>(histogram.size());
  std::vector<float> cumulative(histogram.size());
  double total = 0;
  for (std::size_t i = 0; i < histogram.size(); ++i)
    cumulative[i] = static_cast<float>(total += static_cast<double>(histogram[i]));
  const auto reached = [&](std::int64_t bin) { return cumulative[static_cast<std::size_t>(bin)]; };
  const QuantizationError error(histogram, levels);

  double alpha = 0, beta = 1;  // fractions below and above which values may be given up
  std::int64_t first = 0, last = bins - 1;
  double least = std::numeric_limits<double>::infinity();
  while (alpha < beta) {
    const double next_alpha = alpha + step, next_beta = beta - step;
    const auto low = static_cast<float>(next_alpha * total);
    const auto high = static_cast<float>(next_beta * total);
    std::int64_t next_first = first, next_last = last;
    while (next_first < last && reached(next_first) < low) ++next_first;
    while (next_last > first && reached(next_last) > high) --next_last;
    if (next_first - first > last - next_last) {
      alpha = next_alpha;
      next_last = last;
    } else {
      beta = next_beta;
      next_first = first;
    }
    if (next_first == first && next_last == last) continue;
    const double now = error(next_first, next_last);
    if (now > least) break;
    least = now;
    first = next_first;
    last = next_last;
  }
  const float width = (range.max - range.min) / static_cast<float>(bins);
  return {range.min + width * static_cast<float>(first),
          range.min + width * static_cast<float>(last + 1)};
}

}  // namespace adze::ao::quantization
