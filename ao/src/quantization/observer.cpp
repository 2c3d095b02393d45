#include "adze/ao/quantization/observer.h"

#include <cmath>
#include <utility>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "quantization/options.h"
#include "quantization/ranges.h"

namespace adze::ao::quantization {
namespace {

// The range after values of range `now` came. Without an averaging constant it only grows.
Range combine(Range old, Range now, std::optional<double> averaging_constant) {
  if (now.empty()) return old;
  if (old.empty() || averaging_constant == 1.0)
    return now;  // nothing of the old, not even rounding
  if (!averaging_constant) return {std::min(old.min, now.min), std::max(old.max, now.max)};
  const auto c = static_cast<float>(*averaging_constant);
  return {old.min + c * (now.min - old.min), old.max + c * (now.max - old.max)};
}

// Smallest and largest finite value of each channel; inf and -inf for a channel that has none.
std::pair<std::vector<float>, std::vector<float>> channel_ranges(std::string_view where,
                                                                 const Tensor& x,
                                                                 std::int64_t axis) {
  auto [min, max] = aminmax(x, axis);
  if (!all(logical_and(isfinite(min), isfinite(max))).item<bool>()) {
    const Tensor finite = isfinite(x);
    warn(where, ": ", x.numel() - count_nonzero(finite), " of ", x.numel(),
         " elements are infinite or NaN; they are left out of the range");
    min = std::get<0>(aminmax(adze::where(finite, x, no_range.min), axis));
    max = std::get<1>(aminmax(adze::where(finite, x, no_range.max), axis));
  }
  return {min.to_vector<float>(), max.to_vector<float>()};
}

[[noreturn]] void no_qparams(const adze::nn::Module& observer) {
  fail("calculate_qparams should not be called for ", observer.type());
}

// Settings of an observer that never computes a range.
QuantizationSpec plain_spec(DType dtype) {
  return {.dtype = dtype, .quant_min = 0, .quant_max = 0};
}

}  // namespace

// ---- MinMaxObserver ----------------------------------------------------------------------------

MinMaxObserver::MinMaxObserver(std::string_view name, const ObserverOptions& options, Traits traits)
    : ModuleOf(name, options, traits),
      min_val("min_val", tensor(no_range.min)),
      max_val("max_val", tensor(no_range.max)) {}

MinMaxObserver::MinMaxObserver(const ObserverOptions& options)
    : MinMaxObserver("MinMaxObserver", options, {}) {}

MovingAverageMinMaxObserver::MovingAverageMinMaxObserver(const ObserverOptions& options)
    : ModuleOf("MovingAverageMinMaxObserver", options, {.averaging = true}) {}

Tensor MinMaxObserver::forward(const Tensor& x) {
  if (x.numel() == 0) return x;
  NoGrad guard;
  const Tensor finite = finite_elements(type(), observed(x));
  if (finite.numel() == 0) return x;
  const Range range =
      combine({scalar(min_val), scalar(max_val)}, range_of(finite), averaging_constant());
  store(min_val, range.min);
  store(max_val, range.max);
  return x;
}

TensorQParams MinMaxObserver::calculate_qparams() const {
  return qparams(min_val.value(), max_val.value());
}

bool MinMaxObserver::has_data() const {
  return scalar(min_val) != no_range.min || scalar(max_val) != no_range.max;
}

void MinMaxObserver::reset_min_max_vals() {
  store(min_val, no_range.min);
  store(max_val, no_range.max);
}

std::string MinMaxObserver::extra_repr() const {
  return "min_val=" + number_text(scalar(min_val)) + ", max_val=" + number_text(scalar(max_val));
}

void MinMaxObserver::fields(adze::nn::FieldList& f) {
  ModuleOf::fields(f);
  f(min_val, max_val);
}

// ---- PerChannelMinMaxObserver ------------------------------------------------------------------

PerChannelMinMaxObserver::PerChannelMinMaxObserver(std::string_view name,
                                                   const ObserverOptions& options, Traits traits)
    : ModuleOf(name, options, traits),
      min_val("min_val", zeros({0}), {.resizable = true}),
      max_val("max_val", zeros({0}), {.resizable = true}) {}

PerChannelMinMaxObserver::PerChannelMinMaxObserver(const ObserverOptions& options)
    : PerChannelMinMaxObserver("PerChannelMinMaxObserver", options, {.per_channel = true}) {}

MovingAveragePerChannelMinMaxObserver::MovingAveragePerChannelMinMaxObserver(
    const ObserverOptions& options)
    : ModuleOf("MovingAveragePerChannelMinMaxObserver", options,
               {.per_channel = true, .averaging = true}) {}

Tensor PerChannelMinMaxObserver::forward(const Tensor& x) {
  if (x.numel() == 0) return x;
  NoGrad guard;
  const std::int64_t axis =
      wrap_dim(ch_axis(), static_cast<std::size_t>(x.dim()), type() + ": ch_axis");
  const auto [cur_min, cur_max] = channel_ranges(type(), observed(x), axis);
  std::vector<float> mins = min_val.value().to_vector<float>();
  std::vector<float> maxs = max_val.value().to_vector<float>();
  if (mins.empty()) {
    mins.assign(cur_min.size(), no_range.min);
    maxs.assign(cur_max.size(), no_range.max);
  }
  check(mins.size() == cur_min.size() && maxs.size() == cur_max.size(), type(), ": has seen ",
        mins.size(), " channels, input has ", cur_min.size(), " along axis ", axis, " (input ",
        x.sizes(), ")");
  for (std::size_t c = 0; c < mins.size(); ++c) {
    const Range range = combine({mins[c], maxs[c]}, {cur_min[c], cur_max[c]}, averaging_constant());
    mins[c] = range.min;
    maxs[c] = range.max;
  }
  const Shape shape{static_cast<std::int64_t>(mins.size())};
  store(min_val, from_vector(mins, shape));
  store(max_val, from_vector(maxs, shape));
  return x;
}

TensorQParams PerChannelMinMaxObserver::calculate_qparams() const {
  return qparams(min_val.value(), max_val.value());
}

bool PerChannelMinMaxObserver::has_data() const {
  return min_val.value().numel() > 0 && max_val.value().numel() > 0;
}

void PerChannelMinMaxObserver::reset_min_max_vals() {
  store(min_val, zeros({0}));
  store(max_val, zeros({0}));
}

std::string PerChannelMinMaxObserver::extra_repr() const {
  return "min_val=" + min_val.value().str() + ", max_val=" + max_val.value().str();
}

void PerChannelMinMaxObserver::fields(adze::nn::FieldList& f) {
  ModuleOf::fields(f);
  f(min_val, max_val);
}

// ---- observers without a range -----------------------------------------------------------------

FixedQParamsObserver::FixedQParamsObserver(const FixedQParamsOptions& options)
    : ModuleOf(QuantizationSpec{.dtype = options.dtype,
                                .quant_min = options.quant_min,
                                .quant_max = options.quant_max,
                                .custom_range = true}),
      scale("scale", from_vector(std::vector<float>{static_cast<float>(options.scale)}, {1})),
      zero_point(
          "zero_point",
          from_vector(std::vector<std::int32_t>{static_cast<std::int32_t>(options.zero_point)},
                      {1})) {
  quantization_range("FixedQParamsObserver", options.dtype, false, options.quant_min,
                     options.quant_max);
  check(std::isfinite(options.scale) && static_cast<float>(options.scale) > 0,
        "FixedQParamsObserver: scale must be finite and > 0, got ", options.scale);
  check(options.quant_min <= options.zero_point && options.zero_point <= options.quant_max,
        "FixedQParamsObserver: zero_point must be between quant_min and quant_max, got ",
        options.zero_point, " outside ", options.quant_min, "..", options.quant_max);
}

std::map<std::string, Value> FixedQParamsObserver::config() const {
  return observer_config(
      *this, FixedQParamsOptions{.scale = scale.slot()->original().item(),
                                 .zero_point = zero_point.slot()->original().item<std::int64_t>(),
                                 .dtype = dtype(),
                                 .quant_min = quant_min(),
                                 .quant_max = quant_max()});
}

std::string FixedQParamsOptions::str() const {
  return options_text(*this);
}

PlaceholderObserver::PlaceholderObserver(const PlaceholderOptions& options)
    : ModuleOf(QuantizationSpec{.dtype = options.dtype,
                                .qscheme = options.qscheme,
                                .quant_min = options.quant_min.value_or(0),
                                .quant_max = options.quant_max.value_or(0),
                                .custom_range = options.quant_min.has_value(),
                                .is_dynamic = options.is_dynamic}),
      custom_op_(options.custom_op_name) {
  if (options.quant_min || options.quant_max)
    quantization_range("PlaceholderObserver", options.dtype, false, options.quant_min,
                       options.quant_max);
}

TensorQParams PlaceholderObserver::calculate_qparams() const {
  no_qparams(*this);
}

std::string PlaceholderObserver::extra_repr() const {
  return adze::detail::concat("dtype=", dtype(), ", is_dynamic=", is_dynamic() ? "True" : "False");
}

std::map<std::string, Value> PlaceholderObserver::config() const {
  PlaceholderOptions options{.dtype = dtype(),
                             .custom_op_name = custom_op_,
                             .is_dynamic = is_dynamic(),
                             .qscheme = qscheme()};
  if (spec().custom_range) {
    options.quant_min = quant_min();
    options.quant_max = quant_max();
  }
  return observer_config(*this, options);
}

std::string PlaceholderOptions::str() const {
  return options_text(*this);
}

NoopObserver::NoopObserver(const NoopOptions& options)
    : ModuleOf(plain_spec(options.dtype)), custom_op_(options.custom_op_name) {}

TensorQParams NoopObserver::calculate_qparams() const {
  no_qparams(*this);
}

std::map<std::string, Value> NoopObserver::config() const {
  return observer_config(*this, NoopOptions{.dtype = dtype(), .custom_op_name = custom_op_});
}

std::string NoopOptions::str() const {
  return options_text(*this);
}

RecordingObserver::RecordingObserver(const RecordingOptions& options)
    : ModuleOf(plain_spec(options.dtype)) {}

Tensor RecordingObserver::forward(const Tensor& x) {
  tensor_val_.push_back(adze::nn::Buffer("tensor_val_" + std::to_string(tensor_val_.size()),
                                         x.detach().clone(), {.persistent = false}));
  return x;
}

TensorList RecordingObserver::get_tensor_value() const {
  TensorList out;
  for (const adze::nn::Parameter& t : tensor_val_) out.push_back(t.value());
  return out;
}

TensorQParams RecordingObserver::calculate_qparams() const {
  no_qparams(*this);
}

std::map<std::string, Value> RecordingObserver::config() const {
  return observer_config(*this, RecordingOptions{.dtype = dtype()});
}

std::string RecordingOptions::str() const {
  return options_text(*this);
}

ReuseInputObserver::ReuseInputObserver(const ReuseInputOptions&) : ModuleOf(plain_spec(quint8)) {}

TensorQParams ReuseInputObserver::calculate_qparams() const {
  no_qparams(*this);
}

}  // namespace adze::ao::quantization
