#pragma once

#include <optional>

#include "adze/ao/quantization/report.h"

#include "quantization/fx/graph_state.h"

// The grids on which tensors and values of networks lie; what report tells of them.
namespace adze::ao::quantization {

GridReport grid_of(const Quantizer& quantizer, DType dtype);
/// Nothing for a float tensor.
std::optional<GridReport> grid_of(const Tensor& t);
/// Nothing for an observer that has no range, or none yet.
std::optional<GridReport> grid_of(const ObserverOrFakeQuant& observer);
/// The grid of what a module gives, when it has one of its own.
std::optional<GridReport> grid_of(adze::nn::Module& module);
/// The grid of a value of a graph: quantized, to be quantized, or dequantized right before.
std::optional<GridReport> grid_of(adze::fx::GraphModule& graph, const adze::fx::Node& node,
                                  const BackendConfig& backend);

/// Whether a value of a graph is a quantized tensor, as far as the graph tells.
bool is_quantized_value(adze::fx::GraphModule& graph, const adze::fx::Node& node,
                        const BackendConfig& backend);

}  // namespace adze::ao::quantization
