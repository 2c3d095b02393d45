#include "adze/ao/quantization/bias_correction.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "adze/ao/nn/quantized/linear.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/core/creation.h"
#include "adze/nn/traversal.h"

#include "quantization/positions.h"
#include "quantization/watch.h"

namespace adze::ao::quantization {
namespace {

using adze::nn::Module;
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

// A quantized layer with a bias.
struct Target {
  std::string path;
  Module *quantized, *partner;
  FeatureMean expected;
};

bool is_quantized_layer(Module& holder) {
  return dynamic_cast<nnq::LinearBase*>(&holder) || dynamic_cast<nnq::reference::Linear*>(&holder);
}

Tensor bias_of(Module& module) {
  return module.slot_holder().find_parameter("bias")->value().detach();
}

void set_bias(Module& module, const Tensor& bias) {
  Module& holder = module.slot_holder();
  if (auto* layer = dynamic_cast<nnq::LinearBase*>(&holder)) {
    layer->set_weight_bias(layer->weight_bias().first, bias);
  } else {
    holder.find_parameter("bias")->set(bias);
  }
}

void add_mean(TemporaryHooks& hooks, Module& module, FeatureMean& mean, bool relu) {
  hooks.add(module, [&mean, relu](Module&, const std::vector<Value>&, Value& output) {
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
      targets_.push_back({path, module, partner, {}});
    }
  }

  void apply() {
    measure_float();
    const std::vector<Target*> order = order_of_calls();
    for (const Target& t : targets_)
      if (std::find(order.begin(), order.end(), &t) == order.end())
        warn("bias_correction: '", shown(t.path), "' does not run; its bias stays");
    std::vector<std::pair<Module*, Tensor>> before;
    try {
      for (const Target* t : order) {
        const Tensor bias = bias_of(*t->quantized);
        const Tensor corrected = corrected_bias(*t, bias);
        before.emplace_back(t->quantized, bias.clone());
        set_bias(*t->quantized, corrected);
      }
    } catch (...) {
      for (const auto& [module, bias] : before) set_bias(*module, bias);
      throw;
    }
  }

 private:
  void measure_float() {
    TemporaryHooks hooks;
    for (Target& t : targets_)
      add_mean(hooks, *t.partner, t.expected,
               ends_in_relu(*t.quantized) && !ends_in_relu(*t.partner));
    run_(float_model_);
  }

  std::vector<Target*> order_of_calls() {
    std::vector<Target*> order;
    TemporaryHooks hooks;
    for (Target& t : targets_)
      hooks.add(*t.quantized, [&order, &t](Module&, const std::vector<Value>&, Value&) {
        if (std::find(order.begin(), order.end(), &t) == order.end()) order.push_back(&t);
      });
    run_(quantized_model_);
    return order;
  }

  Tensor corrected_bias(const Target& t, const Tensor& bias) {
    FeatureMean came;
    {
      TemporaryHooks hooks;
      add_mean(hooks, *t.quantized, came, ends_in_relu(*t.partner) && !ends_in_relu(*t.quantized));
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

}  // namespace

void bias_correction(Module& float_model, Module& quantized_model, const RunFunction& run) {
  check(static_cast<bool>(run), "bias_correction: the run function is empty");
  const Undisturbed float_guard(float_model), quantized_guard(quantized_model);
  Correction(float_model, quantized_model, run).apply();
}

void bias_correction(Module& float_model, Module& quantized_model, const TensorList& inputs) {
  check(!inputs.empty(), "bias_correction: needs inputs, got none");
  bias_correction(float_model, quantized_model, [&](Module& model) {
    for (const Tensor& input : inputs) model(input);
  });
}

}  // namespace adze::ao::quantization
