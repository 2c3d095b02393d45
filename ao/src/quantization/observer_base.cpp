#include "adze/ao/quantization/observer_base.h"

#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "quantization/options.h"

namespace adze::ao::quantization {
namespace {

QuantizationSpec make_spec(std::string_view name, const ObserverOptions& o, bool per_channel) {
  const QScheme scheme = o.qscheme.value_or(per_channel ? per_channel_affine : per_tensor_affine);
  check(is_per_channel(scheme) == per_channel, name, ": qscheme must be per ",
        per_channel ? "channel" : "tensor", ", got ", scheme);
  check(!(is_symmetric(scheme) && o.dtype == quint8 && o.reduce_range), name,
        ": cannot reduce the range of symmetric quint8: its zero point, 128, would lie outside");
  const QRange range = quantization_range(name, o.dtype, o.reduce_range, o.quant_min, o.quant_max);
  return {.dtype = o.dtype,
          .qscheme = scheme,
          .quant_min = range.min,
          .quant_max = range.max,
          .custom_range = o.quant_min.has_value(),
          .reduce_range = o.reduce_range,
          .is_dynamic = o.is_dynamic,
          .ch_axis = per_channel ? o.ch_axis.value_or(0) : -1};
}

}  // namespace

std::map<std::string, Value> ObserverOrFakeQuant::config() const {
  if (weight_zeros.empty()) return {};
  Value::List list;
  for (const auto& [name, zeros] : weight_zeros) {
    list.emplace_back(name);
    list.emplace_back(zeros.fingerprint);
  }
  return {{"weight_zeros", std::move(list)}};
}

std::shared_ptr<ObserverOrFakeQuant> ObserverFactory::operator()() const {
  check(recipe_ != nullptr, "ObserverFactory: is empty, it builds no observer");
  return recipe_->make();
}

std::string ObserverFactory::str() const {
  if (!recipe_) return "Identity";
  const std::string type = adze::nn::detail::demangle(recipe_->type());
  return type.substr(type.rfind(':') + 1) + "(" + recipe_->arguments() + ")";
}

std::ostream& operator<<(std::ostream& os, const ObserverFactory& factory) {
  return os << factory.str();
}

std::string ObserverOptions::str() const {
  return options_text(*this);
}

UniformQuantizationObserverBase::UniformQuantizationObserverBase(std::string_view name,
                                                                 const ObserverOptions& options,
                                                                 Traits traits)
    : ObserverBase(make_spec(name, options, traits.per_channel)),
      eps("eps", from_vector(std::vector<float>{static_cast<float>(options.eps)}, {1})),
      options_(options) {
  check(options.eps > 0 && static_cast<float>(options.eps) > 0, name, ": eps must be > 0, got ",
        options.eps);
  const auto refuse = [&](bool allowed, bool given, std::string_view option) {
    check(allowed || !given, name, ": has no option ", option);
  };
  refuse(traits.averaging, options.averaging_constant.has_value(), "averaging_constant");
  refuse(traits.per_channel, options.ch_axis.has_value(), "ch_axis");
  refuse(traits.histogram, options.bins.has_value(), "bins");
  if (traits.averaging) {
    averaging_constant_ = options.averaging_constant.value_or(0.01);
    check(*averaging_constant_ > 0 && *averaging_constant_ <= 1, name,
          ": averaging_constant must be in (0, 1], got ", *averaging_constant_);
  }
}

std::map<std::string, Value> UniformQuantizationObserverBase::config() const {
  return observer_config(*this, options_);
}

void UniformQuantizationObserverBase::reset_min_max_vals() {
  fail(type(), ": cannot reset min/max values");
}

TensorQParams UniformQuantizationObserverBase::qparams(const Tensor& min, const Tensor& max) const {
  check(has_data(), type(), ": must run observer before calling calculate_qparams");
  return qparams_from_min_max(min, max, spec(), eps.value().item<float>());
}

Tensor UniformQuantizationObserverBase::observed(const Tensor& x) const {
  check(!x.is_quantized(), type(), ": expects a float tensor, got ", x.dtype());
  return x.detach().to(float32);
}

}  // namespace adze::ao::quantization
