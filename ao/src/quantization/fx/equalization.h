#pragma once

#include "adze/ao/quantization/equalize_fx.h"

#include "quantization/fx/graph_state.h"

namespace adze::ao::quantization::graph_mode {

/// Puts an InputEqualizationObserver in front of each layer of a prepared graph that the mapping
/// names, "<observer>_equalization_process_0". Throws for names that match nothing; warns of layers
/// that cannot be equalized.
void insert_equalization(GraphModule& module, const EqualizationMapping& mapping,
                         const BackendConfig& backend, const char* where);

/// Scales weights, biases and the ranges of observers by what was seen, and takes the observers of
/// `insert_equalization` out. Throws, and changes nothing, when channels do not match.
void apply_equalization(GraphModule& module, const char* where);

}  // namespace adze::ao::quantization::graph_mode
