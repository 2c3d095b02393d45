#include <utility>

#include "adze/ao/nn/intrinsic/linear_relu.h"
#include "adze/ao/nn/intrinsic/qat/linear_relu.h"
#include "adze/ao/nn/qat/linear.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/nn/activation.h"

#include "quantization/weights.h"

namespace adze::ao::nn {
namespace {

adze::nn::Submodule fake_quant(adze::nn::ModulePtr module) {
  check(module && dynamic_cast<quantization::FakeQuantizeBase*>(module.get()),
        "qat.Linear: the weight of the qconfig must be a fake-quantize, got ",
        module ? module->type() : "none", "; use a qat qconfig (get_default_qat_qconfig)");
  return adze::nn::Submodule("weight_fake_quant", std::move(module));
}

adze::nn::Submodule fake_quant(const quantization::QConfig& qconfig) {
  check(static_cast<bool>(qconfig.weight),
        "qat.Linear: qconfig must be provided for QAT module, with a weight fake-quantize");
  return fake_quant(qconfig.weight());
}

// Shares the stored tensors of `layer`: what is computed is right at once, and a moving swap then
// hands over the slots themselves.
template <class Qat>
adze::nn::ModulePtr qat_form(adze::nn::Linear& layer, const quantization::QConfig& qconfig) {
  return adze::nn::make<Qat>(layer.weight.slot()->original(), layer.bias.slot()->original(),
                             qconfig);
}

adze::nn::ModulePtr float_form(const adze::nn::Linear& layer) {
  const Tensor bias = layer.bias.value();
  return adze::nn::make<adze::nn::Linear>(layer.weight.value().detach().clone(),
                                          bias.defined() ? bias.detach().clone() : Tensor());
}

}  // namespace

namespace qat {

Linear::Linear(std::int64_t in_features, std::int64_t out_features, adze::nn::LinearOptions options,
               const quantization::QConfig& qconfig_value)
    : ModuleOf(in_features, out_features, options), weight_fake_quant(fake_quant(qconfig_value)) {
  qconfig = qconfig_value;
}

Linear::Linear(Tensor weight_values, Tensor bias_values, const quantization::QConfig& qconfig_value)
    : ModuleOf(std::move(weight_values), std::move(bias_values)),
      weight_fake_quant(fake_quant(qconfig_value)) {
  qconfig = qconfig_value;
}

Linear::Linear(Tensor weight_values, Tensor bias_values, adze::nn::ModulePtr fake_quant_module)
    : ModuleOf(std::move(weight_values), std::move(bias_values)),
      weight_fake_quant(fake_quant(std::move(fake_quant_module))) {}

void Linear::fields(adze::nn::FieldList& f) {
  adze::nn::Linear::fields(f);
  f(weight_fake_quant);
}

Tensor Linear::forward(const Tensor& x) {
  return adze::linear(x, weight_fake_quant(weight), bias);
}

adze::nn::ModulePtr Linear::from_float(adze::nn::Module& module) {
  check(typeid(module) == typeid(adze::nn::Linear),
        "qat.Linear.from_float only works for Linear, "
        "got ",
        module.type());
  return qat_form<Linear>(module.as<adze::nn::Linear>(),
                          quantization::required_qconfig(module, "qat.Linear.from_float"));
}

adze::nn::ModulePtr Linear::to_float() {
  auto out = float_form(*this);
  out->train(training());
  return out;
}

}  // namespace qat

namespace intrinsic::qat {

Tensor LinearReLU::forward(const Tensor& x) {
  return relu(ao::nn::qat::Linear::forward(x));
}

adze::nn::ModulePtr LinearReLU::from_float(adze::nn::Module& module) {
  auto& pair = module.as<intrinsic::LinearReLU>();
  return qat_form<LinearReLU>(pair.at(0).as<adze::nn::Linear>(),
                              quantization::required_qconfig(module, "qat.LinearReLU.from_float"));
}

adze::nn::ModulePtr LinearReLU::to_float() {
  auto out =
      adze::nn::make<intrinsic::LinearReLU>(float_form(*this), adze::nn::make<adze::nn::ReLU>());
  out->train(training());
  return out;
}

}  // namespace intrinsic::qat
}  // namespace adze::ao::nn
