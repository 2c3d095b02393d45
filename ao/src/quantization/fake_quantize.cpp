#include "adze/ao/quantization/fake_quantize.h"

#include <functional>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/nn/traversal.h"

#include "quantization/ranges.h"

namespace adze::ao::quantization {
namespace {

Tensor flag(bool on) {
  return from_vector(std::vector<std::uint8_t>{on}, {1});
}

bool is_on(const adze::nn::Buffer& buffer) {
  return *buffer.slot()->original().data<std::uint8_t>() != 0;
}

std::shared_ptr<ObserverBase> build_observer(const ObserverFactory& factory) {
  check(static_cast<bool>(factory), "FakeQuantize: needs an observer");
  auto observer = std::dynamic_pointer_cast<ObserverBase>(factory());
  check(observer != nullptr, "FakeQuantize: ", factory.str(), " is not an observer");
  return observer;
}

std::shared_ptr<ObserverBase> checked(std::shared_ptr<ObserverBase> observer) {
  check(observer != nullptr, "FakeQuantize: needs an observer");
  check(is_quantized(observer->dtype()),
        "FakeQuantize: the observer's dtype must be qint8, quint8 ", "or qint32, got ",
        observer->dtype(), " (", observer->type(), ")");
  return observer;
}

void each_fake_quant(adze::nn::Module& root, const std::function<void(FakeQuantizeBase&)>& f) {
  adze::nn::for_each_module(root, [&](const std::string&, adze::nn::Module& m) {
    if (auto* fake_quant = dynamic_cast<FakeQuantizeBase*>(&m)) f(*fake_quant);
  });
}

std::string flags_text(const FakeQuantizeBase& f) {
  return "fake_quant_enabled=" + f.fake_quant_enabled.value().str() +
         ", observer_enabled=" + f.observer_enabled.value().str();
}
std::string qparams_text(const FakeQuantizeBase& f) {
  return "scale=" + f.scale.value().str() + ", zero_point=" + f.zero_point.value().str();
}

}  // namespace

FakeQuantizeBase::FakeQuantizeBase(const ObserverFactory& observer_factory)
    : FakeQuantizeBase(build_observer(observer_factory)) {}

FakeQuantizeBase::FakeQuantizeBase(std::shared_ptr<ObserverBase> observer_module)
    : fake_quant_enabled("fake_quant_enabled", flag(true)),
      observer_enabled("observer_enabled", flag(true)),
      scale("scale", ones({1}), {.resizable = true}),
      zero_point("zero_point", zeros({1}, int32), {.resizable = true}),
      activation_post_process("activation_post_process", checked(std::move(observer_module))) {
  if (qscheme() == per_channel_affine_float_qparams) store(zero_point, zeros({1}));
}

void FakeQuantizeBase::fields(adze::nn::FieldList& f) {
  f(fake_quant_enabled, observer_enabled, scale, zero_point, activation_post_process);
}

void FakeQuantizeBase::enable_fake_quant(bool enabled) {
  store(fake_quant_enabled, flag(enabled));
}
void FakeQuantizeBase::enable_observer(bool enabled) {
  store(observer_enabled, flag(enabled));
}
bool FakeQuantizeBase::fake_quant_is_enabled() const {
  return is_on(fake_quant_enabled);
}
bool FakeQuantizeBase::observer_is_enabled() const {
  return is_on(observer_enabled);
}

void FakeQuantizeBase::observe(const Tensor& x) {
  NoGrad guard;
  activation_post_process(x.detach());
  if (!has_data()) return;
  const TensorQParams now = calculate_qparams();
  store(scale, now.scale);
  store(zero_point, now.zero_point);
}

Tensor FakeQuantizeBase::fake_quantize(const Tensor& x) const {
  if (x.numel() == 0) return x;
  if (is_per_channel())
    return fake_quantize_per_channel_affine(x, scale.value(), zero_point.value(), ch_axis(),
                                            quant_min(), quant_max());
  return fake_quantize_per_tensor_affine(x, scale.value().item<double>(),
                                         zero_point.value().item<std::int64_t>(), quant_min(),
                                         quant_max());
}

Tensor FakeQuantize::forward(const Tensor& x) {
  if (observer_is_enabled()) observe(x);
  return fake_quant_is_enabled() ? fake_quantize(x) : x;
}

std::string FakeQuantize::extra_repr() const {
  return adze::detail::concat(flags_text(*this), ", quant_min=", quant_min(),
                              ", quant_max=", quant_max(), ", dtype=", dtype(),
                              ", qscheme=", qscheme(), ", ch_axis=", ch_axis(), ", ",
                              qparams_text(*this));
}

FixedQParamsFakeQuantize::FixedQParamsFakeQuantize(const FakeQuantizeOptions& options)
    : ModuleOf(options.observer) {
  take_over_qparams();
}

FixedQParamsFakeQuantize::FixedQParamsFakeQuantize(std::shared_ptr<ObserverBase> observer_module)
    : ModuleOf(std::move(observer_module)) {
  take_over_qparams();
}

void FixedQParamsFakeQuantize::take_over_qparams() {
  auto* fixed = dynamic_cast<FixedQParamsObserver*>(&observer());
  check(fixed != nullptr, "FixedQParamsFakeQuantize: the observer must be a FixedQParamsObserver, ",
        "got ", observer().type());
  scale.rebind(fixed->scale.slot());
  zero_point.rebind(fixed->zero_point.slot());
}

Tensor FixedQParamsFakeQuantize::forward(const Tensor& x) {
  return fake_quant_is_enabled() ? fake_quantize(x) : x;
}

std::string FixedQParamsFakeQuantize::extra_repr() const {
  return adze::detail::concat(flags_text(*this), ", ", qparams_text(*this), ", dtype=", dtype(),
                              ", quant_min=", quant_min(), ", quant_max=", quant_max(),
                              ", qscheme=", qscheme());
}

FusedMovingAvgObsFakeQuantize::FusedMovingAvgObsFakeQuantize(const FakeQuantizeOptions& options)
    : ModuleOf(options) {
  check_averaging();
}

FusedMovingAvgObsFakeQuantize::FusedMovingAvgObsFakeQuantize(
    std::shared_ptr<ObserverBase> observer_module)
    : ModuleOf(std::move(observer_module)) {
  check_averaging();
}

void FusedMovingAvgObsFakeQuantize::check_averaging() const {
  check(averaging_constant().has_value(), "FusedMovingAvgObsFakeQuantize: the observer must be a ",
        "MovingAverageMinMaxObserver or a MovingAveragePerChannelMinMaxObserver, got ",
        observer().type());
}

std::string FusedMovingAvgObsFakeQuantize::extra_repr() const {
  return adze::detail::concat(flags_text(*this), ", ", qparams_text(*this), ", dtype=", dtype(),
                              ", quant_min=", quant_min(), ", quant_max=", quant_max(),
                              ", qscheme=", qscheme(),
                              ", reduce_range=", spec().reduce_range ? "True" : "False");
}

void enable_fake_quant(adze::nn::Module& root) {
  each_fake_quant(root, [](FakeQuantizeBase& f) { f.enable_fake_quant(); });
}
void disable_fake_quant(adze::nn::Module& root) {
  each_fake_quant(root, [](FakeQuantizeBase& f) { f.disable_fake_quant(); });
}
void enable_observer(adze::nn::Module& root) {
  each_fake_quant(root, [](FakeQuantizeBase& f) { f.enable_observer(); });
}
void disable_observer(adze::nn::Module& root) {
  each_fake_quant(root, [](FakeQuantizeBase& f) { f.disable_observer(); });
}

}  // namespace adze::ao::quantization
