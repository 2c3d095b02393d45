#include "quantization/fx/function_steps.h"

#include <algorithm>

#include "adze/ao/quantization/fake_quantize.h"
#include "adze/core/ops.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

#include "quantization/fx/match.h"

namespace adze::ao::quantization::graph_mode {
namespace {

/// + name of a node: name of the float network's node that it stands for.
constexpr const char* origin_note = "quantization.origin.";

std::string origin_of(const GraphModule& module, const Node& node) {
  const auto it = module.notes.find(origin_note + node.name());
  return it == module.notes.end() ? node.name() : it->second.to_string();
}

}  // namespace

std::vector<FunctionStep> function_steps(adze::nn::Module& root) {
  std::vector<FunctionStep> steps;
  adze::nn::for_each_module(root, [&](const std::string& path, adze::nn::Module& m) {
    auto* graph = dynamic_cast<GraphModule*>(&m);
    if (!graph) return;
    for (Node* n : graph->graph().node_list())
      if (n->function() && computes(*graph, *n) && is_tensor(*n) && !is_list(*n) &&
          !is_constant(*n))
        steps.push_back({adze::nn::join_path(path, origin_of(*graph, *n)), graph, n});
  });
  return steps;
}

void note_origin(GraphModule& module, const Node& node, const std::string& name) {
  if (node.name() != name) module.notes[origin_note + node.name()] = name;
}

bool ends_in_relu(const Node& node) {
  return node.function() && node.function()->name().find("_relu") != std::string_view::npos;
}

bool is_constant(const Node& node) {
  if (node.is_placeholder()) return false;
  const std::vector<Node*> inputs = node.all_input_nodes();
  return std::all_of(inputs.begin(), inputs.end(), [](const Node* n) { return is_constant(*n); });
}

std::optional<WeightArguments> weight_arguments(const OpBase& op) {
  for (const Row& row : get_native_backend_config().configs()) {
    if (!row.weight_index || !row.bias_index) continue;
    if (row.pattern.front() == ObjectType(op) || row.quantized_op == &op ||
        row.dynamic_quantized_op == &op || row.dynamic_fp16_op == &op)
      return WeightArguments{*row.weight_index, *row.bias_index};
  }
  return std::nullopt;
}

Tensor functional_weight(GraphModule& module, const Node& node) {
  const auto at = node.function() ? weight_arguments(*node.function()) : std::nullopt;
  if (!at || at->weight >= node.args().size() || !node.arg(at->weight).is_node()) return {};
  const NoGrad guard;
  const Node& given = *node.arg(at->weight).node();
  const auto observer = observer_at(module, given);
  const auto value = constant_value(module, observer ? *given.arg(0).node() : given);
  if (!value || !value->is_tensor()) return {};
  const bool simulates = observer && dynamic_cast<FakeQuantizeBase*>(observer.get());
  // A copy: the fake-quantize may look for the weight's range first.
  return simulates ? (*adze::nn::deepcopy(observer))(value->to_tensor()).detach()
                   : value->to_tensor();
}

adze::nn::Parameter* parameter_behind(GraphModule& module, const Argument& argument) {
  if (!argument.is_node()) return nullptr;
  const Node* n = argument.node();
  while (!n->is_get_attr()) {
    const bool passes = observer_at(module, *n) || n->calls(ops::dequantize) ||
                        n->calls(ops::quantize_per_tensor) || n->calls(ops::quantize_per_channel) ||
                        n->calls(ops::to);
    if (!passes || !n->arg(0).is_node()) return nullptr;
    n = n->arg(0).node();
  }
  return &module.parameter(*n);
}

}  // namespace adze::ao::quantization::graph_mode
