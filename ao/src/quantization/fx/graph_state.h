#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adze/ao/quantization/backend_config.h"
#include "adze/ao/quantization/observer_base.h"
#include "adze/ao/quantization/quantize_fx.h"

// What the steps of graph mode share. What one step has to tell the next stands in the notes of the
// graph module, so that copies and files keep it.
namespace adze::ao::quantization::graph_mode {

using adze::fx::Argument;
using adze::fx::Graph;
using adze::fx::GraphModule;
using adze::fx::Node;
using Row = BackendPatternConfig;

// ---- notes
// ----------------------------------------------------------------------------------------
/// "prepared", "reference", "quantized", "fused", or "" for a graph that no step has made.
inline constexpr const char* stage_note = "quantization.stage";
/// Whether fake-quantizes simulate (prepare_qat_fx).
inline constexpr const char* qat_note = "quantization.qat";
/// Inputs that come quantized, results that stay so: lists of integers.
inline constexpr const char* quantized_inputs_note = "quantization.input_quantized_indexes";
inline constexpr const char* quantized_outputs_note = "quantization.output_quantized_indexes";
/// Members that stay although the graph does not use them: a list of names.
inline constexpr const char* preserved_note = "quantization.preserved_attributes";
/// Names in the qconfig mapping to which no step belongs: a list of names.
inline constexpr const char* without_effect_note = "quantization.without_effect";
/// + node name: why the node stays float.
inline constexpr const char* float_note = "quantization.float.";
/// + name of an observer's node: start of the names of the scale and zero point it becomes.
inline constexpr const char* prefix_note = "quantization.prefix.";

std::string stage(const GraphModule& module);
/// Strings or integers of a list note; empty when there is none.
std::vector<std::string> names_note(const GraphModule& module, const char* key);
std::vector<std::int64_t> integers_note(const GraphModule& module, const char* key);
void note_names(GraphModule& module, const char* key, const std::vector<std::string>& names);
/// Why a node stays float; "" when nothing was noted.
std::string float_reason(const GraphModule& module, const Node& node);

// ---- nodes
// ----------------------------------------------------------------------------------------
/// The observer or fake-quantize that a node calls, or nullptr.
std::shared_ptr<ObserverOrFakeQuant> observer_at(GraphModule& module, const Node& node);
/// The class or op that a node calls; nothing for other nodes.
std::optional<ObjectType> type_of(GraphModule& module, const Node& node);
/// The row for one node, or for several.
const Row* row_of(GraphModule& module, const BackendConfig& backend,
                  const std::vector<Node*>& nodes);
/// True when users registered hooks on the module that a node calls: it must stay one step.
bool is_hooked(GraphModule& module, const Node& node);
/// True for steps that compute something a user would call an op or a layer: not for observers,
/// sizes, elements of lists, quantize and dequantize.
bool computes(GraphModule& module, const Node& node);
/// Path of the module in whose scope the node is: of the module it calls, or whose forward calls
/// it.
std::string scope_of(const Node& node);

/// The value of a node that depends on parameters, buffers and constants only; nothing for others.
std::optional<Value> constant_value(GraphModule& module, const Node& node);
/// True for an observer that looks at the weight of a functional layer.
bool observes_weight(GraphModule& module, const BackendConfig& backend, const Node& observer);

/// Erases nodes that nobody uses and members that no node uses, but for those that are preserved.
void clean_up(GraphModule& module);
/// "prefix", or "prefix0", "prefix1", ...: the first that is no member of the module.
std::string free_member(adze::nn::Module& module, const std::string& prefix);
/// Keeps members of `from`; throws, naming `where`, when one does not exist.
void preserve(GraphModule& module, adze::nn::Module& from, const std::vector<std::string>& names,
              const char* where);

/// The graph module, or a deep copy of it. Throws, naming `where`, for what is none.
GraphModulePtr graph_module(const adze::nn::ModulePtr& model, bool inplace, const char* where);

}  // namespace adze::ao::quantization::graph_mode
