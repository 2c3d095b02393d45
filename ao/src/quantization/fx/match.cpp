#include "quantization/fx/match.h"

#include <algorithm>
#include <set>

#include "adze/core/ops.h"

namespace adze::ao::quantization::graph_mode {
namespace {

// True when the row says how the pattern is quantized in graph mode.
bool has_quantized_form(const Row& row) {
  return row.runs_quantized || row.is_identity || row.quantized_op || row.lowered_module ||
         row.has_weight;
}

std::vector<const Row*> quantizing_rows(const BackendConfig& backend) {
  std::vector<const Row*> rows;
  for (const Row& row : backend.configs())
    if (!row.fuser_method && has_quantized_form(row)) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(), [](const Row* a, const Row* b) {
    return a->pattern.size() > b->pattern.size();
  });
  return rows;
}

std::vector<Node*> nodes_of(GraphModule& module, const Row& row, Node& last) {
  std::vector<Node*> nodes(row.pattern.size());
  Node* at = &last;
  for (std::size_t i = nodes.size(); i-- > 0;) {
    if (!at || type_of(module, *at) != row.pattern[i]) return {};
    if (i + 1 < nodes.size() && at->users().size() != 1) return {};
    if (nodes.size() > 1 && is_hooked(module, *at)) return {};
    nodes[i] = at;
    at = !at->args().empty() && at->arg(0).is_node() ? at->arg(0).node() : nullptr;
  }
  return nodes;
}

std::string dtypes_text(const Row& row, const QConfig& q) {
  std::string text = adze::detail::concat("activation ", activation_dtype(q));
  if (row.has_weight || row.weight_index)
    text += adze::detail::concat(", weight ", weight_dtype(q));
  if (activation_is_dynamically_quantized(q)) text += ", dynamic";
  return text;
}

bool is_reuse_input(const QConfig& q) {
  return q.activation && std::dynamic_pointer_cast<ReuseInputObserver>(q.activation());
}

bool fits(const DTypeConfig& c, const Row& row, const QConfig& q) {
  const bool dynamic = activation_is_dynamically_quantized(q);
  if (c.is_dynamic != dynamic) return false;
  if (c.input_dtype && *c.input_dtype != activation_dtype(q)) return false;
  const bool weighted = row.has_weight || row.weight_index;
  if (weighted && c.weight_dtype && *c.weight_dtype != weight_dtype(q)) return false;
  // A qconfig without observer leaves activations float; then only a weight can be quantized.
  return q.activation || weighted;
}

// Why the arguments do not allow it; "" when they do.
std::string unsupported_args(const Row& row, const Node& first) {
  for (const Node* n : tensor_args(first))
    if (n->meta.tensor && !is_floating_point(n->meta.tensor->dtype) &&
        !is_quantized(n->meta.tensor->dtype))
      return adze::detail::concat("'", n->name(), "' is ", n->meta.tensor->dtype, ", not float");
  if (!row.num_tensor_args_to_observation_type.empty()) {
    const std::size_t count = tensor_args(first).size();
    if (!row.num_tensor_args_to_observation_type.contains(count))
      return adze::detail::concat("it has ", count, " tensors as arguments");
    for (const Argument& a : first.args())
      if (a.is_node() && !is_tensor(*a.node())) return "'" + a.node()->name() + "' is no tensor";
  }
  return {};
}

}  // namespace

bool is_tensor(const Node& node) {
  if (node.meta.tensor) return true;
  if (node.calls(ops::size)) return false;
  if (!node.function()) return true;
  // Sums and products of sizes.
  const std::vector<Node*> inputs = node.all_input_nodes();
  return inputs.empty() ||
         std::any_of(inputs.begin(), inputs.end(), [](const Node* n) { return is_tensor(*n); });
}

bool is_list(const Node& node) {
  return node.function() && node.function()->results({}).packed;
}

std::vector<Node*> tensor_args(const Node& node) {
  std::vector<Node*> tensors;
  for (const Argument& a : node.args())
    adze::fx::for_each_node(a, [&](Node* n) {
      if (is_tensor(*n)) tensors.push_back(n);
    });
  return tensors;
}

ObservationType observation_type(const Row& row, const Node& first) {
  const auto counted = row.num_tensor_args_to_observation_type.find(tensor_args(first).size());
  return counted == row.num_tensor_args_to_observation_type.end() ? row.observation_type
                                                                  : counted->second;
}

std::string unsupported_because(const Row& row, const QConfig& q) {
  if (is_reuse_input(q) && row.runs_quantized) return {};
  if (std::any_of(row.dtype_configs.begin(), row.dtype_configs.end(),
                  [&](const DTypeConfig& c) { return fits(c, row, q); }))
    return {};
  return "the backend config has no form for " + dtypes_text(row, q);
}

std::unordered_map<const Node*, std::shared_ptr<const Pattern>> find_patterns(
    GraphModule& module, const NodeQConfigs& qconfigs, const BackendConfig& backend) {
  const std::vector<const Row*> rows = quantizing_rows(backend);
  std::unordered_map<const Node*, std::shared_ptr<const Pattern>> patterns;
  std::set<const Node*> taken;
  const auto stays_float = [&](const Node& n, const std::string& why) {
    if (computes(module, n)) module.notes[float_note + n.name()] = why;
  };
  const std::vector<Node*> nodes = module.graph().node_list();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    Node& last = **it;
    if (taken.contains(&last) || !type_of(module, last) || observer_at(module, last)) continue;
    std::string why = "the backend config has no row for " + type_of(module, last)->name();
    for (const Row* row : rows) {
      const std::vector<Node*> match = nodes_of(module, *row, last);
      if (match.empty() ||
          std::any_of(match.begin(), match.end(), [&](const Node* n) { return taken.contains(n); }))
        continue;
      const std::optional<QConfig>& q = qconfigs.at(match.front());
      why = !q ? "no qconfig applies" : unsupported_because(*row, *q);
      if (why.empty()) why = unsupported_args(*row, *match.front());
      if (!why.empty()) continue;
      taken.insert(match.begin(), match.end());
      // What only moves elements has no weight, hence no type of its own.
      const bool weighted = row->has_weight || row->weight_index;
      patterns[&last] = std::make_shared<const Pattern>(
          Pattern{row, match, *q, weighted ? get_quant_type(*q) : QuantType::static_});
      break;
    }
    if (!why.empty()) stays_float(last, why);
  }
  return patterns;
}

}  // namespace adze::ao::quantization::graph_mode
