#include "adze/fx/passes/cse.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace adze::fx {
namespace {

bool may_be_shared(const Node& node) {
  if (node.is_get_attr()) return true;
  return node.function() && !node.function()->traits().random;
}

bool same_call(const Node& a, const Node& b) {
  return a.op() == b.op() && a.function() == b.function() && a.target() == b.target() &&
         a.args() == b.args();
}

}  // namespace

bool eliminate_common_subexpressions(GraphModule& module) {
  Graph& graph = module.graph();
  graph.lint();
  bool changed = false;
  std::unordered_map<std::string, std::vector<Node*>> known;  // by target
  for (Node* node : graph.node_list()) {
    if (!may_be_shared(*node)) continue;
    std::vector<Node*>& alike = known[node->target()];
    const auto first = std::find_if(alike.begin(), alike.end(),
                                    [&](const Node* n) { return same_call(*n, *node); });
    if (first == alike.end()) {
      alike.push_back(node);
      continue;
    }
    node->replace_all_uses_with(**first);
    graph.erase_node(*node);
    changed = true;
  }
  return changed;
}

}  // namespace adze::fx
