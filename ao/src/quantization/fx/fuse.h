#pragma once

#include "quantization/fx/graph_state.h"

namespace adze::ao::quantization::graph_mode {

/// The network traced for quantization: stubs vanish, modules of these names and classes stay one
/// step. Throws when a name or class matches no module.
GraphModulePtr trace(const adze::nn::ModulePtr& root, const std::vector<Value>& example_inputs,
                     const std::vector<std::string>& leaf_names,
                     const std::vector<ModuleType>& leaf_classes, const char* where);

/// Fuses, longest patterns first, what rows with a fuser_method describe. A layer that is called in
/// several places is fused when the same follows each call.
void fuse(GraphModule& module, const BackendConfig& backend);

}  // namespace adze::ao::quantization::graph_mode
