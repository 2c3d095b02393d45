#include "adze/ao/quantization/qconfig.h"

#include <algorithm>
#include <array>

#include "quantization/qconfig_value.h"

namespace adze::ao::quantization {
namespace {

struct Backend {
  std::string_view name;
  bool reduce_range;  // activations in 0..127
  bool per_channel;   // weights
};
// The backends of the field, kept as names for settings: every one of them runs on our kernels.
constexpr std::array<Backend, 4> backends{{
    {.name = "fbgemm", .reduce_range = true, .per_channel = true},
    {.name = "x86", .reduce_range = true, .per_channel = true},
    {.name = "qnnpack", .reduce_range = false, .per_channel = false},
    {.name = "onednn", .reduce_range = false, .per_channel = true},
}};

const Backend& find_backend(std::string_view where, std::string_view name) {
  const auto* it = std::find_if(backends.begin(), backends.end(),
                                [&](const Backend& b) { return b.name == name; });
  check(it != backends.end(), where, ": backend '", name,
        "' is not supported, it must be one of fbgemm, x86, qnnpack, onednn");
  return *it;
}

DType dtype_or_float(const ObserverFactory& factory) {
  return factory ? spec_of(factory).dtype : float32;
}

bool is_int8(DType dtype) {
  return dtype == quint8 || dtype == qint8;
}

}  // namespace

std::string QConfig::str() const {
  return "QConfig(activation=" + activation.str() + ", weight=" + weight.str() + ")";
}

std::ostream& operator<<(std::ostream& os, const QConfig& qconfig) {
  return os << qconfig.str();
}

bool qconfig_equals(const std::optional<QConfig>& a, const std::optional<QConfig>& b) {
  return a == b;
}

bool has_qconfig(const adze::nn::Module& module) {
  return module.qconfig.has_value();
}

std::optional<QConfig> get_qconfig(const adze::nn::Module& module) {
  if (!has_qconfig(module)) return std::nullopt;
  return qconfig_in(module.qconfig, module.type());
}

std::optional<QConfig> qconfig_in(const std::any& any, const std::string& where) {
  if (std::any_cast<std::nullopt_t>(&any)) return std::nullopt;
  if (const auto* q = std::any_cast<QConfig>(&any)) return *q;
  if (const auto* q = std::any_cast<std::optional<QConfig>>(&any)) return *q;
  fail(where, ": qconfig must hold a QConfig or std::nullopt, got ",
       adze::nn::detail::demangle(any.type()));
}

QConfig get_default_qconfig(std::string_view backend, int version) {
  const Backend& b = find_backend("get_default_qconfig", backend);
  check(version == 0, "get_default_qconfig: version must be 0, got ", version);
  return {HistogramObserver::with_args({.reduce_range = b.reduce_range}),
          b.per_channel ? default_per_channel_weight_observer : default_weight_observer};
}

QConfig get_default_qat_qconfig(std::string_view backend, int version) {
  const Backend& b = find_backend("get_default_qat_qconfig", backend);
  check(version == 0 || version == 1, "get_default_qat_qconfig: version must be 0 or 1, got ",
        version);
  const FakeQuantizeOptions activation{MovingAverageMinMaxObserver::with_args(
      {.reduce_range = b.reduce_range, .quant_min = 0, .quant_max = 255})};
  if (version == 0)
    return {FakeQuantize::with_args(activation),
            b.per_channel ? default_per_channel_weight_fake_quant : default_weight_fake_quant};
  return {FusedMovingAvgObsFakeQuantize::with_args(activation),
          b.per_channel ? default_fused_per_channel_wt_fake_quant : default_fused_wt_fake_quant};
}

QuantizationSpec spec_of(const ObserverFactory& factory) {
  return factory()->spec();
}

DType activation_dtype(const QConfig& qconfig) {
  return dtype_or_float(qconfig.activation);
}
DType weight_dtype(const QConfig& qconfig) {
  return dtype_or_float(qconfig.weight);
}

bool activation_is_statically_quantized(const QConfig& qconfig) {
  const DType dtype = activation_dtype(qconfig);
  return (is_quantized(dtype) || dtype == float16) && !activation_is_dynamically_quantized(qconfig);
}
bool activation_is_dynamically_quantized(const QConfig& qconfig) {
  return qconfig.activation && spec_of(qconfig.activation).is_dynamic;
}
bool activation_is_int8_quantized(const QConfig& qconfig) {
  return is_int8(activation_dtype(qconfig));
}
bool weight_is_quantized(const QConfig& qconfig) {
  const DType dtype = weight_dtype(qconfig);
  return is_int8(dtype) || dtype == float16;
}
bool weight_is_statically_quantized(const QConfig& qconfig) {
  return is_int8(weight_dtype(qconfig));
}

bool activation_is_memoryless(const QConfig& qconfig) {
  return qconfig.activation && qconfig.activation()->is_memoryless();
}

QuantType get_quant_type(const QConfig& qconfig) {
  const DType activation = activation_dtype(qconfig), weight = weight_dtype(qconfig);
  const bool dynamic = activation_is_dynamically_quantized(qconfig);
  if (is_quantized(weight))
    return dynamic                    ? QuantType::dynamic
           : is_quantized(activation) ? QuantType::static_
                                      : QuantType::weight_only;
  if (weight == float16 && (dynamic || activation == float16))
    return dynamic ? QuantType::dynamic : QuantType::static_;
  fail("get_quant_type: nothing quantizes activations as ", activation, " with weights as ", weight,
       " (", qconfig.str(), ")");
}

}  // namespace adze::ao::quantization
