#include "adze/ao/quantization/report.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <set>
#include <unordered_map>

#include "adze/ao/nn/qat/linear.h"
#include "adze/ao/nn/quantized/dynamic/linear.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/ns/numeric_suite.h"
#include "adze/ao/quantization/attach.h"
#include "adze/ao/quantization/equalize_fx.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/fx/hook_point.h"
#include "adze/kernels/gemm_f32.h"
#include "adze/kernels/gemm_u8s8.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/identity.h"
#include "adze/nn/traversal.h"

#include "quantization/fx/function_steps.h"
#include "quantization/grids.h"
#include "quantization/watch.h"

namespace adze::ao::quantization {
namespace {

using namespace graph_mode;
using adze::nn::Module;
using adze::nn::Slot;

// A layer while its report is made. In a graph it is a node; in eager mode a module only.
struct Layer {
  LayerReport report;
  Module* module = nullptr;
  GraphModule* graph = nullptr;
  Node* node = nullptr;
  Tensor weight = {};  // that it computes with
  DType activation = quint8;
  bool reduce_range = false;
  std::int64_t rows = 1;  // of the matrix that comes
  // Counts of values that the run gave.
  std::int64_t values = 0, clipped = 0, low = 0, high = 0;
};

double fraction_of_zeros(const Tensor& t) {
  if (t.numel() == 0) return 0;
  const std::vector<double> values = t.to_vector<double>();
  return static_cast<double>(std::count(values.begin(), values.end(), 0.0)) /
         static_cast<double>(values.size());
}

std::size_t user_hooks(Module& module) {
  std::size_t count = 0;
  adze::nn::for_each_module(module,
                            [&](const std::string&, Module& m) { count += m.user_hooks(); });
  return count;
}

class Reporter {
 public:
  Reporter(Module& model, const ReportOptions& options)
      : model_(model),
        options_(options),
        backend_(options.backend_config ? *options.backend_config : get_native_backend_config()) {}

  Report make() {
    check(!options_.float_model || !options_.inputs.empty(),
          "report: comparing with a float network needs inputs, got none");
    if (const auto* graph = dynamic_cast<const GraphModule*>(&model_)) {
      const std::string at = stage(*graph);
      report_.stage = at.empty() || at == "fused" ? "graph" : at;
    }
    collect("", model_, nullptr, nullptr);
    const NoGrad guard;
    for (Layer& layer : layers_) describe(layer);
    if (!options_.inputs.empty()) run();
    for (Layer& layer : layers_) layer.report.kernel = kernel_of(layer);
    if (options_.float_model) compare();
    add_remarks();
    for (Layer& layer : layers_) report_.layers.push_back(std::move(layer.report));
    return std::move(report_);
  }

 private:
  // ---- which layers there are --------------------------------------------------------------

  void collect(const std::string& path, Module& module, GraphModule* graph, Node* node) {
    if (dynamic_cast<ObserverOrFakeQuant*>(&module) ||
        dynamic_cast<adze::fx::HookPoint*>(&module) ||
        dynamic_cast<InputEqualizationObserver*>(&module) || !seen_.insert(&module).second)
      return;
    if (auto* inner = dynamic_cast<GraphModule*>(&module)) {
      for (Node* n : inner->graph().node_list())
        if (n->is_module_call())
          collect(adze::nn::join_path(path, n->target()), *inner->submodule(*n), inner, n);
      add_functions(path, *inner);
      return;
    }
    const bool is_container = dynamic_cast<adze::nn::Container*>(&module) != nullptr;
    if (is_layer(module) && (!is_container || &module.slot_holder() != &module)) {
      if (!dynamic_cast<adze::nn::Identity*>(&module))
        layers_.push_back(
            {.report = {.name = path, .type = shown_type(module), .hooks = user_hooks(module)},
             .module = &module,
             .graph = graph,
             .node = node});
      return;
    }
    for (adze::nn::Submodule* child : module.list().modules)
      collect(adze::nn::join_path(path, child->name()), **child, nullptr, nullptr);
  }

  // The ops of a graph, each in its place between the modules that the graph calls.
  void add_functions(const std::string& path, GraphModule& graph) {
    std::unordered_map<const Node*, std::size_t> position;
    for (const Node& n : graph.graph().nodes()) position.emplace(&n, position.size());
    for (const FunctionStep& step : function_steps(graph)) {
      if (step.graph != &graph) continue;
      const auto behind = std::find_if(layers_.begin(), layers_.end(), [&](const Layer& l) {
        return l.graph == &graph && position.at(l.node) > position.at(step.node);
      });
      layers_.insert(behind, {.report = {.name = adze::nn::join_path(path, step.name),
                                         .type = step.node->target()},
                              .graph = &graph,
                              .node = step.node});
    }
  }

  // ---- what each is ------------------------------------------------------------------------

  void describe(Layer& layer) {
    if (layer.node) {
      describe_node(layer);
    } else {
      describe_module(layer);
    }
    if (layer.module) {
      describe_weight(layer, layer.module->slot_holder());
    } else {
      describe_functional_weight(layer);
    }
  }

  // The form that a class of module is; nothing for classes that compute in float.
  static std::optional<LayerForm> form_of(Module& module) {
    Module& holder = module.slot_holder();
    if (const auto* layer = dynamic_cast<ao::nn::quantized::dynamic::Linear*>(&holder))
      return layer->weight_only() || layer->dtype() == float16 ? LayerForm::weight_only
                                                               : LayerForm::dynamic;
    const std::string type = holder.qualified_type();
    if (type.find("::quantized::reference::") != type.npos) return LayerForm::reference;
    if (type.find("::quantized::") != type.npos) return LayerForm::int8;
    if (type.find("::qat::") != type.npos) return LayerForm::fake_quantized;
    return std::nullopt;
  }

  // An eager module: what it is called with is not known before it runs.
  void describe_module(Layer& layer) {
    Module& module = *layer.module;
    LayerReport& r = layer.report;
    const ObserverOrFakeQuant* observer = activation_post_process(module);
    if (observer) {
      r.output = grid_of(*observer);
      r.uncalibrated = !observer->has_data();
    } else {
      r.output = grid_of(module);
    }
    const auto form = form_of(module);
    r.form = form.value_or(observer ? LayerForm::observed : LayerForm::floating);
    if (r.form == LayerForm::floating) {
      r.why = why_float(module);
    } else {
      r.why = waits_for(r);
    }
  }

  std::string why_float(Module& module) const {
    const Row* row = backend_.find(module);
    if (!row) return "the backend config has no row for " + module.type();
    if (row->runs_quantized || row->is_identity)
      return "computes on integers where it is given integers";
    const auto q = get_qconfig(module);
    if (!q) return has_qconfig(module) ? "its qconfig says none" : "no qconfig";
    if (activation_is_dynamically_quantized(*q)) return "not converted yet";
    return row->has_output_observer ? "it has a qconfig but was never prepared"
                                    : "not converted yet";
  }

  static std::string waits_for(const LayerReport& r) {
    if (r.uncalibrated) return "its observer has seen no data";
    switch (r.form) {
      case LayerForm::observed:
      case LayerForm::fake_quantized:
        return "not converted yet";
      case LayerForm::reference:
        return "the reference network computes in float";
      case LayerForm::weight_only:
        return "only its weight is stored small";
      default:
        return {};
    }
  }

  void describe_node(Layer& layer) {
    GraphModule& graph = *layer.graph;
    const Node& node = *layer.node;
    LayerReport& r = layer.report;
    describe_values(layer);
    const std::string reason = float_reason(graph, node);
    const std::string at = stage(graph);
    const auto form = layer.module ? form_of(*layer.module) : form_of(*node.function());
    const bool is_quantized = is_quantized_value(graph, node, backend_);
    if (form) {
      r.form = *form;
    } else if (is_quantized) {
      r.form = LayerForm::int8;
    } else if (reason.empty() && at == "prepared") {
      r.form = simulates(graph) ? LayerForm::fake_quantized : LayerForm::observed;
    } else if (reason.empty() && at == "reference") {
      r.form = LayerForm::reference;
    }
    if (r.form != LayerForm::floating) {
      r.why = waits_for(r);
    } else if (!reason.empty()) {
      r.why = reason;
    } else if (at == "quantized") {
      r.why = "what is around it is float";
    } else {
      r.why = "the network was not prepared";
    }
  }

  static std::optional<LayerForm> form_of(const OpBase& op) {
    const std::string_view name = op.name();
    if (!name.starts_with("quantized::")) return std::nullopt;
    if (name.find("_fp16") != name.npos) return LayerForm::weight_only;
    return name.find("_dynamic") != name.npos ? LayerForm::dynamic : LayerForm::int8;
  }

  static bool simulates(const GraphModule& graph) {
    const auto it = graph.notes.find(qat_note);
    return it != graph.notes.end() && it->second.to_bool();
  }

  // Grids of the input and of the result; the result's may be written behind it.
  void describe_values(Layer& layer) {
    GraphModule& graph = *layer.graph;
    const Node& node = *layer.node;
    LayerReport& r = layer.report;
    for (const Argument& a : node.args()) {
      adze::fx::for_each_node(a, [&](Node* n) {
        if (r.input || is_constant(*n)) return;
        r.input = grid_of(graph, *n, backend_);
        note_uncalibrated(graph, *n, r);
      });
    }
    r.output = grid_of(graph, node, backend_);
    for (const Node* user : node.users()) {
      const bool writes_grid = observer_at(graph, *user) || user->calls(ops::quantize_per_tensor);
      if (!writes_grid) continue;
      if (!r.output) r.output = grid_of(graph, *user, backend_);
      note_uncalibrated(graph, *user, r);
    }
  }

  static void note_uncalibrated(GraphModule& graph, const Node& node, LayerReport& r) {
    const auto observer = observer_at(graph, node);
    if (observer && adze::is_quantized(observer->dtype()) && !observer->is_dynamic())
      r.uncalibrated |= !observer->has_data();
  }

  // ---- weights -----------------------------------------------------------------------------

  void describe_weight(Layer& layer, Module& holder) {
    const adze::nn::Parameter* weight = holder.find_parameter("weight");
    if (!weight || !weight->defined()) return;
    LayerReport& r = layer.report;
    const Tensor value = weight->value().detach();
    layer.weight = value;
    r.weight_dtype = value.dtype();
    if (auto* reference = dynamic_cast<ao::nn::quantized::reference::Linear*>(&holder)) {
      layer.weight = reference->quantized_weight();
      r.weight_dtype = reference->weight_dtype();
    } else if (auto* qat = dynamic_cast<ao::nn::qat::Linear*>(&holder)) {
      look(layer, adze::nn::deepcopy(qat->weight_fake_quant.ptr())->as<ObserverOrFakeQuant>(),
           value);
    } else if (const auto q = get_qconfig(*layer.module);
               r.form == LayerForm::observed && q && q->weight) {
      look(layer, *q->weight(), value);
    } else if (const auto* dynamic = dynamic_cast<ao::nn::quantized::dynamic::Linear*>(&holder)) {
      layer.reduce_range = dynamic->reduce_range();
    }
    finish_weight(layer, weight->slot().get());
  }

  void describe_functional_weight(Layer& layer) {
    GraphModule& graph = *layer.graph;
    const Node& node = *layer.node;
    const auto at = weight_arguments(*node.function());
    if (!at) return;
    const Tensor value = functional_weight(graph, node);
    if (!value.defined()) return;
    layer.weight = value;
    layer.report.weight_dtype = value.dtype();
    layer.reduce_range = layer.report.form == LayerForm::dynamic && node.args().size() > 3;
    const Argument& given = node.arg(at->weight);
    if (const auto observer = observer_at(graph, *given.node())) {
      look(layer, adze::nn::deepcopy(observer)->as<ObserverOrFakeQuant>(), value);
    } else if (given.node()->calls(ops::dequantize)) {
      if (const auto q = constant_value(graph, *given.node()->arg(0).node()))
        layer.weight = q->to_tensor();
      layer.report.weight_dtype = layer.weight.dtype();
    }
    const adze::nn::Parameter* p = parameter_behind(graph, given);
    finish_weight(layer, p ? p->slot().get() : nullptr);
  }

  // The grid that an observer of weights, a copy, would give.
  void look(Layer& layer, ObserverOrFakeQuant& observer, const Tensor& value) {
    const Tensor seen = observer(value).detach();
    layer.weight = seen;
    layer.report.weight_dtype = observer.dtype();
    layer.report.weight = grid_of(observer);
  }

  void finish_weight(Layer& layer, const Slot* slot) {
    LayerReport& r = layer.report;
    if (!r.weight) r.weight = grid_of(layer.weight);
    r.kept = fraction_of_zeros(layer.weight);
    if (!slot) return;
    Tensor mask = slot->pinned();
    Tensor in_force;
    for (const auto& link : slot->chain()) {
      if (!link->is_mask()) continue;
      const Tensor one = link->forward(adze::ones(slot->original().sizes()));
      in_force = in_force.defined() ? in_force * one : one;
    }
    if (in_force.defined()) {
      r.masked = fraction_of_zeros(in_force);
      mask = mask.defined() ? mask.to(float32) * in_force : in_force;
    }
    const auto level = slot->sparse_params.find("sparsity_level");
    if (level != slot->sparse_params.end() &&
        (level->second.is_double() || level->second.is_int())) {
      r.sparsity_asked = level->second.to_double();
    } else if (mask.defined()) {
      r.sparsity_asked = fraction_of_zeros(mask);
    }
  }

  static std::string first_usable(const std::vector<kernels::KernelInfo>& table) {
    for (const kernels::KernelInfo& k : table)
      if (!k.reason) return k.name;
    return {};
  }

  static std::string kernel_of(const Layer& layer) {
    const Tensor& w = layer.weight;
    if (!w.defined() || w.dim() != 2) return {};
    const bool integers =
        layer.report.form == LayerForm::int8 || layer.report.form == LayerForm::dynamic;
    if (!integers) return first_usable(kernels::gemm_f32_kernels());
    if (w.dtype() != qint8) return {};
    const Tensor ints = w.int_repr().contiguous();
    const kernels::PackedWeights packed(ints.span<std::int8_t>().data(), w.size(0), w.size(1),
                                        w.size(1));
    return first_usable(
        kernels::gemm_u8s8_kernels({.m = layer.rows,
                                    .n = w.size(0),
                                    .k = w.size(1),
                                    .max_activation = layer.reduce_range ? 127 : 255,
                                    .typical_weight = packed.typical_weight()}));
  }

  // ---- what a run shows --------------------------------------------------------------------

  void run() {
    const Undisturbed guard(model_);
    TemporaryHooks hooks;
    for (Layer& layer : layers_) {
      const auto look_at = [&layer](Module&, const std::vector<Value>& args, Value& output) {
        note(layer, args, output);
      };
      if (layer.module) {
        hooks.add(*layer.module, look_at);
      } else {
        hooks.add(*layer.graph, *layer.node, look_at);
      }
    }
    for (const Tensor& x : options_.inputs) model_(x);
    for (Layer& layer : layers_) finish_run(layer);
  }

  static void note(Layer& layer, const std::vector<Value>& args, const Value& output) {
    LayerReport& r = layer.report;
    const auto input =
        std::find_if(args.begin(), args.end(), [](const Value& v) { return v.is_tensor(); });
    if (input != args.end() && input->to_tensor().defined()) {
      const Tensor x = input->to_tensor();
      if (!r.input) r.input = grid_of(x);
      if (x.dim() > 0 && x.size(-1) > 0) layer.rows = std::max(layer.rows, x.numel() / x.size(-1));
    }
    if (!output.is_tensor()) return;
    const Tensor y = output.to_tensor();
    if (y.is_quantized()) {
      if (r.form == LayerForm::floating) {
        r.form = LayerForm::int8;
        r.why.clear();
      }
      if (const auto grid = grid_of(y)) r.output = grid;
    }
    count(layer, y);
  }

  // How the integers that stand, or would stand, for the values use their range.
  static void count(Layer& layer, const Tensor& y) {
    const auto& grid = layer.report.output;
    if (!grid || is_per_channel(grid->qscheme) || y.numel() == 0 ||
        (!y.is_quantized() && !is_floating_point(y.dtype())))
      return;
    const QRange range = qrange(grid->dtype);
    const auto zero_point = static_cast<std::int64_t>(grid->min_zero_point);
    const Tensor q = y.is_quantized() ? y
                                      : quantize_per_tensor(y.detach().to(float32), grid->min_scale,
                                                            zero_point, grid->dtype);
    for (const std::int64_t v : q.int_repr().to_vector<std::int64_t>()) {
      layer.low = layer.values == 0 ? v : std::min(layer.low, v);
      layer.high = layer.values == 0 ? v : std::max(layer.high, v);
      ++layer.values;
      layer.clipped += (v == range.min || v == range.max) && v != zero_point;
    }
  }

  static void finish_run(Layer& layer) {
    if (layer.values == 0) return;
    const QRange range = qrange(layer.report.output->dtype);
    layer.report.clipped = static_cast<double>(layer.clipped) / static_cast<double>(layer.values);
    layer.report.range_used = static_cast<double>(layer.high - layer.low + 1) /
                              static_cast<double>(range.max - range.min + 1);
  }

  void compare() {
    const ns::Comparison c =
        ns::compare_model_outputs(*options_.float_model, model_, options_.inputs);
    for (Layer& layer : layers_)
      if (const ns::ComparisonRow* row = c.find(layer.report.name)) layer.report.sqnr = row->sqnr;
    if (const ns::ComparisonRow* row = c.find("")) whole_sqnr_ = row->sqnr;
  }

  // ---- the network as a whole --------------------------------------------------------------

  void add_remarks() {
    std::size_t integers = 0, with_weight = 0, float_weights = 0;
    std::string uncalibrated;
    for (const Layer& layer : layers_) {
      const LayerReport& r = layer.report;
      integers += r.form == LayerForm::int8 || r.form == LayerForm::dynamic;
      with_weight += r.weight_dtype.has_value();
      float_weights += r.weight_dtype && r.form == LayerForm::floating;
      if (r.uncalibrated) uncalibrated += (uncalibrated.empty() ? "'" : ", '") + r.name + "'";
    }
    const auto remark = [&](auto&&... parts) {
      report_.remarks.push_back(adze::detail::concat(parts...));
    };
    remark(integers, " of ", layers_.size(), " layers compute on integers; ", float_weights, " of ",
           with_weight, " layers with a weight are float");
    if (!uncalibrated.empty()) remark("observers have seen no data at ", uncalibrated);
    if (const auto* graph = dynamic_cast<const GraphModule*>(&model_))
      for (const std::string& name : names_note(*graph, without_effect_note))
        remark("the qconfig of '", name, "' has no effect: no step of the graph is its");
    if (const std::size_t hooks = user_hooks(model_)) remark("hooks of users: ", hooks);
    if (whole_sqnr_) remark("the whole network: SQNR ", *whole_sqnr_, " dB");
    remark("kernels use ", kernels::name(kernels::active()));
  }

  Module& model_;
  const ReportOptions& options_;
  const BackendConfig& backend_;
  std::deque<Layer> layers_;  // hooks refer to its elements
  std::set<const Module*> seen_;
  std::optional<double> whole_sqnr_;
  Report report_;
};

}  // namespace

Report report(Module& model, const ReportOptions& options) {
  return Reporter(model, options).make();
}

}  // namespace adze::ao::quantization
