#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "quantization/fx/node_qconfigs.h"

namespace adze::ao::quantization::graph_mode {

/// Nodes that a row quantizes as one, with the qconfig of the first.
struct Pattern {
  const Row* row = nullptr;
  std::vector<Node*> nodes;  // in data-flow order
  QConfig qconfig;
  QuantType type = QuantType::static_;

  Node& first() const { return *nodes.front(); }
  Node& last() const { return *nodes.back(); }
};

/// True when the value of a node is a tensor, as far as the graph tells.
bool is_tensor(const Node& node);
/// True for ops that give a list of tensors.
bool is_list(const Node& node);
/// Those arguments of a node that are tensors, in lists too, in order.
std::vector<Node*> tensor_args(const Node& node);
/// The observation type of a row for these nodes: rows may count the tensors among the arguments.
ObservationType observation_type(const Row& row, const Node& first);

/// "" when the backend supports the qconfig for a row, else why not.
std::string unsupported_because(const Row& row, const QConfig& qconfig);

/// What is to be quantized, by the last node of each pattern; longer patterns first, from the end
/// of the graph. Nodes that stay float although they have a qconfig get a note that says why.
std::unordered_map<const Node*, std::shared_ptr<const Pattern>> find_patterns(
    GraphModule& module, const NodeQConfigs& qconfigs, const BackendConfig& backend);

}  // namespace adze::ao::quantization::graph_mode
