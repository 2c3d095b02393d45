#include "adze/ao/quantization/backend_config.h"

#include <algorithm>
#include <utility>

#include "adze/ao/nn/intrinsic/linear_relu.h"
#include "adze/ao/nn/intrinsic/qat/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/linear_relu.h"
#include "adze/ao/nn/quantized/quantize.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/quantization/stubs.h"
#include "adze/nn/activation.h"
#include "adze/nn/dropout.h"
#include "adze/nn/flatten.h"
#include "adze/nn/identity.h"
#include "adze/nn/linear.h"

namespace adze::ao::quantization {
namespace {

namespace nni = ao::nn::intrinsic;
namespace nniq = ao::nn::intrinsic::quantized;
namespace nnqat = ao::nn::qat;
namespace nnq = ao::nn::quantized;

template <class... M>
std::vector<ModuleType> pattern() {
  return {ModuleType::of<M>()...};
}

Fused fuse_linear_relu(std::span<const adze::nn::ModulePtr> modules) {
  return {adze::nn::make<nni::LinearReLU>(modules[0], modules[1]), adze::nn::Slots::inside};
}

Fused fuse_qat_linear_relu(std::span<const adze::nn::ModulePtr> modules) {
  auto& linear = modules[0]->as<nnqat::Linear>();
  auto fused = adze::nn::make<nni::qat::LinearReLU>(
      linear.weight.slot()->original(), linear.bias.slot()->original(), *get_qconfig(linear));
  fused->weight_fake_quant.set(linear.weight_fake_quant.ptr());
  return {fused, adze::nn::Slots::move};
}

// A pair whose first half is in its reference form.
adze::nn::ModulePtr reference_linear_relu(adze::nn::Module& module) {
  return adze::nn::make<nni::LinearReLU>(nnq::reference::Linear::from_float(module),
                                         adze::nn::make<adze::nn::ReLU>());
}

BackendConfig native() {
  const DTypeConfig weighted_int8{quint8, quint8, qint8, float32};
  const DTypeConfig dynamic_int8{quint8, float32, qint8, float32, /*is_dynamic=*/true};
  const DTypeConfig dynamic_float16{float16, float32, float16, float32, /*is_dynamic=*/true};
  const DTypeConfig plain_int8{quint8, quint8};
  const std::vector<DTypeConfig> linear_dtypes{weighted_int8, dynamic_int8, dynamic_float16};
  const auto shared = ObservationType::output_share_observer_with_input;

  BackendConfig config("native");
  const auto row = [&](BackendPatternConfig c) { config.set_backend_pattern_config(std::move(c)); };
  // Linear and its fused and qat forms.
  row({.pattern = pattern<adze::nn::Linear>(),
       .dtype_configs = linear_dtypes,
       .qat_module = nnqat::Linear::from_float,
       .reference_quantized_module = nnq::reference::Linear::from_float,
       .quantized_module = nnq::Linear::from_float,
       .dynamic_quantized_module = nnq::dynamic::Linear::from_float,
       .has_weight = true});
  row({.pattern = pattern<nnqat::Linear>(),
       .dtype_configs = linear_dtypes,
       .reference_quantized_module = nnq::reference::Linear::from_float,
       .quantized_module = nnq::Linear::from_float,
       .dynamic_quantized_module = nnq::dynamic::Linear::from_float,
       .has_weight = true});
  row({.pattern = pattern<adze::nn::Linear, adze::nn::ReLU>(),
       .dtype_configs = linear_dtypes,
       .fuser_method = fuse_linear_relu});
  row({.pattern = pattern<nnqat::Linear, adze::nn::ReLU>(),
       .dtype_configs = linear_dtypes,
       .fuser_method = fuse_qat_linear_relu});
  row({.pattern = pattern<nni::LinearReLU>(),
       .dtype_configs = linear_dtypes,
       .qat_module = nni::qat::LinearReLU::from_float,
       .reference_quantized_module = reference_linear_relu,
       .quantized_module = nniq::LinearReLU::from_float,
       .dynamic_quantized_module = nniq::dynamic::LinearReLU::from_float,
       .has_weight = true});
  row({.pattern = pattern<nni::qat::LinearReLU>(),
       .dtype_configs = linear_dtypes,
       .reference_quantized_module = reference_linear_relu,
       .quantized_module = nniq::LinearReLU::from_float,
       .dynamic_quantized_module = nniq::dynamic::LinearReLU::from_float,
       .has_weight = true});
  // The ends of the quantized part.
  row({.pattern = pattern<QuantStub>(),
       .dtype_configs = {{float32, quint8}},
       .quantized_module = nnq::Quantize::from_float});
  row({.pattern = pattern<DeQuantStub>(),
       .observation_type = ObservationType::input_output_not_observed,
       .dtype_configs = {{quint8, float32}},
       .quantized_module = nnq::DeQuantize::from_float,
       .has_output_observer = false});
  // Modules that compute on quantized tensors as they are and keep their qparams.
  for (auto& p : {pattern<adze::nn::ReLU>(), pattern<adze::nn::Identity>(),
                  pattern<adze::nn::Dropout>(), pattern<adze::nn::Flatten>()})
    row({.pattern = p,
         .observation_type = shared,
         .dtype_configs = {plain_int8},
         .has_output_observer = false});
  return config;
}

}  // namespace

BackendConfig& BackendConfig::set_backend_pattern_config(BackendPatternConfig config) {
  check(!config.pattern.empty(), "backend config '", name_,
        "': a pattern needs at least one module");
  check(config.pattern.size() == 1 || config.fuser_method, "backend config '", name_,
        "': a pattern of several modules needs a fuser_method");
  const auto same = std::find_if(configs_.begin(), configs_.end(),
                                 [&](const auto& c) { return c.pattern == config.pattern; });
  if (same == configs_.end()) {
    configs_.push_back(std::move(config));
  } else {
    *same = std::move(config);
  }
  return *this;
}

const BackendPatternConfig* BackendConfig::find(std::span<const ModuleType> pattern) const {
  for (const BackendPatternConfig& c : configs_)
    if (std::equal(c.pattern.begin(), c.pattern.end(), pattern.begin(), pattern.end())) return &c;
  return nullptr;
}

const BackendPatternConfig* BackendConfig::find(const adze::nn::Module& module) const {
  const ModuleType type = ModuleType::of(module);
  return find(std::span(&type, 1));
}

const BackendConfig& get_native_backend_config() {
  static const BackendConfig config = native();
  return config;
}

}  // namespace adze::ao::quantization
