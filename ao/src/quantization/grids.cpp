#include "quantization/grids.h"

#include <algorithm>

#include "adze/core/ops.h"
#include "adze/fx/hook_point.h"

#include "quantization/fx/match.h"

namespace adze::ao::quantization {
namespace {

using namespace graph_mode;

GridReport per_tensor(double scale, double zero_point, DType dtype) {
  return {dtype, per_tensor_affine, scale, scale, zero_point, zero_point};
}

// Ops that take the qparams of their result get them one behind the other.
std::optional<GridReport> qparams_among(GraphModule& graph, const Node& node, DType dtype) {
  for (std::size_t i = 0; i + 1 < node.args().size(); ++i) {
    const Argument &s = node.arg(i), &z = node.arg(i + 1);
    if (!s.is_node() || !z.is_node() || !s.node()->is_get_attr() || !z.node()->is_get_attr())
      continue;
    const Tensor scale = graph.parameter(*s.node()).value();
    const Tensor zero_point = graph.parameter(*z.node()).value();
    if (scale.dtype() != float32 || zero_point.dtype() != int64) continue;
    if (scale.numel() != 1) {
      const auto [low, high] = aminmax(scale);
      const auto zeros = zero_point.to_vector<double>();
      const auto [zero_low, zero_high] = std::minmax_element(zeros.begin(), zeros.end());
      return GridReport{dtype, per_channel_affine, low.item(), high.item(), *zero_low, *zero_high};
    }
    return per_tensor(scale.item(), zero_point.item(), dtype);
  }
  return std::nullopt;
}

const Node* first_tensor(const Node& node) {
  const std::vector<Node*> tensors = tensor_args(node);
  return tensors.empty() ? nullptr : tensors.front();
}

// True when the step gives what it is given, moved or cut out: qparams stay.
bool keeps_grid(GraphModule& graph, const Node& node, const BackendConfig& backend) {
  if (node.is_module_call() &&
      dynamic_cast<adze::fx::HookPoint*>(graph.submodule(node).ptr().get()))
    return true;
  const Row* row = row_of(graph, backend, {graph.graph().find(node.name())});
  return row && row->runs_quantized && !row->fixed_qparams;
}

bool is_dynamic_op(const OpBase& op) {
  return op.name().find("_dynamic") != std::string_view::npos;
}

}  // namespace

GridReport grid_of(const Quantizer& quantizer, DType dtype) {
  const auto [low, high] = std::minmax_element(quantizer.scales.begin(), quantizer.scales.end());
  const auto [zero_low, zero_high] =
      std::minmax_element(quantizer.zero_points.begin(), quantizer.zero_points.end());
  return {dtype, quantizer.scheme, *low, *high, *zero_low, *zero_high};
}

std::optional<GridReport> grid_of(const Tensor& t) {
  if (!t.defined() || !t.is_quantized() || t.quantizer()->scales.empty()) return std::nullopt;
  return grid_of(*t.quantizer(), t.dtype());
}

std::optional<GridReport> grid_of(const ObserverOrFakeQuant& observer) {
  if (!adze::is_quantized(observer.dtype()) || observer.is_dynamic() || !observer.has_data())
    return std::nullopt;
  const TensorQParams q = observer.calculate_qparams();
  const std::vector<double> scales = q.scale.to_vector<double>();
  const std::vector<double> zeros = q.zero_point.to_vector<double>();
  if (scales.empty()) return std::nullopt;
  return grid_of(Quantizer{.scheme = observer.qscheme(), .scales = scales, .zero_points = zeros},
                 observer.dtype());
}

std::optional<GridReport> grid_of(adze::nn::Module& module) {
  const auto settings = module.config();
  const auto setting = [&](const char* key) -> std::optional<double> {
    const auto it = settings.find(key);
    if (it != settings.end() && (it->second.is_double() || it->second.is_int()))
      return it->second.to_double();
    const adze::nn::Parameter* p = module.find_parameter(key);
    if (p && p->defined() && p->slot()->original().numel() == 1)
      return p->slot()->original().item();
    return std::nullopt;
  };
  const auto scale = setting("scale"), zero_point = setting("zero_point");
  if (!scale || !zero_point) return std::nullopt;
  const auto dtype = settings.find("dtype");
  return per_tensor(*scale, *zero_point,
                    dtype == settings.end() ? quint8 : dtype->second.to_dtype());
}

std::optional<GridReport> grid_of(GraphModule& graph, const Node& node,
                                  const BackendConfig& backend) {
  if (node.is_placeholder() || node.is_get_attr() || node.is_output()) return std::nullopt;
  if (const auto observer = observer_at(graph, node)) return grid_of(*observer);
  const Node* input = first_tensor(node);
  if (node.calls(ops::quantize_per_tensor) || node.calls(ops::quantize_per_channel))
    return qparams_among(graph, node, node.args().back().constant().to_dtype());
  if (node.calls(ops::dequantize) || keeps_grid(graph, node, backend))
    return input ? grid_of(graph, *input, backend) : std::nullopt;
  if (node.is_module_call()) {
    adze::nn::Module& m = *graph.submodule(node);
    if (const auto own = grid_of(m)) return own;
  } else if (!is_dynamic_op(*node.function())) {
    const auto of_input = input ? grid_of(graph, *input, backend) : std::nullopt;
    if (const auto own = qparams_among(graph, node, of_input ? of_input->dtype : quint8))
      return own;
  }
  const Row* row = row_of(graph, backend, {graph.graph().find(node.name())});
  if (!row || !row->fixed_qparams || !input || !is_quantized_value(graph, *input, backend))
    return std::nullopt;
  const auto of_input = grid_of(graph, *input, backend);
  const bool lower = of_input && of_input->dtype == qint8;
  return per_tensor(row->fixed_qparams->scale,
                    static_cast<double>(row->fixed_qparams->zero_point - (lower ? 128 : 0)),
                    lower ? qint8 : quint8);
}

bool is_quantized_value(GraphModule& graph, const Node& node, const BackendConfig& backend) {
  if (node.is_placeholder()) return node.meta.tensor && adze::is_quantized(node.meta.tensor->dtype);
  if (node.is_get_attr() || node.is_output() || node.calls(ops::dequantize) || node.calls(ops::to))
    return false;
  if (node.calls(ops::quantize_per_tensor) || node.calls(ops::quantize_per_channel) ||
      node.calls(ops::quantize_per_tensor_dynamic) || node.calls(ops::requantize))
    return true;
  if (node.function() && node.function()->name().starts_with("quantized::"))
    return !is_dynamic_op(*node.function());
  if (node.is_module_call() && !observer_at(graph, node)) {
    adze::nn::Module& m = *graph.submodule(node);
    if (grid_of(m)) return true;
  }
  const Row* row = row_of(graph, backend, {graph.graph().find(node.name())});
  const bool passes_on = keeps_grid(graph, node, backend) || (row && row->runs_quantized) ||
                         observer_at(graph, node) != nullptr ||
                         (node.is_module_call() && graph.submodule(node)->qualified_type().find(
                                                       "::quantized::") != std::string::npos);
  const Node* input = passes_on ? first_tensor(node) : nullptr;
  return input && is_quantized_value(graph, *input, backend);
}

}  // namespace adze::ao::quantization
