#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quantization/fx/graph_state.h"

// Steps of graphs that compute and have no module: what numeric suite, report and bias correction
// see of them, at every stage from the traced to the int8 network.
namespace adze::ao::quantization::graph_mode {

/// A call of an op that gives a tensor which depends on the network's inputs.
struct FunctionStep {
  /// Path of the graph module and name of the node, of an int8 op the name that its node has in the
  /// float network: the same at every stage.
  std::string name;
  GraphModule* graph;
  Node* node;
};
/// All of a network: those of its graph modules.
std::vector<FunctionStep> function_steps(adze::nn::Module& root);

/// Notes which node of the float network a node stands for.
void note_origin(GraphModule& module, const Node& node, const std::string& name);

/// True for int8 ops with a ReLU built in.
bool ends_in_relu(const Node& node);
/// True when no input of the network reaches the node.
bool is_constant(const Node& node);
/// Positions of weight and bias among the arguments of an op or of its int8 forms; nothing for
/// other ops.
struct WeightArguments {
  std::size_t weight, bias;
};
std::optional<WeightArguments> weight_arguments(const OpBase& op);
/// The weight that a functional layer computes with: effective, through its observer, as a
/// quantized tensor where it is one. Undefined for other steps.
Tensor functional_weight(GraphModule& module, const Node& node);
/// The parameter that a functional layer's argument comes from, through observers and casts;
/// nullptr when it is no parameter or buffer.
adze::nn::Parameter* parameter_behind(GraphModule& module, const Argument& argument);

}  // namespace adze::ao::quantization::graph_mode
