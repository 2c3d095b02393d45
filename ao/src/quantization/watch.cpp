#include "quantization/watch.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "adze/ao/nn/intrinsic/linear_relu.h"
#include "adze/ao/nn/intrinsic/qat/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/linear_relu.h"
#include "adze/ao/nn/qat/linear.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/quantization/equalize_fx.h"
#include "adze/ao/quantization/observer_base.h"
#include "adze/core/ops.h"
#include "adze/fx/hook_point.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

#include "quantization/fx/graph_state.h"

namespace adze::ao::quantization {
namespace {

using adze::nn::Module;
using adze::nn::Submodule;

template <class M>
bool is(const Module& module) {
  return dynamic_cast<const M*>(&module) != nullptr;
}

bool stands_for_no_module(const Module& module) {
  return is<adze::fx::HookPoint>(module) || is<InputEqualizationObserver>(module) ||
         (is<adze::fx::Scope>(module) && !is<adze::fx::GraphModule>(module));
}

// A step of a graph that shows a hook what another step was given and gave.
class ProbeModule : public Module {
 public:
  ProbeModule(Module& graph, adze::nn::ForwardHook hook) : graph_(graph), hook_(std::move(hook)) {}
  std::string qualified_type() const override { return "adze::ao::quantization::ProbeModule"; }

 protected:
  Tensor forward_tensor(const Tensor& x) override {
    const Value output(x);
    forward_values(std::span(&output, 1));
    return x;
  }
  Value forward_values(std::span<const Value> args) override {
    Value output = args.back();
    hook_(graph_, {args.begin(), args.end() - 1}, output);
    return args.back();
  }
  adze::nn::ModulePtr shallow_copy() const override { return std::make_shared<ProbeModule>(*this); }

 private:
  Module& graph_;
  adze::nn::ForwardHook hook_;
};

}  // namespace

std::vector<std::pair<std::string, Module*>> counterparts(Module& root) {
  std::vector<std::pair<std::string, Module*>> found;
  std::set<const Module*> seen;
  const auto visit = [&](const std::string& path, Module& module) {
    if (is<ObserverOrFakeQuant>(module) || !seen.insert(&module).second) return false;
    if (!stands_for_no_module(module)) found.emplace_back(path, &module);
    return &module.slot_holder() == &module;
  };
  if (visit("", root))
    adze::nn::for_each_child(
        root, [&](const std::string& path, Submodule& at) { return visit(path, *at); });
  return found;
}

std::string shown_type(const Module& module) {
  std::string type = module.qualified_type();
  for (const std::string_view prefix : {"adze::", "ao::"})
    if (type.starts_with(prefix)) type.erase(0, prefix.size());
  return type;
}

Tensor computed_weight(Module& module) {
  NoGrad guard;
  Module& holder = module.slot_holder();
  if (auto* reference = dynamic_cast<ao::nn::quantized::reference::Linear*>(&holder))
    return dequantize(reference->quantized_weight());
  const adze::nn::Parameter* weight = holder.find_parameter("weight");
  if (!weight || !weight->defined()) return {};
  const Tensor value = weight->value();
  if (auto* qat = dynamic_cast<ao::nn::qat::Linear*>(&holder)) {
    // A copy: the fake-quantize may look for the weight's range first.
    const auto fake_quant = adze::nn::deepcopy(qat->weight_fake_quant.ptr());
    return (*fake_quant)(value).detach();
  }
  return comparable(value, /*relu=*/false);
}

bool is_layer(Module& module) {
  if (&module.slot_holder() != &module) return true;
  const auto children = module.list().modules;
  return std::all_of(children.begin(), children.end(), [](const adze::nn::Submodule* child) {
    return dynamic_cast<const ObserverOrFakeQuant*>(child->ptr().get()) != nullptr;
  });
}

bool ends_in_relu(Module& module) {
  namespace nni = ao::nn::intrinsic;
  return is<nni::LinearReLU>(module) || is<nni::qat::LinearReLU>(module) ||
         is<nni::quantized::LinearReLU>(module) || is<nni::quantized::dynamic::LinearReLU>(module);
}

Tensor comparable(const Tensor& output, bool relu) {
  const Tensor value = output.is_quantized() ? dequantize(output) : output.detach();
  return relu ? adze::relu(value) : value;
}

Undisturbed::Undisturbed(Module& root) {
  adze::nn::Memo memo;
  std::vector<adze::nn::ModulePtr> copies;
  adze::nn::for_each_child(root, [&](const std::string&, Submodule& at) {
    if (!is<ObserverOrFakeQuant>(*at)) return true;
    copies.push_back(adze::nn::deepcopy(*at, memo));
    observers_.emplace_back(&at, at.ptr());
    return false;
  });
  adze::nn::for_each_module(root, [&](const std::string&, Module& m) {
    modes_.emplace_back(&m, m.training());
    if (auto* graph = dynamic_cast<adze::fx::GraphModule*>(&m))
      notes_.emplace_back(graph, graph->notes);
  });
  try {
    for (std::size_t i = 0; i < copies.size(); ++i) observers_[i].first->set(copies[i]);
    root.eval();
  } catch (...) {
    restore();
    throw;
  }
}

void Undisturbed::restore() {
  for (auto& [graph, notes] : notes_) graph->notes = std::move(notes);
  for (auto at = observers_.rbegin(); at != observers_.rend(); ++at) at->first->set(at->second);
  // train() reaches everything below, also modules that are shared with another parent: each round
  // puts one more level right.
  for (std::size_t rounds = modes_.size(); rounds > 0; --rounds) {
    bool right = true;
    for (const auto& [module, mode] : modes_) {
      if (module->training() == mode) continue;
      module->train(mode);
      right = false;
    }
    if (right) return;
  }
}

TemporaryHooks::~TemporaryHooks() {
  for (const adze::nn::HookHandle& handle : handles_) handle.remove();
  for (const Probe& probe : probes_) {
    const std::string name = probe.node->target();
    probe.graph->graph().erase_node(*probe.node);
    probe.graph->remove_member(name);
  }
}

void TemporaryHooks::add(Module& module, adze::nn::ForwardHook hook) {
  handles_.push_back(module.register_forward_hook(std::move(hook)));
}

void TemporaryHooks::add(adze::fx::GraphModule& graph, adze::fx::Node& node,
                         adze::nn::ForwardHook hook) {
  const std::string name = graph_mode::free_member(graph, "_probe_");
  graph.add_submodule(name, std::make_shared<ProbeModule>(graph, std::move(hook)));
  std::vector<adze::fx::Argument> args = node.args();
  args.emplace_back(node);
  const auto at = graph.graph().inserting_after(node);
  probes_.push_back({&graph, &graph.graph().call_module(name, std::move(args))});
}

}  // namespace adze::ao::quantization
