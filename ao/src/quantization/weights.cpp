#include "quantization/weights.h"

#include <algorithm>

#include "adze/ao/nn/qat/linear.h"
#include "adze/ao/quantization/attach.h"
#include "adze/ao/quantization/fake_quantize.h"
#include "adze/core/ops.h"
#include "adze/nn/deepcopy.h"

namespace adze::ao::quantization {

QConfig required_qconfig(const adze::nn::Module& module, const char* where) {
  auto qconfig = get_qconfig(module);
  check(qconfig.has_value(), where, ": ", module.type(), " has no qconfig");
  return *qconfig;
}

Tensor effective_weight(adze::nn::Module& module) {
  adze::nn::Parameter* weight = module.slot_holder().find_parameter("weight");
  check(weight && weight->defined(), module.type(), " has no weight");
  return weight->value().detach();
}

Tensor effective_bias(adze::nn::Module& module) {
  adze::nn::Parameter* bias = module.slot_holder().find_parameter("bias");
  return bias && bias->defined() ? bias->value().detach() : Tensor();
}

void observe_now(ObserverOrFakeQuant& observer, const Tensor& weight) {
  if (auto* fake = dynamic_cast<FakeQuantizeBase*>(&observer)) {
    if (!fake->has_data() || (fake->is_memoryless() && fake->observer_is_enabled()))
      fake->observer()(weight);
    return;
  }
  // Histograms cannot forget: one that saw this weight before stays as it is.
  if (dynamic_cast<HistogramObserver*>(&observer)) {
    if (!observer.has_data()) observer(weight);
    return;
  }
  if (auto* range = dynamic_cast<UniformQuantizationObserverBase*>(&observer))
    range->reset_min_max_vals();
  observer(weight);
}

std::shared_ptr<ObserverOrFakeQuant> observed_weight(adze::nn::Module& module) {
  NoGrad guard;
  std::shared_ptr<ObserverOrFakeQuant> observer;
  if (auto* qat = dynamic_cast<ao::nn::qat::Linear*>(&module.slot_holder())) {
    observer = std::static_pointer_cast<ObserverOrFakeQuant>(
        adze::nn::deepcopy(qat->weight_fake_quant.ptr()));
  } else {
    const QConfig qconfig = required_qconfig(module, "convert");
    check(static_cast<bool>(qconfig.weight), "convert: the qconfig of ", module.type(),
          " has no weight observer");
    observer = qconfig.weight();
  }
  observe_now(*observer, effective_weight(module));
  return observer;
}

Tensor quantize_weight(const Tensor& weight, const ObserverOrFakeQuant& observer) {
  if (observer.dtype() == float16) return clamp(weight, -65504.0, 65504.0).to(float16);
  const TensorQParams q = observer.calculate_qparams();
  const DType dtype = observer.dtype();
  Tensor out =
      observer.is_per_channel()
          ? quantize_per_channel(weight, q.scale, q.zero_point, observer.ch_axis(), dtype)
          : quantize_per_tensor(weight, q.scale.item(), q.zero_point.item<std::int64_t>(), dtype);
  const QRange range = qrange(dtype);
  if (dtype == qint8 && (observer.quant_min() > range.min || observer.quant_max() < range.max)) {
    auto* ints = out.int_repr().mutable_data<std::int8_t>();
    const auto low = static_cast<std::int8_t>(observer.quant_min());
    const auto high = static_cast<std::int8_t>(observer.quant_max());
    std::transform(ints, ints + out.numel(), ints,
                   [&](std::int8_t v) { return std::clamp(v, low, high); });
  }
  return out;
}

OutputQParams output_qparams(adze::nn::Module& module) {
  const ObserverOrFakeQuant* observer = activation_post_process(module);
  check(observer != nullptr, "convert: ", module.type(), " has no observer");
  OutputQParams out;
  out.dtype = observer->dtype();
  if (!observer->has_data()) return out;
  const TensorQParams q = observer->calculate_qparams();
  check(q.scale.numel() == 1, "convert: the activations of ", module.type(),
        " must be observed per tensor, not per channel");
  out.scale = q.scale.item();
  out.zero_point = q.zero_point.item<std::int64_t>();
  return out;
}

}  // namespace adze::ao::quantization
