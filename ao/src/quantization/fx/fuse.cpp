#include "quantization/fx/fuse.h"

#include <algorithm>
#include <map>
#include <set>

#include "adze/ao/quantization/stubs.h"
#include "adze/core/ops.h"
#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

namespace adze::ao::quantization::graph_mode {
namespace {

class QuantizationTracer : public adze::fx::Tracer {
 public:
  QuantizationTracer(const std::vector<std::string>& names, const std::vector<ModuleType>& classes)
      : names_(names), classes_(classes) {}

 protected:
  bool is_leaf_module(adze::nn::Module& module, const std::string& name) const override {
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) return true;
    const ModuleType type = ModuleType::of(module);
    if (std::find(classes_.begin(), classes_.end(), type) != classes_.end()) return true;
    if (type == ModuleType::of<QuantStub>() || type == ModuleType::of<DeQuantStub>() ||
        type == ModuleType::of<QuantWrapper>())
      return false;
    return Tracer::is_leaf_module(module, name);
  }

 private:
  const std::vector<std::string>& names_;
  const std::vector<ModuleType>& classes_;
};

struct Match {
  const Row* row;
  std::vector<Node*> nodes;  // in data-flow order
};

// The nodes that end in `last` and make up the pattern of `row`; empty when they do not.
std::vector<Node*> match_backwards(GraphModule& module, const Row& row, Node& last) {
  std::vector<Node*> nodes(row.pattern.size());
  Node* at = &last;
  for (std::size_t i = nodes.size(); i-- > 0;) {
    if (!at || type_of(module, *at) != row.pattern[i]) return {};
    if (i + 1 < nodes.size() && at->users().size() != 1) return {};
    nodes[i] = at;
    at = !at->args().empty() && at->arg(0).is_node() ? at->arg(0).node() : nullptr;
  }
  return nodes;
}

std::vector<Match> find_matches(GraphModule& module, const BackendConfig& backend) {
  std::vector<const Row*> rows;
  for (const Row& row : backend.configs())
    if (row.fuser_method && row.pattern.size() > 1) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(), [](const Row* a, const Row* b) {
    return a->pattern.size() > b->pattern.size();
  });
  std::vector<Match> matches;
  std::set<const Node*> taken;
  const std::vector<Node*> nodes = module.graph().node_list();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    for (const Row* row : rows) {
      Match m{row, match_backwards(module, *row, **it)};
      if (m.nodes.empty() ||
          std::any_of(m.nodes.begin(), m.nodes.end(), [&](Node* n) { return taken.contains(n); }))
        continue;
      taken.insert(m.nodes.begin(), m.nodes.end());
      matches.push_back(std::move(m));
      break;
    }
  }
  std::reverse(matches.begin(), matches.end());
  return matches;
}

// The module behind a node. A ReLU that other calls share is not taken away from them.
adze::nn::ModulePtr module_for(GraphModule& module, const Node& node, bool root) {
  if (!node.is_module_call()) return nullptr;
  const adze::nn::ModulePtr m = module.submodule(node).ptr();
  if (root || module.graph().find_nodes(adze::fx::Opcode::call_module, node.target()).size() == 1)
    return m;
  const adze::nn::ModulePtr own = adze::nn::deepcopy(m);
  for (const auto& h : own->user_pre_hooks()) h->alive = false;
  for (const auto& h : own->user_forward_hooks()) h->alive = false;
  own->share_user_hooks(*m);
  return own;
}

void fuse_group(GraphModule& module, const std::vector<Match>& group) {
  const Match& first = group.front();
  std::vector<adze::nn::ModulePtr> modules;
  for (std::size_t i = 0; i < first.nodes.size(); ++i)
    if (auto m = module_for(module, *first.nodes[i], i == 0)) modules.push_back(std::move(m));
  const Fused fused = first.row->fuser_method(modules);
  adze::nn::swap(module.submodule(*first.nodes[0]), *modules.front(), *modules.back(), fused.module,
                 fused.slots);
  for (const Match& m : group) {
    m.nodes.back()->replace_all_uses_with(*m.nodes.front());
    for (std::size_t i = m.nodes.size(); i-- > 1;) module.graph().erase_node(*m.nodes[i]);
  }
}

}  // namespace

GraphModulePtr trace(const adze::nn::ModulePtr& root, const std::vector<Value>& example_inputs,
                     const std::vector<std::string>& leaf_names,
                     const std::vector<ModuleType>& leaf_classes, const char* where) {
  for (const std::string& name : leaf_names)
    check(!name.empty() && adze::nn::find_module(*root, name) != nullptr, where,
          ": there is no module '", name, "'");
  for (const ModuleType& type : leaf_classes) {
    bool found = false;
    adze::nn::for_each_module(*root, [&](const std::string&, adze::nn::Module& m) {
      found |= ModuleType::of(m) == type;
    });
    check(found, where, ": the network has no module of class ", type.name());
  }
  GraphModulePtr module =
      QuantizationTracer(leaf_names, leaf_classes).trace(root, {.example_inputs = example_inputs});
  // Nothing is quantized yet: what a DeQuantStub does is nothing.
  for (Node* n : module->graph().node_list()) {
    if (!n->calls(ops::dequantize) || !n->arg(0).is_node()) continue;
    n->replace_all_uses_with(*n->arg(0).node());
    module->graph().erase_node(*n);
  }
  return module;
}

void fuse(GraphModule& module, const BackendConfig& backend) {
  std::map<std::pair<std::string, const Row*>, std::vector<Match>> groups;
  std::vector<std::pair<std::string, const Row*>> order;
  for (Match& m : find_matches(module, backend)) {
    const std::pair<std::string, const Row*> key{m.nodes[0]->target(), m.row};
    if (!groups.contains(key)) order.push_back(key);
    groups[key].push_back(std::move(m));
  }
  for (const auto& key : order) {
    const std::vector<Match>& group = groups.at(key);
    const std::size_t calls =
        module.graph().find_nodes(adze::fx::Opcode::call_module, key.first).size();
    if (calls == group.size()) fuse_group(module, group);
  }
  module.delete_all_unused_submodules();
}

}  // namespace adze::ao::quantization::graph_mode
