#include "quantization/fx/equalization.h"

#include <algorithm>
#include <list>

#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/quantization/fake_quantize.h"
#include "adze/core/ops.h"
#include "adze/nn/activation.h"
#include "adze/nn/linear.h"
#include "adze/nn/traversal.h"

#include "quantization/fx/function_steps.h"

namespace adze::ao::quantization::graph_mode {
namespace {

using adze::nn::Buffer;
using adze::nn::Parameter;

// The tensors of a layer that is scaled: weight (out, in), bias (out) or nullptr.
struct LayerTensors {
  Parameter* weight = nullptr;
  Parameter* bias = nullptr;
  explicit operator bool() const { return weight != nullptr; }
};

LayerTensors tensors_of(GraphModule& module, const Node& node) {
  LayerTensors t;
  if (node.is_module_call()) {
    adze::nn::Module& holder = module.submodule(node)->slot_holder();
    auto* linear = dynamic_cast<adze::nn::Linear*>(&holder);
    if (!linear || dynamic_cast<ao::nn::quantized::reference::Linear*>(&holder)) return {};
    t.weight = &linear->weight;
    if (linear->bias.defined()) t.bias = &linear->bias;
  } else if (node.calls(ops::linear)) {
    const auto at = weight_arguments(ops::linear);
    t.weight = parameter_behind(module, node.arg(at->weight));
    const bool has_bias = at->bias < node.args().size() && node.arg(at->bias).is_node();
    t.bias = has_bias ? parameter_behind(module, node.arg(at->bias)) : nullptr;
    if (has_bias && !t.bias) return {};
  }
  return t;
}

bool is_relu(GraphModule& module, const Node& n) {
  return n.calls(ops::relu) ||
         (n.is_module_call() &&
          dynamic_cast<const adze::nn::ReLU*>(module.submodule(n).ptr().get()) != nullptr);
}

// How many modules and steps use the slot of a parameter.
int uses(GraphModule& module, const Parameter& p) {
  int places = 0, reads = 0;
  adze::nn::for_each_parameter(
      module, [&](const std::string&, Parameter& other) { places += other.slot() == p.slot(); });
  for (const Node& n : module.graph().nodes())
    if (n.is_get_attr() && module.parameter(n).slot() == p.slot())
      reads += static_cast<int>(n.users().size());
  return std::max(places, reads);
}

// Why the tensors of a layer may not be scaled; "" when they may.
std::string unscalable(GraphModule& module, const Node& node) {
  const LayerTensors t = tensors_of(module, node);
  if (!t) return "it is no linear layer with a weight of its own";
  if (node.is_module_call() &&
      module.graph().find_nodes(adze::fx::Opcode::call_module, node.target()).size() > 1)
    return "it is called several times";
  for (const Parameter* p : {t.weight, t.bias}) {
    if (!p) continue;
    for (const auto& link : p->slot()->chain())
      if (!link->is_mask()) return "its " + p->name() + " has the parametrization " + link->type();
    if (uses(module, *p) > 1) return "its " + p->name() + " is used at several places";
  }
  return {};
}

// Why the range of the observer of an input may not be scaled; "" when it may.
std::string unmovable(GraphModule& module, const Node& observer) {
  const auto seen = observer_at(module, observer);
  if (!seen || !is_quantized(seen->dtype()) || seen->is_dynamic() || seen->is_per_channel())
    return "its input is not quantized statically";
  if (dynamic_cast<FakeQuantizeBase*>(seen.get()))
    return "its input is fake-quantized; equalize before training";
  if (dynamic_cast<FixedQParamsObserver*>(seen.get())) return "its input has a fixed range";
  if (observer.users().size() > 1 || observer.arg(0).node()->users().size() > 1)
    return "it is part of a branch";
  for (const Node& n : module.graph().nodes())
    if (&n != &observer && observer_at(module, n) == seen) return "its input shares its range";
  return {};
}

bool covers(const std::string& name, const std::string& path) {
  return path == name ||
         (path.size() > name.size() && path.starts_with(name) && path[name.size()] == '.');
}
bool names_node(const std::string& name, const Node& node) {
  return name == node.name() || covers(name, scope_of(node));
}

EqualizationMapping::Config config_of(GraphModule& module, Node& node,
                                      const EqualizationMapping& mapping,
                                      const BackendConfig& backend) {
  EqualizationMapping::Config q = mapping.global();
  std::vector<ObjectType> types{*type_of(module, node)};
  if (const Row* row = row_of(module, backend, {&node}); row && row->root_module)
    types.push_back(*row->root_module);
  for (const auto& [type, config] : mapping.object_types())
    if (std::find(types.begin(), types.end(), type) != types.end()) q = config;
  std::size_t longest = 0;
  for (const auto& [name, config] : mapping.module_names()) {
    if (!names_node(name, node) || name.size() < longest) continue;
    longest = name.size();
    q = config;
  }
  return q;
}

void check_names(GraphModule& module, const EqualizationMapping& mapping, const char* where) {
  const std::list<Node>& nodes = module.graph().nodes();
  for (const auto& [name, config] : mapping.module_names())
    check(std::any_of(nodes.begin(), nodes.end(),
                      [&key = name](const Node& n) { return names_node(key, n); }),
          where, ": the equalization mapping names '", name, "', which does not exist");
}

InputEqualizationObserver* process_at(GraphModule& module, const Node& n) {
  return n.is_module_call()
             ? dynamic_cast<InputEqualizationObserver*>(module.submodule(n).ptr().get())
             : nullptr;
}

// One layer that is equalized.
struct Equalized {
  Node *process, *observer, *layer;
  Tensor scale = {};         // (in); undefined: stays as it is
  Node* producer = nullptr;  // takes the scale into its rows; nullptr: a step multiplies
};

Tensor scale_of(GraphModule& module, const Equalized& e, const char* where) {
  const InputEqualizationObserver& seen = *process_at(module, *e.process);
  if (!seen.has_data()) {
    warn(where, ": the input of '", e.layer->name(), "' was never observed; it is not equalized");
    return {};
  }
  const Tensor weight = tensors_of(module, *e.layer).weight->value().detach();
  const auto [low, high] = seen.ranges();
  check(low.numel() == weight.size(1), where, ": '", e.layer->name(),
        "': input and weight must have the same number of columns, found ", low.numel(), " and ",
        weight.size(1));
  const auto [weight_low, weight_high] = aminmax(weight, 1);
  const Tensor s = sqrt((weight_high - weight_low) / (high - low));
  return adze::where(logical_and(gt(s, 0), isfinite(s)), s, 1.0f);
}

// The layer whose rows can take a scale: it alone makes the value, behind a ReLU perhaps.
Node* producer_of(GraphModule& module, const Node& observer) {
  Node* n = observer.arg(0).node();
  if (is_relu(module, *n) && n->arg(0).is_node()) {
    n = n->arg(0).node();
    if (n->users().size() != 1) return nullptr;
  }
  return unscalable(module, *n).empty() ? n : nullptr;
}

// To the stored tensor: a positive factor keeps what masks and pins hold at zero.
void scale(const Parameter& p, const Tensor& factors) {
  p.slot()->write(p.slot()->original().detach() * factors);
}

// An observer that has seen the range of the scaled channels takes the place of the input's.
void scale_range(GraphModule& module, const Equalized& e) {
  const auto [low, high] = process_at(module, *e.process)->ranges();
  const auto old = observer_at(module, *e.observer);
  auto fresh = adze::nn::make<MinMaxObserver>(ObserverOptions{.dtype = old->dtype(),
                                                              .qscheme = old->qscheme(),
                                                              .quant_min = old->quant_min(),
                                                              .quant_max = old->quant_max()});
  (*fresh)(cat({low * e.scale, high * e.scale}, 0));
  fresh->train(old->training());
  module.submodule(*e.observer).set(fresh);
}

void multiply_in_front(GraphModule& module, const Equalized& e) {
  Graph& graph = module.graph();
  Node& value = *e.observer->arg(0).node();
  const std::string name = free_member(module, value.name() + "_equalization_scale");
  module.add_parameter(name, Buffer(name, e.scale));
  const auto at = graph.inserting_before(*e.observer);
  Node& factors = graph.get_attr(name);
  Node& product = graph.call_function(ops::mul, {value, factors});
  product.meta = value.meta;
  e.observer->replace_input_with(value, product);
  module.notes[float_note + product.name()] = std::string("it scales what is quantized behind it");
  module.notes[prefix_note + e.observer->name()] = std::string();
}

}  // namespace

void insert_equalization(GraphModule& module, const EqualizationMapping& mapping,
                         const BackendConfig& backend, const char* where) {
  if (mapping.empty()) return;
  check_names(module, mapping, where);
  for (Node* n : module.graph().node_list()) {
    if (!type_of(module, *n) || observer_at(module, *n) || n->args().empty() ||
        !n->arg(0).is_node() || !tensors_of(module, *n))
      continue;
    const auto q = config_of(module, *n, mapping, backend);
    if (!q) continue;
    Node& observer = *n->arg(0).node();
    std::string why = unscalable(module, *n);
    if (why.empty()) why = unmovable(module, observer);
    if (!why.empty()) {
      warn(where, ": cannot equalize '", n->name(), "' because ", why);
      continue;
    }
    check(static_cast<bool>(q->input_activation), where,
          ": the equalization qconfig has no observer for inputs");
    const std::string name = free_member(module, observer.name() + "_equalization_process_");
    module.add_submodule(name, adze::nn::make<InputEqualizationObserver>(q->input_activation()));
    const auto at = module.graph().inserting_after(observer);
    Node& process = module.graph().call_module(name, {observer});
    process.meta = observer.meta;
    n->replace_input_with(observer, process);
  }
}

void apply_equalization(GraphModule& module, const char* where) {
  const NoGrad guard;
  std::vector<Equalized> all;
  for (Node* n : module.graph().node_list())
    if (process_at(module, *n)) all.push_back({n, n->arg(0).node(), n->users().front()});
  for (Equalized& e : all) {
    e.scale = scale_of(module, e, where);
    e.producer = producer_of(module, *e.observer);
  }
  for (const Equalized& e : all) {
    if (e.scale.defined()) {
      scale(*tensors_of(module, *e.layer).weight, reciprocal(e.scale));
      if (e.producer) {
        const LayerTensors t = tensors_of(module, *e.producer);
        scale(*t.weight, e.scale.unsqueeze(1));
        if (t.bias) scale(*t.bias, e.scale);
      } else {
        multiply_in_front(module, e);
      }
      scale_range(module, e);
    }
    const std::string name = e.process->target();
    e.process->replace_all_uses_with(*e.observer);
    module.graph().erase_node(*e.process);
    module.remove_member(name);
  }
}

}  // namespace adze::ao::quantization::graph_mode
