#include "adze/ao/quantization/histogram_observer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "quantization/histogram.h"

namespace adze::ao::quantization {
namespace {

// Bounded: the cost of a search grows with the square.
constexpr std::int64_t max_bins = 1 << 16;

std::int64_t checked_bins(const ObserverOptions& options) {
  const std::int64_t bins = options.bins.value_or(2048);
  check(bins >= 1 && bins <= max_bins, "HistogramObserver: bins must be in 1..", max_bins, ", got ",
        bins);
  return bins;
}

}  // namespace

HistogramObserver::HistogramObserver(const ObserverOptions& options)
    : ModuleOf("HistogramObserver", options, Traits{.histogram = true}),
      histogram("histogram", zeros({checked_bins(options)})),
      min_val("min_val", tensor(no_range.min)),
      max_val("max_val", tensor(no_range.max)) {
  check(!options.is_dynamic, "HistogramObserver: cannot be dynamic: it needs earlier tensors");
}

Tensor HistogramObserver::forward(const Tensor& x) {
  if (x.numel() == 0) return x;
  NoGrad guard;
  const Tensor finite = finite_elements(type(), observed(x)).contiguous();
  if (finite.numel() == 0) return x;
  const Range old{scalar(min_val), scalar(max_val)}, now = range_of(finite);
  const Range all =
      old.empty() ? now : Range{std::min(old.min, now.min), std::max(old.max, now.max)};
  const std::vector<float> before = histogram.value().to_vector<float>();
  check(std::isfinite((all.max - all.min) * static_cast<float>(before.size())), type(),
        ": the range ", number_text(all.min), " to ", number_text(all.max),
        " is too wide for a histogram of float32");
  std::vector<float> counts = count_values(finite.span<float>(), all, before.size());
  if (!old.empty()) {
    std::vector<float> kept;
    if (old.min == all.min && old.max == all.max) {
      kept = before;
    } else if (old.min == old.max) {
      kept = count_values({&old.min, 1}, all, before.size());
      const float total = std::accumulate(before.begin(), before.end(), 0.0f);
      for (float& count : kept) count *= total;
    } else {
      kept = rebin(before, old, all);
    }
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += kept[i];
  }
  store(histogram, from_vector(counts, {static_cast<std::int64_t>(counts.size())}));
  store(min_val, all.min);
  store(max_val, all.max);
  return x;
}

TensorQParams HistogramObserver::calculate_qparams() const {
  check(has_data(), type(), ": must run observer before calling calculate_qparams");
  const std::vector<float> counts = histogram.value().to_vector<float>();
  const double levels = std::exp2(8.0 * static_cast<double>(item_size(dtype())));
  const Range range = least_error_range(counts, {scalar(min_val), scalar(max_val)}, levels);
  return qparams(tensor(range.min), tensor(range.max));
}

bool HistogramObserver::has_data() const {
  return scalar(min_val) != no_range.min || scalar(max_val) != no_range.max;
}

std::map<std::string, Value> HistogramObserver::config() const {
  auto values = ModuleOf::config();
  values["bins"] = histogram.slot()->original().numel();
  return values;
}

std::string HistogramObserver::extra_repr() const {
  return "min_val=" + number_text(scalar(min_val)) + ", max_val=" + number_text(scalar(max_val));
}

}  // namespace adze::ao::quantization
