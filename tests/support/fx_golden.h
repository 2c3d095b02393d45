#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "adze/ao/quantization/quantize_fx.h"

// golden/fx_quantization/*.json: what PyTorch's graph mode makes of the networks in fx_networks.h.
namespace adze::test {

using Lines = std::vector<std::string>;

/// A graph module in lines of text, part by part, so that a difference can be read.
///
/// * nodes: "linear = quantized::linear(x, _packed_weight_0, 0.05, 3)", "a = module a(x)",
///   "w = get_attr w", "x = placeholder"; " -> n" behind those with other than one user. Scales and
///   zero points are numbers, without their get_attr nodes; the bias of quantized::linear, which
///   stands in the packed weight in PyTorch, is left out;
/// * modules: "a: quantized::Linear"; observers: "activation_post_process_0: MinMaxObserver ...";
///   shared: paths of one observer; weights: integers and scales; qparams: those of layers;
/// * state: keys of the state_dict without those of observers and quantized layers.
///
/// Parts of a graph inside the graph have its path in front: "block/nodes".
using Parts = std::map<std::string, Lines>;

/// The file static.json, ... as it is.
const nlohmann::json& fx_golden(const std::string& file);
/// A tensor of the files.
Tensor golden_tensor(const nlohmann::json& tensor);
std::vector<Value> golden_tensors(const nlohmann::json& list);
/// The parts of a stage of a case; `file` has the settings of observers.
Parts golden_parts(const nlohmann::json& file, const nlohmann::json& stage);
/// The same for a network of ours. Observers have what they saw only in a prepared one.
Parts parts_of(ao::quantization::GraphModulePtr module);

/// The network with the golden parameters.
nn::ModulePtr golden_network(const std::string& name);

/// Runs prepare, calibration and both converts of all cases of a file, and compares each stage with
/// the golden one, or with what deviations.txt, which says where this library differs on purpose,
/// makes of it.
void check_golden_file(const std::string& file);
/// The cases that deviations.txt names.
Lines golden_deviations();

}  // namespace adze::test
