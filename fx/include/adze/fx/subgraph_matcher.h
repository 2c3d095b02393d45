#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "adze/fx/graph_module.h"

namespace adze::fx {

/// A place in a graph that computes what a pattern computes.
struct Match {
  /// Gives the first output of the pattern.
  Node* anchor = nullptr;
  /// Nodes of the pattern to those of the graph.
  std::unordered_map<const Node*, Node*> nodes_map;
  /// What stands for the inputs of the pattern, in their order; nullptr for inputs it never uses.
  std::vector<Node*> inputs;
  /// What gives the outputs of the pattern, in their order.
  std::vector<Node*> outputs;
  /// The calls that belong to the match, in the order of the graph.
  std::vector<Node*> nodes;
};

struct MatchOptions {
  /// A match for which it is false is passed over; its nodes are free for other matches.
  std::function<bool(const Match&)> filter = {};
};

/// The places of `graph` that compute what `pattern` computes, in the order of their anchors.
///
/// * An input of the pattern stands for any node, everywhere for the same. Other constants than
///   those of the pattern, also of another kind (2 for 2.0), are no match; operands are not
///   swapped.
/// * Only outputs of the pattern may be used outside of the match, reads of tensors aside.
/// * Inputs do not depend on what the match computes: it can be put in place as one step.
/// * Matches share no calls; of two that would, the one that comes first is taken.
/// * Modules and tensors are those of the same path.
///
/// Throws when the pattern computes nothing, or returns something else than distinct results.
std::vector<Match> find_matches(Graph& graph, const Graph& pattern,
                                const MatchOptions& options = {});
/// The same, but modules match modules of the same class, parameters match any parameter, and
/// buffers those of the same dtype, shape and elements.
std::vector<Match> find_matches(GraphModule& module, GraphModule& pattern,
                                const MatchOptions& options = {});

}  // namespace adze::fx
