#include <algorithm>
#include <cmath>

#include "adze/core/error.h"
#include "adze/core/ops/quantize.h"

namespace adze {
namespace {

// Smaller scales are raised to this one, a float32 number.
constexpr double smallest_scale = 6.1e-5f;

// The float32 number nearest to v, in which the field keeps the ends of a range; v itself where
// that would overflow.
double in_float(double v) {
  const auto f = static_cast<float>(v);
  return std::isfinite(f) ? static_cast<double>(f) : v;
}

}  // namespace

QParams choose_qparams(double min, double max, std::int64_t qmin, std::int64_t qmax,
                       bool reduce_range, bool preserve_sparsity) {
  check(std::isfinite(static_cast<float>(min)) && std::isfinite(static_cast<float>(max)) &&
            min <= max,
        "choose_qparams: expected a finite range with min <= max, got [", min, ", ", max, "]");
  const std::int64_t divisor = reduce_range ? 2 : 1;
  check(qmax / divisor - qmin / divisor >= 2,
        "choose_qparams: expected at least three integers in ", reduce_range ? "half of " : "",
        "[qmin, qmax], got [", qmin, ", ", qmax, "]");
  qmin /= divisor;
  qmax /= divisor;
  const auto lowest = static_cast<double>(qmin), highest = static_cast<double>(qmax);
  const double steps = highest - lowest;
  min = in_float(min);
  max = in_float(max);
  const bool centred = preserve_sparsity && min < 0 && max > 0;
  if (centred) {
    const auto above = static_cast<double>((qmax - qmin) / 2), below = -(above + 1);
    const double scale = std::max(std::fabs(min / below), std::fabs(max / above));
    min = in_float(scale * below);
    max = in_float(scale * above);
  }
  min = std::min(min, 0.0);
  max = std::max(max, 0.0);

  double scale = (max - min) / steps;
  if (static_cast<float>(scale) == 0 || std::isinf(1.0f / static_cast<float>(scale))) scale = 0.1;
  if (scale < smallest_scale) {
    const double amplifier = in_float(smallest_scale / in_float(scale));
    scale = smallest_scale;
    if (min == 0) {
      max = in_float(scale * steps);
    } else if (max == 0) {
      min = in_float(-scale * steps);
    } else {
      min = in_float(min * amplifier);
      max = in_float(max * amplifier);
    }
  }

  // Either end of the range gives a zero point; the one with the smaller rounding error counts.
  const double error_min = std::fabs(lowest) - std::fabs(min / scale);
  const double error_max = std::fabs(highest) - std::fabs(max / scale);
  const double zero_point = centred                 ? (lowest + highest) / 2
                            : error_min < error_max ? lowest - min / scale
                                                    : highest - max / scale;
  return {scale,
          static_cast<std::int64_t>(std::nearbyint(std::clamp(zero_point, lowest, highest)))};
}

}  // namespace adze
