#pragma once

#include <optional>
#include <unordered_set>
#include <vector>

#include "adze/fx/subgraph_matcher.h"

namespace adze::fx {

/// The nodes that a graph returns, lists in the output flattened. Throws when there is no output,
/// or a constant in it; `who` starts the message.
std::vector<Node*> returned_nodes(const Graph& graph, const char* who);

/// Those nodes in the order of the graph.
std::vector<Node*> in_order(Graph& graph, const std::unordered_set<const Node*>& nodes);

/// The nodes that are not of the match (whose nodes are given in order), depend on it, and stand
/// before its last node, in the order of the graph; nothing when the match depends on one of them.
std::optional<std::vector<Node*>> dependents_within(const std::vector<Node*>& match);

}  // namespace adze::fx
