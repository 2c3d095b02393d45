#include "adze/ao/quantization/bias_correction.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "adze/ao/nn/quantized/linear.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/nn/traversal.h"

#include "ns/pairs.h"
#include "quantization/fx/function_steps.h"
#include "quantization/positions.h"
#include "quantization/watch.h"

namespace adze::ao::quantization {
namespace {

using adze::nn::Module;
using adze::nn::Parameter;
namespace nnq = ao::nn::quantized;

// Mean over all dimensions but the last.
class FeatureMean {
 public:
  void add(const Tensor& y) {
    const auto n = static_cast<std::size_t>(y.dim() > 0 ? y.size(-1) : 1);
    if (sums_.empty()) sums_.resize(n);
    check(sums_.size() == n, "bias_correction: outputs of ", sums_.size(), " and ", n, " features");
    const std::vector<double> values = y.to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i) sums_[i % n] += values[i];
    if (n > 0) rows_ += values.size() / n;
  }
  bool empty() const { return rows_ == 0; }
  std::size_t features() const { return sums_.size(); }
  double at(std::size_t i) const { return sums_[i] / static_cast<double>(rows_); }

 private:
  std::vector<double> sums_;
  std::size_t rows_ = 0;
};

// A module, or a functional layer of a graph.
struct Layer {
  Module* module = nullptr;
  adze::fx::GraphModule* graph = nullptr;
  adze::fx::Node* node = nullptr;

  explicit operator bool() const { return module || node; }
  bool has_relu() const { return module ? ends_in_relu(*module) : graph_mode::ends_in_relu(*node); }
};

// A quantized layer with a bias.
struct Target {
  std::string path;
  Layer quantized, partner;
  FeatureMean expected;
};

bool is_quantized_layer(Module& holder) {
  return dynamic_cast<nnq::LinearBase*>(&holder) || dynamic_cast<nnq::reference::Linear*>(&holder);
}

// The bias of a functional layer with a quantized weight, or nullptr.
Parameter* quantized_layer_bias(const graph_mode::FunctionStep& step) {
  const auto at = graph_mode::weight_arguments(*step.node->function());
  const auto& args = step.node->args();
  if (!at || std::max(at->weight, at->bias) >= args.size() || !args[at->weight].is_node())
    return nullptr;
  const bool is_reference = args[at->weight].node()->calls(ops::dequantize);
  if (!is_reference && !step.node->target().starts_with("quantized::")) return nullptr;
  return graph_mode::parameter_behind(*step.graph, args[at->bias]);
}

Parameter& bias_parameter(const Layer& layer) {
  if (layer.module) return *layer.module->slot_holder().find_parameter("bias");
  const auto at = graph_mode::weight_arguments(*layer.node->function());
  return *graph_mode::parameter_behind(*layer.graph, layer.node->arg(at->bias));
}

Tensor bias_of(const Layer& layer) {
  return bias_parameter(layer).value().detach();
}

void set_bias(const Layer& layer, const Tensor& bias) {
  Parameter& parameter = bias_parameter(layer);
  Module* holder = layer.module ? &layer.module->slot_holder() : nullptr;
  if (auto* linear = dynamic_cast<nnq::LinearBase*>(holder)) {
    linear->set_weight_bias(linear->weight_bias().first, bias);
  } else if (holder) {
    parameter.set(bias);
  } else {
    // A slot of its own: the float network may hold the other one.
    parameter.rebind(std::make_shared<adze::nn::Slot>(bias));
  }
}

template <class F>
void add_hook(TemporaryHooks& hooks, const Layer& layer, F hook) {
  if (layer.module) {
    hooks.add(*layer.module, hook);
  } else {
    hooks.add(*layer.graph, *layer.node, hook);
  }
}

void add_mean(TemporaryHooks& hooks, const Layer& layer, FeatureMean& mean, bool relu) {
  add_hook(hooks, layer, [&mean, relu](Module&, const std::vector<Value>&, Value& output) {
    mean.add(comparable(output.to_tensor(), relu));
  });
}

class Correction {
 public:
  Correction(Module& float_model, Module& quantized_model, const RunFunction& run)
      : float_model_(float_model), quantized_model_(quantized_model), run_(run) {
    for (const auto& [path, module] : counterparts(quantized_model)) {
      const adze::nn::Parameter* bias = module->slot_holder().find_parameter("bias");
      if (!is_quantized_layer(module->slot_holder()) || !bias || !bias->defined()) continue;
      Module* partner = adze::nn::find_module(float_model, path);
      check(partner != nullptr, "bias_correction: the float network has no module '", shown(path),
            "'");
      targets_.push_back({path, {.module = module}, {.module = partner}, {}});
    }
    add_functional_layers();
  }

  void apply() {
    measure_float();
    const std::vector<Target*> order = order_of_calls();
    for (const Target& t : targets_)
      if (std::find(order.begin(), order.end(), &t) == order.end())
        warn("bias_correction: '", shown(t.path), "' does not run; its bias stays");
    std::vector<std::pair<Layer, Tensor>> before;
    try {
      for (const Target* t : order) {
        const Tensor bias = bias_of(t->quantized);
        const Tensor corrected = corrected_bias(*t, bias);
        before.emplace_back(t->quantized, bias.clone());
        set_bias(t->quantized, corrected);
      }
    } catch (...) {
      for (const auto& [layer, bias] : before) set_bias(layer, bias);
      throw;
    }
  }

 private:
  void add_functional_layers() {
    const auto partners = graph_mode::function_steps(float_model_);
    std::vector<const adze::nn::Slot*> met;
    for (const auto& step : graph_mode::function_steps(quantized_model_)) {
      const Parameter* bias = quantized_layer_bias(step);
      if (!bias || !bias->defined()) continue;
      const auto partner = std::find_if(partners.begin(), partners.end(),
                                        [&](const auto& p) { return p.name == step.name; });
      check(partner != partners.end(), "bias_correction: the float network has no step '",
            step.name, "'");
      check(std::find(met.begin(), met.end(), bias->slot().get()) == met.end(),
            "bias_correction: '", step.name, "' shares its bias with another layer");
      met.push_back(bias->slot().get());
      targets_.push_back({step.name,
                          {.graph = step.graph, .node = step.node},
                          {.graph = partner->graph, .node = partner->node},
                          {}});
    }
  }

  void measure_float() {
    TemporaryHooks hooks;
    for (Target& t : targets_)
      add_mean(hooks, t.partner, t.expected, t.quantized.has_relu() && !t.partner.has_relu());
    run_(float_model_);
  }

  std::vector<Target*> order_of_calls() {
    std::vector<Target*> order;
    TemporaryHooks hooks;
    for (Target& t : targets_)
      add_hook(hooks, t.quantized, [&order, &t](Module&, const std::vector<Value>&, Value&) {
        if (std::find(order.begin(), order.end(), &t) == order.end()) order.push_back(&t);
      });
    run_(quantized_model_);
    return order;
  }

  Tensor corrected_bias(const Target& t, const Tensor& bias) {
    FeatureMean came;
    {
      TemporaryHooks hooks;
      add_mean(hooks, t.quantized, came, t.partner.has_relu() && !t.quantized.has_relu());
      run_(quantized_model_);
    }
    check(!t.expected.empty() && !came.empty(), "bias_correction: '", shown(t.path),
          "' gave no outputs in the ", t.expected.empty() ? "float" : "quantized", " network");
    std::vector<float> values = bias.to_vector<float>();
    check(t.expected.features() == values.size() && came.features() == values.size(),
          "bias_correction: '", shown(t.path), "' has ", values.size(),
          " features, its outputs have ", came.features(), ", those of the float network ",
          t.expected.features());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double error = came.at(i) - t.expected.at(i);
      check(std::isfinite(error), "bias_correction: outputs of '", shown(t.path),
            "' are not finite");
      values[i] = static_cast<float>(values[i] - error);
    }
    return from_vector(values, bias.sizes());
  }

  Module &float_model_, &quantized_model_;
  const RunFunction& run_;
  std::deque<Target> targets_;  // hooks refer to its elements
};

void correct(Module& float_model, Module& quantized_model, const TensorList& inputs,
             const RunFunction& run) {
  const Undisturbed float_guard(float_model), quantized_guard(quantized_model);
  const adze::nn::ModulePtr root = ns::comparable_form(float_model, quantized_model, inputs);
  Correction(*root, quantized_model, run).apply();
}

}  // namespace

void bias_correction(Module& float_model, Module& quantized_model, const RunFunction& run) {
  check(static_cast<bool>(run), "bias_correction: the run function is empty");
  correct(float_model, quantized_model, {}, run);
}

void bias_correction(Module& float_model, Module& quantized_model, const TensorList& inputs) {
  check(!inputs.empty(), "bias_correction: needs inputs, got none");
  correct(float_model, quantized_model, inputs, [&](Module& model) {
    for (const Tensor& input : inputs) model(input);
  });
}

}  // namespace adze::ao::quantization
