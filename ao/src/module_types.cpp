#include "adze/ao/module_types.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
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
#include "adze/ao/pruning/fake_sparsity.h"
#include "adze/ao/quantization/attach.h"
#include "adze/ao/quantization/equalize_fx.h"
#include "adze/ao/quantization/stubs.h"
#include "adze/fx/module_types.h"

#include "quantization/fx/calibrated_zeros.h"
#include "quantization/options.h"

namespace adze::ao {
namespace {

using adze::nn::make;
using adze::nn::Module;
using adze::nn::ModulePtr;
using adze::nn::ModuleSpec;
using adze::nn::ModuleTypes;
namespace intrinsic = ao::nn::intrinsic;
namespace quantized = ao::nn::quantized;
namespace sparse = ao::nn::sparse::quantized;
namespace tq = ao::quantization;

constexpr const char* observer_name = "activation_post_process";
constexpr const char* weight_zeros = "weight_zeros";

template <class M, class Options>
std::shared_ptr<M> build_observer(const ModuleSpec& spec) {
  auto settings = spec.config;
  settings.erase(weight_zeros);
  return make<M>(tq::options_from_values<Options>(std::move(settings)));
}

template <class M, class Options = tq::ObserverOptions>
void add_observer(ModuleTypes& types) {
  types.add<M>([](const ModuleSpec& spec) { return build_observer<M, Options>(spec); });
}

template <class M>
ModulePtr build_fake_quantize(const ModuleSpec& spec) {
  const auto observer = std::dynamic_pointer_cast<tq::ObserverBase>(spec.child(observer_name));
  check(observer != nullptr, "the child '", observer_name, "' is a ",
        spec.child(observer_name)->type(), ", not an observer");
  return make<M>(observer);
}

ModulePtr build_histogram(const ModuleSpec& spec) {
  const std::int64_t bins = spec.require_tensor("histogram").numel();
  check(spec.at("bins").to_int() == bins, "the histogram has ", bins, " bins, its setting is ",
        spec.at("bins").str());
  return build_observer<tq::HistogramObserver, tq::ObserverOptions>(spec);
}

template <class M>
ModulePtr build_qat(const ModuleSpec& spec) {
  return make<M>(spec.tensor("weight"), spec.tensor("bias"), spec.child("weight_fake_quant"));
}

// The grid of what a module gives.
struct OutputGrid {
  explicit OutputGrid(const ModuleSpec& spec)
      : scale(spec.require_tensor("scale").item()),
        zero_point(spec.require_tensor("zero_point").item<std::int64_t>()),
        dtype(spec.at("dtype").to_dtype()) {}
  double scale;
  std::int64_t zero_point;
  DType dtype;
};

kernels::WeightLayout layout_of(const ModuleSpec& spec) {
  const auto it = spec.config.find("layout");
  if (it == spec.config.end()) return {};
  try {
    return kernels::weight_layout_from(it->second.to_string());
  } catch (const std::runtime_error& error) {
    fail(error.what());
  }
}

// The shape of the blocks of a layer that is always sparse.
kernels::BlockShape block_of(const ModuleSpec& spec) {
  const auto layout = layout_of(spec);
  check(layout.kind == kernels::WeightLayout::Kind::sparse,
        "a sparse layer must have blocks for a layout");
  return layout.block;
}

template <class M>
ModulePtr build_quantized(const ModuleSpec& spec) {
  const OutputGrid out(spec);
  return make<M>(spec.require_tensor("weight"), spec.tensor("bias"), out.scale, out.zero_point,
                 out.dtype, layout_of(spec));
}

template <class M>
ModulePtr build_sparse(const ModuleSpec& spec) {
  const OutputGrid out(spec);
  const auto block = block_of(spec);
  return make<M>(spec.require_tensor("weight"), spec.tensor("bias"), out.scale, out.zero_point,
                 block.rows, block.cols, out.dtype);
}

quantized::dynamic::LinearOptions dynamic_options(const ModuleSpec& spec) {
  return {.reduce_range = spec.at("reduce_range").to_bool(),
          .weight_only = spec.at("weight_only").to_bool(),
          .layout = layout_of(spec)};
}

template <class M>
ModulePtr build_dynamic(const ModuleSpec& spec) {
  return make<M>(spec.require_tensor("weight"), spec.tensor("bias"), dynamic_options(spec));
}

template <class M>
ModulePtr build_sparse_dynamic(const ModuleSpec& spec) {
  const auto block = block_of(spec);
  return make<M>(spec.require_tensor("weight"), spec.tensor("bias"), block.rows, block.cols,
                 dynamic_options(spec));
}

ModulePtr build_reference(const ModuleSpec& spec) {
  const Tensor weight = spec.require_tensor("weight");
  const DType dtype = spec.at("weight_dtype").to_dtype();
  const QScheme scheme = tq::qscheme_from_name(spec.at("weight_qscheme").to_string());
  const Tensor scale = spec.require_tensor("weight_scale").to(float64);
  const Tensor zero_point = spec.require_tensor("weight_zero_point").to(float64);
  QuantizerPtr grid;
  if (scheme == per_tensor_affine) {
    grid = make_per_tensor_quantizer(scale.item(), zero_point.item<std::int64_t>(), dtype);
  } else {
    check(scheme == per_channel_affine, "the weight cannot be on a grid ", scheme);
    const std::int64_t axis = spec.at("weight_axis").to_int();
    check(axis >= 0 && axis < weight.dim() && scale.sizes() == Shape{weight.size(axis)},
          "scales of shape ", scale.sizes(), " along axis ", axis, " do not fit the weight ",
          weight.sizes());
    grid = make_per_channel_quantizer(scale.to_vector<double>(), zero_point.to_vector<double>(),
                                      axis, dtype);
  }
  return make<quantized::reference::Linear>(weight, spec.tensor("bias"), grid, dtype);
}

// Puts back what an observer noted about the weights that it saw. The versions are other ones now,
// so that the zeros themselves are compared.
void restore_weight_zeros(tq::ObserverOrFakeQuant& observer, const ModuleSpec& spec) {
  const auto it = spec.config.find(weight_zeros);
  if (it == spec.config.end()) return;
  const Value::List& list = it->second.to_list();
  check(list.size() % 2 == 0, "'", weight_zeros, "' must hold pairs");
  for (std::size_t i = 0; i < list.size(); i += 2)
    observer.weight_zeros[list[i].to_string()] = {
        .version = std::numeric_limits<std::uint64_t>::max(),
        .fingerprint = static_cast<std::uint64_t>(list[i + 1].to_int())};
}

void finish(Module& module, const ModuleSpec& spec) {
  if (auto* observer = dynamic_cast<tq::ObserverOrFakeQuant*>(&module)) {
    restore_weight_zeros(*observer, spec);
  } else if (spec.has_added(observer_name) && tq::activation_post_process(module)) {
    tq::resume_observer(module);
  } else if (auto* graph = dynamic_cast<adze::fx::GraphModule*>(&module)) {
    tq::graph_mode::resume_calibrated_zeros(*graph);
  }
}

void add_observers(ModuleTypes& types) {
  add_observer<tq::MinMaxObserver>(types);
  add_observer<tq::MovingAverageMinMaxObserver>(types);
  add_observer<tq::PerChannelMinMaxObserver>(types);
  add_observer<tq::MovingAveragePerChannelMinMaxObserver>(types);
  types.add<tq::HistogramObserver>(build_histogram);
  add_observer<tq::FixedQParamsObserver, tq::FixedQParamsOptions>(types);
  add_observer<tq::PlaceholderObserver, tq::PlaceholderOptions>(types);
  add_observer<tq::NoopObserver, tq::NoopOptions>(types);
  add_observer<tq::RecordingObserver, tq::RecordingOptions>(types);
  add_observer<tq::ReuseInputObserver, tq::ReuseInputOptions>(types);
  types.add<tq::FakeQuantize>(build_fake_quantize<tq::FakeQuantize>);
  types.add<tq::FixedQParamsFakeQuantize>(build_fake_quantize<tq::FixedQParamsFakeQuantize>);
  types.add<tq::FusedMovingAvgObsFakeQuantize>(
      build_fake_quantize<tq::FusedMovingAvgObsFakeQuantize>);
}

void add_layers(ModuleTypes& types) {
  types.add<tq::QuantStub>().add<tq::DeQuantStub>();
  types.add<tq::InputEqualizationObserver>([](const ModuleSpec& spec) {
    return make<tq::InputEqualizationObserver>(spec.child("input_obs"));
  });
  types.add<tq::QuantWrapper>(
      [](const ModuleSpec& spec) { return make<tq::QuantWrapper>(spec.child("module")); });
  types.add<intrinsic::LinearReLU>([](const ModuleSpec& spec) {
    return make<intrinsic::LinearReLU>(spec.child("0"), spec.child("1"));
  });
  types.add<ao::nn::qat::Linear>(build_qat<ao::nn::qat::Linear>);
  types.add<intrinsic::qat::LinearReLU>(build_qat<intrinsic::qat::LinearReLU>);
  types.add<quantized::Linear>(build_quantized<quantized::Linear>);
  types.add<intrinsic::quantized::LinearReLU>(build_quantized<intrinsic::quantized::LinearReLU>);
  types.add<quantized::dynamic::Linear>(build_dynamic<quantized::dynamic::Linear>);
  types.add<intrinsic::quantized::dynamic::LinearReLU>(
      build_dynamic<intrinsic::quantized::dynamic::LinearReLU>);
  types.add<sparse::Linear>(build_sparse<sparse::Linear>);
  types.add<sparse::LinearReLU>(build_sparse<sparse::LinearReLU>);
  types.add<sparse::dynamic::Linear>(build_sparse_dynamic<sparse::dynamic::Linear>);
  types.add<sparse::dynamic::LinearReLU>(build_sparse_dynamic<sparse::dynamic::LinearReLU>);
  types.add<quantized::reference::Linear>(build_reference);
  types.add<quantized::Quantize>([](const ModuleSpec& spec) {
    const OutputGrid out(spec);
    return make<quantized::Quantize>(out.scale, out.zero_point, out.dtype);
  });
  types.add<quantized::DeQuantize>();
  types.add<quantized::Softmax>([](const ModuleSpec& spec) {
    return make<quantized::Softmax>(spec.at("dim").to_int(), spec.at("scale").to_double(),
                                    spec.at("zero_point").to_int());
  });
  types.add<quantized::Dropout>();
}

}  // namespace

const ModuleTypes& module_types() {
  static const ModuleTypes types = [] {
    ModuleTypes t = adze::nn::module_types();
    adze::fx::add_module_types(t);
    add_layers(t);
    add_observers(t);
    t.add_parametrization("FakeSparsity", [](const adze::nn::ParametrizationSpec& spec) {
      return std::make_shared<pruning::FakeSparsity>(spec.require_tensor("mask"), spec.owner,
                                                     spec.state);
    });
    t.set_qconfig_form({.write = tq::qconfig_to_value, .read = tq::qconfig_from_value});
    t.on_loaded(finish);
    return t;
  }();
  return types;
}

void save_model(Module& root, const std::string& path,
                const std::map<std::string, std::string>& metadata) {
  adze::nn::save_model(root, path, module_types(), metadata);
}

ModulePtr load_model(const std::string& path, std::map<std::string, std::string>* metadata) {
  return adze::nn::load_model(path, module_types(), metadata);
}

}  // namespace adze::ao
