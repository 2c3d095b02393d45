#pragma once

#include <string>

#include "quantization/fx/graph_state.h"

// Ranges of activations hold for the weights with which they were observed. A prepared graph module
// therefore notes which elements of its weights are zero whenever data comes.
namespace adze::ao::quantization::graph_mode {

/// Starts to note, also in copies.
void note_calibrated_zeros(GraphModule& module);
/// Goes on after the module was loaded from a file, when it did so before.
void resume_calibrated_zeros(GraphModule& module);
/// Weights with zeros in other places than when data last came: "'0.weight', '5.0.weight'".
std::string weights_with_other_zeros(GraphModule& module);
/// Ends it.
void forget_calibrated_zeros(GraphModule& module);

}  // namespace adze::ao::quantization::graph_mode
