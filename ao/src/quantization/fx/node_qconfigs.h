#pragma once

#include <unordered_map>

#include "quantization/fx/graph_state.h"

namespace adze::ao::quantization::graph_mode {

/// The QConfig of each node that calls something, by the rules of QConfigMapping. Of a fused or qat
/// layer the class of its root counts.
using NodeQConfigs = std::unordered_map<const Node*, std::optional<QConfig>>;
NodeQConfigs node_qconfigs(GraphModule& module, const QConfigMapping& mapping,
                           const BackendConfig& backend);

/// Throws, naming them, when module names, expressions or ordered calls of the mapping match
/// nothing in `root` (as the user wrote it) or the graph made from it.
void check_names(const QConfigMapping& mapping, adze::nn::Module& root, GraphModule& module,
                 const BackendConfig& backend, const char* where);

/// Names with a QConfig in the mapping to which no step of the graph belongs: those of stubs, say.
std::vector<std::string> names_without_effect(const QConfigMapping& mapping,
                                              const GraphModule& module);

}  // namespace adze::ao::quantization::graph_mode
