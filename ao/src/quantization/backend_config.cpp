#include "adze/ao/quantization/backend_config.h"

#include <algorithm>
#include <utility>

#include "adze/ao/nn/intrinsic/linear_relu.h"
#include "adze/ao/nn/intrinsic/qat/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/linear_relu.h"
#include "adze/ao/nn/quantized/activation.h"
#include "adze/ao/nn/quantized/quantize.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/nn/sparse/quantized/dynamic/linear.h"
#include "adze/ao/nn/sparse/quantized/linear.h"
#include "adze/ao/quantization/stubs.h"
#include "adze/core/ops.h"
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
namespace nnsq = ao::nn::sparse::quantized;

template <class... M>
std::vector<ObjectType> pattern() {
  return {ObjectType::of<M>()...};
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

template <class Qat>
adze::nn::ModulePtr to_float(adze::nn::Module& module) {
  return module.as<Qat>().to_float();
}

// Linear, then the op relu.
Fused fuse_linear_relu_op(std::span<const adze::nn::ModulePtr> modules) {
  return {adze::nn::make<nni::LinearReLU>(modules[0], adze::nn::make<adze::nn::ReLU>()),
          adze::nn::Slots::inside};
}

// Rows of weighted layers: the plain layer, its fused form, and the qat forms of both.
void add_linear(BackendConfig& config) {
  const std::vector<DTypeConfig> dtypes{
      {quint8, quint8, qint8, float32},
      {qint8, qint8, qint8, float32},
      {quint8, float32, qint8, float32, /*is_dynamic=*/true},
      {qint8, float32, qint8, float32, /*is_dynamic=*/true},
      {float16, float32, float16, float32, /*is_dynamic=*/true},
      {float32, float32, qint8, float32},  // weight only
  };
  const auto root = ModuleType::of<adze::nn::Linear>();
  const auto row = [&](BackendPatternConfig c) {
    c.dtype_configs = dtypes;
    config.set_backend_pattern_config(std::move(c));
  };
  row({.pattern = pattern<adze::nn::Linear>(),
       .qat_module = nnqat::Linear::from_float,
       .reference_quantized_module = nnq::reference::Linear::from_float,
       .quantized_module = nnq::Linear::from_float,
       .dynamic_quantized_module = nnq::dynamic::Linear::from_float,
       .has_weight = true});
  row({.pattern = pattern<nnqat::Linear>(),
       .reference_quantized_module = nnq::reference::Linear::from_float,
       .quantized_module = nnq::Linear::from_float,
       .dynamic_quantized_module = nnq::dynamic::Linear::from_float,
       .has_weight = true,
       .root_module = root,
       .float_module = to_float<nnqat::Linear>});
  row({.pattern = pattern<adze::nn::Linear, adze::nn::ReLU>(), .fuser_method = fuse_linear_relu});
  row({.pattern = {ObjectType::of<adze::nn::Linear>(), ops::relu},
       .fuser_method = fuse_linear_relu_op});
  row({.pattern = pattern<nnqat::Linear, adze::nn::ReLU>(), .fuser_method = fuse_qat_linear_relu});
  row({.pattern = pattern<nni::LinearReLU>(),
       .qat_module = nni::qat::LinearReLU::from_float,
       .reference_quantized_module = reference_linear_relu,
       .quantized_module = nniq::LinearReLU::from_float,
       .dynamic_quantized_module = nniq::dynamic::LinearReLU::from_float,
       .has_weight = true,
       .root_module = root,
       .lowered_module = nniq::LinearReLU::from_reference,
       .dynamic_lowered_module = nniq::dynamic::LinearReLU::from_reference,
       .weight_only_module = nniq::dynamic::LinearReLU::weight_only_from_reference});
  row({.pattern = pattern<nni::qat::LinearReLU>(),
       .reference_quantized_module = reference_linear_relu,
       .quantized_module = nniq::LinearReLU::from_float,
       .dynamic_quantized_module = nniq::dynamic::LinearReLU::from_float,
       .has_weight = true,
       .root_module = root,
       .float_module = to_float<nni::qat::LinearReLU>});
  row({.pattern = pattern<nnq::reference::Linear>(),
       .root_module = root,
       .lowered_module = nnq::Linear::from_reference,
       .dynamic_lowered_module = nnq::dynamic::Linear::from_reference,
       .weight_only_module = nnq::dynamic::Linear::weight_only_from_reference});
  row({.pattern = {ops::linear},
       .weight_index = 1,
       .bias_index = 2,
       .quantized_op = &ops::quantized::linear,
       .dynamic_quantized_op = &ops::quantized::linear_dynamic,
       .dynamic_fp16_op = &ops::quantized::linear_dynamic_fp16});
  for (const ObjectType& relu : {ObjectType(ops::relu), ObjectType::of<adze::nn::ReLU>()})
    row({.pattern = {ops::linear, relu},
         .weight_index = 1,
         .bias_index = 2,
         .quantized_op = &ops::quantized::linear_relu,
         .dynamic_quantized_op = &ops::quantized::linear_relu_dynamic,
         .dynamic_fp16_op = &ops::quantized::linear_relu_dynamic_fp16});
}

// Sums and products, of two tensors or of one and a number, with or without the ReLU behind them.
void add_binary(BackendConfig& config, const std::vector<DTypeConfig>& dtypes, const OpBase& op,
                const OpBase& quantized, const OpBase& scalar, const OpBase& quantized_relu,
                const OpBase& scalar_relu) {
  BackendPatternConfig row{.pattern = {op},
                           .dtype_configs = dtypes,
                           .num_tensor_args_to_observation_type =
                               {{0, ObservationType::output_use_different_observer_as_input},
                                {1, ObservationType::output_share_observer_with_input},
                                {2, ObservationType::output_use_different_observer_as_input}},
                           .quantized_op = &quantized,
                           .quantized_scalar_op = &scalar};
  config.set_backend_pattern_config(row);
  row.quantized_op = &quantized_relu;
  row.quantized_scalar_op = &scalar_relu;
  for (const ObjectType& relu : {ObjectType(ops::relu), ObjectType::of<adze::nn::ReLU>()}) {
    row.pattern = {op, relu};
    config.set_backend_pattern_config(row);
  }
}

BackendConfig native() {
  const std::vector<DTypeConfig> int8{{quint8, quint8}, {qint8, qint8}};
  const auto shared = ObservationType::output_share_observer_with_input;
  BackendConfig config("native");
  const auto row = [&](BackendPatternConfig c) {
    if (c.dtype_configs.empty()) c.dtype_configs = int8;
    config.set_backend_pattern_config(std::move(c));
  };
  add_linear(config);
  add_binary(config, int8, ops::add, ops::quantized::add, ops::quantized::add_scalar,
             ops::quantized::add_relu, ops::quantized::add_scalar_relu);
  add_binary(config, int8, ops::mul, ops::quantized::mul, ops::quantized::mul_scalar,
             ops::quantized::mul_relu, ops::quantized::mul_scalar_relu);
  // The ends of the quantized part, in eager mode.
  row({.pattern = pattern<QuantStub>(),
       .dtype_configs = {{float32, quint8}},
       .quantized_module = nnq::Quantize::from_float});
  row({.pattern = pattern<DeQuantStub>(),
       .observation_type = ObservationType::input_output_not_observed,
       .dtype_configs = {{quint8, float32}},
       .quantized_module = nnq::DeQuantize::from_float,
       .has_output_observer = false});
  // What computes on quantized tensors as it is and keeps their qparams.
  for (const ObjectType& type : {ObjectType::of<adze::nn::ReLU>(),
                                 ObjectType::of<adze::nn::Identity>(),
                                 ObjectType::of<adze::nn::Flatten>(),
                                 ObjectType(ops::relu),
                                 ObjectType(ops::clamp),
                                 ObjectType(ops::stack),
                                 ObjectType(ops::reshape),
                                 ObjectType(ops::flatten),
                                 ObjectType(ops::permute),
                                 ObjectType(ops::transpose),
                                 ObjectType(ops::expand),
                                 ObjectType(ops::squeeze),
                                 ObjectType(ops::unsqueeze),
                                 ObjectType(ops::select),
                                 ObjectType(ops::slice),
                                 ObjectType(ops::contiguous),
                                 ObjectType(ops::detach),
                                 ObjectType(ops::clone),
                                 ObjectType(ops::split),
                                 ObjectType(ops::chunk),
                                 ObjectType(ops::getitem),
                                 ObjectType(ops::index_select)})
    row({.pattern = {type},
         .observation_type = shared,
         .has_output_observer = false,
         .runs_quantized = true});
  row({.pattern = {ops::cat},
       .observation_type = shared,
       .has_output_observer = false,
       .runs_quantized = true,
       .quantized_op = &ops::quantized::cat});
  row({.pattern = {ops::size},
       .observation_type = ObservationType::input_output_not_observed,
       .has_output_observer = false});
  row({.pattern = pattern<adze::nn::Dropout>(),
       .has_output_observer = false,
       .is_identity = true,
       .lowered_module = nnq::Dropout::from_float});
  // Results that always have the same range.
  const QParams unit{1.0 / 256, 0}, symmetric{2.0 / 256, 128};
  row({.pattern = pattern<adze::nn::Sigmoid>(), .fixed_qparams = unit, .runs_quantized = true});
  row({.pattern = {ops::sigmoid}, .fixed_qparams = unit, .runs_quantized = true});
  row({.pattern = pattern<adze::nn::Tanh>(), .fixed_qparams = symmetric, .runs_quantized = true});
  row({.pattern = {ops::tanh}, .fixed_qparams = symmetric, .runs_quantized = true});
  row({.pattern = {ops::softmax}, .fixed_qparams = unit, .quantized_op = &ops::quantized::softmax});
  row({.pattern = pattern<adze::nn::Softmax>(),
       .fixed_qparams = unit,
       .lowered_module = nnq::Softmax::from_float});
  return config;
}

template <class F>
void replace(F& form, F from, F to) {
  if (form == from) form = to;
}

BackendConfig in_blocks(const BackendConfig& native) {
  BackendConfig config("sparse");
  for (BackendPatternConfig row : native.configs()) {
    replace<FromFloat>(row.quantized_module, nnq::Linear::from_float, nnsq::Linear::from_float);
    replace<FromFloat>(row.quantized_module, nniq::LinearReLU::from_float,
                       nnsq::LinearReLU::from_float);
    replace<FromQParams>(row.lowered_module, nnq::Linear::from_reference,
                         nnsq::Linear::from_reference);
    replace<FromQParams>(row.lowered_module, nniq::LinearReLU::from_reference,
                         nnsq::LinearReLU::from_reference);
    replace<FromFloat>(row.dynamic_quantized_module, nnq::dynamic::Linear::from_float,
                       nnsq::dynamic::Linear::from_float);
    replace<FromFloat>(row.dynamic_quantized_module, nniq::dynamic::LinearReLU::from_float,
                       nnsq::dynamic::LinearReLU::from_float);
    replace<FromFloat>(row.dynamic_lowered_module, nnq::dynamic::Linear::from_reference,
                       nnsq::dynamic::Linear::from_reference);
    replace<FromFloat>(row.dynamic_lowered_module, nniq::dynamic::LinearReLU::from_reference,
                       nnsq::dynamic::LinearReLU::from_reference);
    config.set_backend_pattern_config(std::move(row));
  }
  return config;
}

}  // namespace

BackendConfig& BackendConfig::set_backend_pattern_config(BackendPatternConfig config) {
  check(!config.pattern.empty(), "backend config '", name_,
        "': a pattern needs at least one module");
  check(config.pattern.size() == 1 || config.fuser_method || config.pattern[0].is_op(),
        "backend config '", name_, "': a pattern of several modules needs a fuser_method");
  const auto same = std::find_if(configs_.begin(), configs_.end(),
                                 [&](const auto& c) { return c.pattern == config.pattern; });
  if (same == configs_.end()) {
    configs_.push_back(std::move(config));
  } else {
    *same = std::move(config);
  }
  return *this;
}

const BackendPatternConfig* BackendConfig::find(std::span<const ObjectType> pattern) const {
  for (const BackendPatternConfig& c : configs_)
    if (std::equal(c.pattern.begin(), c.pattern.end(), pattern.begin(), pattern.end())) return &c;
  return nullptr;
}

const BackendPatternConfig* BackendConfig::find(const adze::nn::Module& module) const {
  const ObjectType type = ModuleType::of(module);
  return find(std::span(&type, 1));
}

const BackendConfig& get_native_backend_config() {
  static const BackendConfig config = native();
  return config;
}

const BackendConfig& get_sparse_backend_config() {
  static const BackendConfig config = in_blocks(get_native_backend_config());
  return config;
}

}  // namespace adze::ao::quantization
