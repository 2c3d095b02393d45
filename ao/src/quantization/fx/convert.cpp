#include <algorithm>
#include <map>
#include <set>

#include "adze/ao/quantization/attach.h"
#include "adze/ao/quantization/fake_quantize.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

#include "quantization/fx/calibrated_zeros.h"
#include "quantization/fx/equalization.h"
#include "quantization/fx/graph_state.h"
#include "quantization/fx/match.h"
#include "quantization/fx/node_qconfigs.h"
#include "quantization/weights.h"

namespace adze::ao::quantization {
namespace {

using namespace graph_mode;
using adze::fx::same_value;
using adze::nn::Buffer;

const BackendConfig& backend_of(const BackendConfig* given) {
  return given ? *given : get_native_backend_config();
}

bool has_no_range(const ObserverOrFakeQuant& observer) {
  return !is_quantized(observer.dtype()) || observer.is_dynamic();
}

class Converter {
 public:
  Converter(GraphModule& module, const ConvertFxOptions& options, const char* where)
      : module_(module),
        options_(options),
        backend_(backend_of(options.backend_config)),
        where_(where) {}

  void check_state() {
    const std::string at = stage(module_);
    check(at == "prepared", where_, ": ",
          at.empty() || at == "fused" ? "the network was not made by prepare_fx"
                                      : "the network is converted already");
    check_calibrated();
  }

  void run() {
    apply_equalization(module_, where_);
    warn_of_late_masks();
    preserve(module_, module_, options_.convert_custom_config.preserved_attributes(), where_);
    convert_standalone_modules();
    leave_float_what_the_mapping_says();
    remove_dropout_ops();
    run_weight_observers();
    convert_custom_modules();
    convert_modules();
    dequantize_inputs();
    for (Node* n : module_.graph().node_list()) {
      if (observer_at(module_, *n))
        replace_observer(*n);
      else if (const auto* inner = standalone_at(*n))
        if (!integers_note(*inner, quantized_outputs_note).empty()) dequantize_users(*n);
    }
    keep_quantized_results();
    finish();
  }

 private:
  void check_calibrated() {
    if (options_.allow_uncalibrated) return;
    std::string uncalibrated;
    std::set<const void*> seen;
    for (const Node& n : module_.graph().nodes()) {
      const auto observer = observer_at(module_, n);
      if (!observer || has_no_range(*observer) || observer->has_data() ||
          observes_weight(module_, backend_, n) || !seen.insert(observer.get()).second)
        continue;
      uncalibrated += (uncalibrated.empty() ? "'" : ", '") + n.target() + "' (of '" +
                      n.arg(0).node()->name() + "')";
    }
    check(uncalibrated.empty(), where_, ": the observers ", uncalibrated,
          " have seen no data; run the prepared network on typical inputs first");
  }

  void warn_of_late_masks() {
    const std::string changed = weights_with_other_zeros(module_);
    const bool has_ranges = std::any_of(
        module_.graph().nodes().begin(), module_.graph().nodes().end(), [&](const Node& n) {
          const auto observer = observer_at(module_, n);
          return observer && !has_no_range(*observer) && !observes_weight(module_, backend_, n);
        });
    if (!changed.empty() && has_ranges)
      warn(where_, ": zeros in the weights ", changed,
           " changed after calibration, so the ranges of activations are those of other weights; "
           "calibrate again");
    forget_calibrated_zeros(module_);
  }

  void convert_standalone_modules() {
    for (Node* n : module_.graph().node_list()) {
      if (!n->is_module_call()) continue;
      adze::nn::Submodule& at = module_.submodule(*n);
      auto inner = std::dynamic_pointer_cast<GraphModule>(at.ptr());
      if (!inner || stage(*inner) != "prepared") continue;
      try {
        ConvertFxOptions options = options_;
        options.qconfig_mapping.reset();
        Converter converter(*inner, options, where_);
        converter.check_state();
        converter.run();
        standalone_.push_back(inner.get());
      } catch (Error& e) {
        e.enter(n->target());
        throw;
      }
    }
  }

  // ---- the mapping of convert
  // ----------------------------------------------------------------------

  void leave_float_what_the_mapping_says() {
    if (!options_.qconfig_mapping) return;
    const NodeQConfigs wanted = node_qconfigs(module_, *options_.qconfig_mapping, backend_);
    for (Node* n : module_.graph().node_list()) {
      const auto q = wanted.find(n);
      if (q == wanted.end()) continue;
      if (n->is_module_call()) {
        const std::optional<QConfig> prepared = get_qconfig(*module_.submodule(*n));
        check(!q->second || !prepared || *q->second == *prepared, where_, ": '", n->target(),
              "' was prepared with ", prepared ? prepared->str() : "", ", the mapping says ",
              q->second ? q->second->str() : "",
              "; convert can leave parts float, not change them");
      }
      if (!q->second) leave_float(*n);
    }
  }

  void leave_float(Node& n) {
    if (!computes(module_, n)) return;
    floats_.insert(&n);
    module_.notes[float_note + n.name()] = std::string("the qconfig mapping of convert says none");
    if (!n.is_module_call()) return;
    adze::nn::Submodule& at = module_.submodule(n);
    at->qconfig.reset();
    // A qat layer computes with fake-quantized weights; left float, it is a float layer again.
    const Row* row = backend_.find(*at);
    if (row && row->float_module)
      adze::nn::swap(at, *at, *at, row->float_module(*at), adze::nn::Slots::baked);
  }

  // ---- what training leaves
  // ------------------------------------------------------------------------

  // A dropout op that was traced in training mode has no place in a network for inference.
  void remove_dropout_ops() {
    for (Node* n : module_.graph().node_list()) {
      if (!n->calls(ops::native_dropout)) continue;
      for (Node* element : std::vector<Node*>(n->users()))
        if (element->calls(ops::getitem) && same_value(element->arg(1).constant(), Value(0))) {
          element->replace_all_uses_with(*n->arg(0).node());
          module_.graph().erase_node(*element);
        }
      if (n->users().empty()) module_.graph().erase_node(*n);
    }
  }

  // ---- modules
  // -------------------------------------------------------------------------------------

  // A weight's range is that of its effective value now, whatever its observer saw before, unless a
  // fake-quantize was frozen or keeps a running range.
  void run_weight_observers() {
    const NoGrad guard;
    for (const Node& n : module_.graph().nodes()) {
      const auto observer = observer_at(module_, n);
      if (!observer || has_no_range(*observer) || !observes_weight(module_, backend_, n)) continue;
      if (const auto weight = constant_value(module_, *n.arg(0).node()))
        observe_now(*observer, weight->to_tensor());
    }
  }

  void convert_custom_modules() {
    for (Node* n : module_.graph().node_list()) {
      if (!n->is_module_call()) continue;
      adze::nn::Submodule& at = module_.submodule(*n);
      for (const auto& [type, quantized] :
           options_.convert_custom_config.observed_to_quantized_mapping()) {
        if (ModuleType::of(*at) != type) continue;
        convert_custom_module(*n, at, quantized);
        break;
      }
    }
  }

  // It computes on quantized values: its observers go, its output observer with it.
  void convert_custom_module(Node& n, adze::nn::Submodule& at,
                             const ConvertCustomConfig::ModuleFactory& quantized) {
    Node* output = nullptr;
    for (Node* user : n.users())
      if (observer_at(module_, *user)) output = user;
    check(output != nullptr, where_, ": the output of '", n.target(), "' is not observed");
    attach_observer(*at, observer_at(module_, *output));
    auto to = quantized(*at);
    check(to != nullptr, where_, ": set_observed_to_quantized_mapping made nothing of '",
          n.target(), "'");
    adze::nn::swap(at, *at, *at, to, adze::nn::Slots::baked);
    custom_.insert(&n);
    custom_outputs_.insert(output);
  }

  void convert_modules() {
    std::set<std::string> done;
    for (Node* n : module_.graph().node_list()) {
      if (!n->is_module_call() || !done.insert(n->target()).second) continue;
      adze::nn::Submodule& at = module_.submodule(*n);
      const Row* row = backend_.find(*at);
      const std::optional<QConfig> q = get_qconfig(*at);
      if (!row || !row->has_weight || !q) continue;
      try {
        convert_module(at, *row, *q);
      } catch (Error& e) {
        e.enter(n->target());
        throw;
      }
    }
  }

  void convert_module(adze::nn::Submodule& at, const Row& row, const QConfig& q) {
    if (weight_dtype(q) == float16) {
      if (row.dynamic_quantized_module)
        adze::nn::swap(at, *at, *at, row.dynamic_quantized_module(*at), adze::nn::Slots::baked);
      return;
    }
    if (row.reference_quantized_module)
      adze::nn::swap(at, *at, *at, row.reference_quantized_module(*at), adze::nn::Slots::baked);
  }

  // ---- observers
  // -----------------------------------------------------------------------------------

  Node& new_scalar(const std::string& prefix, const char* what, Tensor value) {
    const std::string name = free_member(module_, prefix + "_" + what + "_");
    module_.add_parameter(name, Buffer(name, std::move(value)));
    return module_.graph().get_attr(name);
  }

  // True when quantizing here serves nobody: the value is float and all its users compute in float.
  bool is_pointless(const Node& observer) {
    const Node& observed = *observer.arg(0).node();
    const auto in_float = [&](const Node& n) {
      return floats_.contains(&n) || (!is_quantizable(n) && !custom_.contains(&n));
    };
    return !floats_.empty() && in_float(observed) &&
           std::all_of(observer.users().begin(), observer.users().end(),
                       [&](const Node* u) { return in_float(*u); });
  }
  // Whether prepare meant to quantize the node.
  bool is_quantizable(const Node& n) {
    return computes(module_, n) && float_reason(module_, n).empty();
  }

  void replace_observer(Node& n) {
    const auto observer = observer_at(module_, n);
    Node& observed = *n.arg(0).node();
    Graph& graph = module_.graph();
    const auto at = graph.inserting_before(n);
    Node* result = &observed;
    if (observer->is_dynamic() && is_quantized(observer->dtype()) && !is_pointless(n)) {
      // Seven bits, as the dynamic layers take by default.
      Node& q = graph.call_function(ops::quantize_per_tensor_dynamic,
                                    {observed, observer->dtype(), /*reduce_range=*/true});
      result = &graph.call_function(ops::dequantize, {q});
    } else if (custom_outputs_.contains(&n)) {
      result = &graph.call_function(ops::dequantize, {observed});
    } else if (observer->dtype() == float16 && observes_weight(module_, backend_, n)) {
      Node& half = graph.call_function(ops::to, {observed, float16});
      result = &graph.call_function(ops::to, {half, float32});
    } else if (!has_no_range(*observer) && !is_pointless(n)) {
      result = &quantize_and_back(n, observed, *observer);
    }
    n.replace_all_uses_with(*result);
    module_.notes.erase(prefix_note + n.name());
    graph.erase_node(n);
  }

  // The grid of a value that is quantized before `observed` uses it; lists have that of what they
  // are parts of.
  std::optional<QParams> grid_of(const Node& value) {
    if (const auto known = grids_.find(&value); known != grids_.end()) return known->second;
    const std::vector<Node*> inputs = is_list(value) ? tensor_args(value) : std::vector<Node*>();
    return inputs.size() == 1 ? grid_of(*inputs.front()) : std::nullopt;
  }

  // What computes on integers as they are gives the grid of its input, or one that follows from it
  // and a number, whatever an observer saw.
  std::optional<QParams> grid_from_input(Node& observed, DType dtype) {
    Node* first = &observed;
    const Row* row = nullptr;
    if (!observed.args().empty() && observed.arg(0).is_node())
      if (Node* before = observed.arg(0).node(); before->users().size() == 1)
        if ((row = row_of(module_, backend_, {before, &observed}))) first = before;
    if (!row) row = row_of(module_, backend_, {&observed});
    const bool keeps_grid =
        row && (row->is_identity || observation_type(*row, *first) ==
                                        ObservationType::output_share_observer_with_input);
    if (!keeps_grid) return std::nullopt;
    const std::vector<Node*> inputs = tensor_args(*first);
    const auto grid = inputs.size() == 1 ? grid_of(*inputs.front()) : std::nullopt;
    if (!grid || !row->quantized_scalar_op) return grid;
    const Argument& number = first->arg(first->arg(0).is_node() ? 1 : 0);
    if (!number.is_constant()) return std::nullopt;
    const Tensor probe =
        adze::quantize_per_tensor(zeros({1}), grid->scale, grid->zero_point, dtype);
    const std::vector<Value> args{probe, number.constant()};
    const Tensor result = row->quantized_scalar_op->call_boxed(args).to_tensor();
    return QParams{result.q_scale(), result.q_zero_point()};
  }

  Node& quantize_and_back(const Node& n, Node& observed, const ObserverOrFakeQuant& observer) {
    Graph& graph = module_.graph();
    const auto note = module_.notes.find(prefix_note + n.name());
    const std::string prefix = note == module_.notes.end() ? "" : note->second.to_string();
    const bool known = observer.has_data();
    const TensorQParams q = known ? observer.calculate_qparams() : TensorQParams();
    std::optional<QParams> grid;
    Node* quantized = nullptr;
    if (observer.is_per_channel()) {
      check(known, where_, ": the observer '", n.target(), "' has seen no data");
      Node& scale = new_scalar(prefix, "scale", q.scale.to(float32));
      Node& zero_point = new_scalar(prefix, "zero_point", q.zero_point.to(int64));
      quantized =
          &graph.call_function(ops::quantize_per_channel,
                               {observed, scale, zero_point, observer.ch_axis(), observer.dtype()});
    } else {
      grid = grid_from_input(observed, observer.dtype());
      if (!grid)
        grid = known ? QParams{q.scale.item(), q.zero_point.item<std::int64_t>()} : QParams();
      Node& scale = new_scalar(prefix, "scale", full({}, grid->scale));
      Node& zero_point = new_scalar(prefix, "zero_point", full({}, grid->zero_point, int64));
      quantized = &graph.call_function(ops::quantize_per_tensor,
                                       {observed, scale, zero_point, observer.dtype()});
    }
    quantized->meta.module_path = n.meta.module_path;
    Node& back = graph.call_function(ops::dequantize, {*quantized});
    back.meta.module_path = n.meta.module_path;
    if (grid) grids_[&back] = *grid;
    return back;
  }

  // Quantized inputs are dequantized first, like all that is quantized.
  void dequantize_inputs() {
    const std::vector<Node*> placeholders = module_.graph().placeholders();
    for (std::int64_t i : integers_note(module_, quantized_inputs_note))
      if (Node& input = *placeholders[static_cast<std::size_t>(i)]; !input.users().empty())
        dequantize_users(input);
  }

  // The standalone module that a node calls, or nullptr.
  const GraphModule* standalone_at(const Node& n) {
    if (!n.is_module_call()) return nullptr;
    const auto* inner = dynamic_cast<const GraphModule*>(module_.submodule(n).ptr().get());
    const auto known = std::find(standalone_.begin(), standalone_.end(), inner);
    return known == standalone_.end() ? nullptr : *known;
  }

  // Results that were asked to stay quantized, and what standalone modules and custom modules take,
  // are read before they are dequantized.
  void keep_quantized_results() {
    const auto quantized = [](const Argument& a) -> Argument {
      return a.is_node() && a.node()->calls(ops::dequantize) ? a.node()->arg(0) : a;
    };
    Graph& graph = module_.graph();
    const std::vector<std::int64_t> indexes = integers_note(module_, quantized_outputs_note);
    std::int64_t i = 0;
    Node& output = *graph.output_node();
    output.set_args({adze::fx::map_nodes(output.arg(0), [&](Node* n) -> Argument {
      const bool keep = std::find(indexes.begin(), indexes.end(), i++) != indexes.end();
      return keep ? quantized(n) : Argument(n);
    })});
    for (Node* n : graph.node_list()) {
      const GraphModule* inner = standalone_at(*n);
      if (!inner && !custom_.contains(n)) continue;
      std::vector<Argument> args = n->args();
      if (inner) {
        for (std::int64_t k : integers_note(*inner, quantized_inputs_note))
          args[static_cast<std::size_t>(k)] = quantized(args[static_cast<std::size_t>(k)]);
      } else {
        std::transform(args.begin(), args.end(), args.begin(), quantized);
      }
      n->set_args(std::move(args));
    }
  }

  void dequantize_users(Node& n) {
    const auto at = module_.graph().inserting_after(n);
    Node& back = module_.graph().call_function(ops::dequantize, {n});
    for (Node* user : std::vector<Node*>(n.users()))
      if (user != &back) user->replace_input_with(n, back);
  }

  void finish() {
    module_.notes.erase(qat_note);
    module_.notes[stage_note] = "reference";
    clean_up(module_);
    adze::nn::for_each_module(module_, [&](const std::string&, adze::nn::Module& m) {
      if (options_.remove_qconfig) m.qconfig.reset();
    });
    adze::nn::for_each_parameter(
        module_, [](const std::string&, adze::nn::Parameter& p) { p.slot()->bake_all(); });
    module_.recompile();
  }

  GraphModule& module_;
  const ConvertFxOptions& options_;
  const BackendConfig& backend_;
  const char* where_;
  std::set<const Node*> floats_, custom_, custom_outputs_;
  std::map<const Node*, QParams> grids_;  // of dequantized values
  std::vector<const GraphModule*> standalone_;
};

GraphModulePtr to_reference(const adze::nn::ModulePtr& prepared, const ConvertFxOptions& options,
                            const char* where) {
  const GraphModulePtr given = graph_module(prepared, /*inplace=*/true, where);
  Converter(*given, options, where).check_state();
  const GraphModulePtr module = graph_module(prepared, options.inplace, where);
  Converter(*module, options, where).run();
  return module;
}

}  // namespace

GraphModulePtr convert_to_reference_fx(const adze::nn::ModulePtr& prepared,
                                       const ConvertFxOptions& options) {
  return to_reference(prepared, options, "convert_to_reference_fx");
}

GraphModulePtr convert_fx(const adze::nn::ModulePtr& prepared, const ConvertFxOptions& options) {
  return lower_to_quantized(to_reference(prepared, options, "convert_fx"), options.backend_config,
                            /*inplace=*/true);
}

}  // namespace adze::ao::quantization
