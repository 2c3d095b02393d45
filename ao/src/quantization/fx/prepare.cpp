#include <algorithm>
#include <set>

#include "adze/ao/quantization/fake_quantize.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/core/ops.h"
#include "adze/fx/hook_point.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

#include "quantization/fx/calibrated_zeros.h"
#include "quantization/fx/equalization.h"
#include "quantization/fx/fuse.h"
#include "quantization/fx/node_qconfigs.h"
#include "quantization/fx/observation.h"
#include "quantization/positions.h"

namespace adze::ao::quantization {
namespace {

using namespace graph_mode;

const BackendConfig& backend_of(const BackendConfig* given) {
  return given ? *given : get_native_backend_config();
}

// The qparams of a row's result as a factory; those of qint8 lie 128 lower.
ObserverFactory fixed_factory(const QParams& fixed, DType dtype, bool is_qat) {
  FixedQParamsOptions options{.scale = fixed.scale, .zero_point = fixed.zero_point, .dtype = dtype};
  if (dtype == qint8) {
    options.zero_point -= 128;
    options.quant_min = -128;
    options.quant_max = 127;
  }
  const ObserverFactory observer = FixedQParamsObserver::with_args(options);
  return is_qat ? FixedQParamsFakeQuantize::with_args({observer}) : observer;
}

// Throws when the network went through prepare or convert before.
void check_is_float(adze::nn::Module& root, const char* where) {
  adze::nn::for_each_module(root, [&](const std::string& path, adze::nn::Module& m) {
    check(!dynamic_cast<ObserverOrFakeQuant*>(&m), where, ": the network is prepared already ('",
          path, "' is a ", m.type(), ")");
    const auto* graph = dynamic_cast<const GraphModule*>(&m);
    const std::string at = graph ? stage(*graph) : "";
    check(at != "reference" && at != "quantized", where, ": ",
          path.empty() ? "the network" : "'" + path + "'", " is converted already");
  });
}

class Preparer {
 public:
  Preparer(adze::nn::ModulePtr root, const QConfigMapping& mapping,
           const std::vector<Value>& example_inputs, const PrepareFxOptions& options, bool is_qat)
      : root_(std::move(root)),
        mapping_(mapping),
        examples_(example_inputs),
        custom_(options.prepare_custom_config),
        equalization_(options.equalization_config),
        backend_(backend_of(options.backend_config)),
        is_qat_(is_qat),
        where_(is_qat ? "prepare_qat_fx" : "prepare_fx") {}

  GraphModulePtr run() {
    check_is_float(*root_, where_);
    find_standalone_modules();
    std::vector<std::string> leaf_names = custom_.non_traceable_module_names();
    for (const auto& [name, how] : standalone_) leaf_names.push_back(name);
    std::vector<ModuleType> leaf_classes = custom_.non_traceable_module_classes();
    for (const auto& [type, factory] : custom_.float_to_observed_mapping())
      leaf_classes.push_back(type);
    module_ = trace(root_, examples_, leaf_names, leaf_classes, where_);
    check_indexes();
    check_names(mapping_, *root_, *module_, backend_, where_);
    note_names(*module_, without_effect_note, names_without_effect(mapping_, *module_));
    fuse(*module_, backend_);
    preserve(*module_, *root_, custom_.preserved_attributes(), where_);
    qconfigs_ = node_qconfigs(*module_, mapping_, backend_);
    patterns_ = find_patterns(*module_, qconfigs_, backend_);
    replace_modules();
    insert_observers();
    note_prefixes();
    insert_equalization(*module_, equalization_, backend_, where_);
    warn_of_floats();
    module_->notes[stage_note] = "prepared";
    module_->notes[qat_note] = is_qat_;
    module_->recompile();
    return module_;
  }

 private:
  void find_standalone_modules() {
    for (const auto& [name, how] : custom_.standalone_module_names()) {
      check(adze::nn::find_module(*root_, name) != nullptr, where_,
            ": there is no standalone module '", name, "'");
      standalone_.emplace_back(name, how);
    }
    for (const auto& [type, how] : custom_.standalone_module_classes()) {
      bool found = false;
      adze::nn::for_each_module(*root_, [&](const std::string& path, adze::nn::Module& m) {
        if (ModuleType::of(m) != type) return;
        found = true;
        standalone_.emplace_back(path, how);
      });
      check(found, where_, ": the network has no standalone module of class ", type.name());
    }
  }

  void check_indexes() {
    const auto inputs = static_cast<std::int64_t>(module_->graph().placeholders().size());
    for (std::int64_t i : custom_.input_quantized_indexes())
      check(i >= 0 && i < inputs, where_, ": input_quantized_indexes has ", i, ", the network has ",
            inputs, " inputs");
    const auto outputs = static_cast<std::int64_t>(results().size());
    for (std::int64_t i : custom_.output_quantized_indexes())
      check(i >= 0 && i < outputs, where_, ": output_quantized_indexes has ", i,
            ", the network has ", outputs, " results");
  }

  // Nodes that the network returns, in order; one may stand there twice.
  std::vector<Node*> results() {
    std::vector<Node*> all;
    adze::fx::for_each_node(module_->graph().output_node()->arg(0),
                            [&](Node* n) { all.push_back(n); });
    return all;
  }

  const StandaloneModule* standalone_at(const Node& node) const {
    if (!node.is_module_call()) return nullptr;
    for (const auto& [name, how] : standalone_)
      if (name == node.target()) return how.get();
    return nullptr;
  }
  bool is_custom(const Node& node) {
    if (!node.is_module_call()) return false;
    const ModuleType type = ModuleType::of(*module_->submodule(node));
    return std::any_of(observed_classes_.begin(), observed_classes_.end(),
                       [&](const ModuleType& t) { return t == type; });
  }

  // Layers get their qconfig and, for training, their qat form; custom and standalone modules what
  // the user asked for.
  void replace_modules() {
    adze::nn::for_each_module(*module_,
                              [](const std::string&, adze::nn::Module& m) { m.qconfig.reset(); });
    std::set<std::string> done;
    for (Node* n : module_->graph().node_list()) {
      if (!n->is_module_call() || !done.insert(n->target()).second) continue;
      adze::nn::Submodule& at = module_->submodule(*n);
      if (const StandaloneModule* how = standalone_at(*n)) {
        prepare_standalone(at, *how);
        continue;
      }
      for (const auto& [type, observed] : custom_.float_to_observed_mapping()) {
        if (ModuleType::of(*at) != type || !qconfigs_.at(n)) continue;
        auto to = observed(*at);
        check(to != nullptr, where_, ": set_float_to_observed_mapping made nothing of '",
              n->target(), "'");
        observed_classes_.push_back(ModuleType::of(*to));
        adze::nn::swap(at, *at, *at, to, adze::nn::Slots::baked);
        module_->notes.erase(float_note + n->name());
        break;
      }
      const auto pattern = patterns_.find(n);
      if (pattern == patterns_.end() || !pattern->second->row->has_weight) continue;
      at->qconfig = pattern->second->qconfig;
      if (is_qat_) replace_by_qat(at, n->target(), *pattern->second->row);
    }
  }

  void replace_by_qat(adze::nn::Submodule& at, const std::string& path, const Row& row) {
    if (!row.qat_module) return;
    try {
      adze::nn::swap(at, *at, *at, row.qat_module(*at), adze::nn::Slots::move);
    } catch (Error& e) {
      e.enter(path);
      throw;
    }
  }

  void prepare_standalone(adze::nn::Submodule& at, const StandaloneModule& how) {
    const PrepareFxOptions options{
        .prepare_custom_config = how.custom_config,
        .backend_config = how.backend_config ? how.backend_config : &backend_,
        .inplace = true};
    const QConfigMapping& mapping = how.mapping ? *how.mapping : mapping_;
    try {
      at.set(Preparer(at.ptr(), mapping, how.example_inputs, options, is_qat_).run());
    } catch (Error& e) {
      e.enter(at.name());
      throw;
    }
  }

  // ---- observers
  // ---------------------------------------------------------------------------------

  void insert_observers() {
    Observation observation(*module_);
    const std::vector<Node*> placeholders = module_->graph().placeholders();
    const std::vector<std::int64_t>& inputs = custom_.input_quantized_indexes();
    for (std::int64_t i : inputs)
      observation.note_quantized(*placeholders[static_cast<std::size_t>(i)], quint8);
    if (!inputs.empty())
      module_->notes[quantized_inputs_note] = Value::List(inputs.begin(), inputs.end());

    std::unordered_map<const Node*, std::shared_ptr<const Pattern>> by_first;
    for (const auto& [last, pattern] : patterns_) by_first[&pattern->first()] = pattern;
    for (Node* n : module_->graph().node_list()) {
      if (const StandaloneModule* how = standalone_at(*n)) {
        observe_standalone(observation, *n, *how);
      } else if (dynamic_cast<adze::fx::HookPoint*>(
                     n->is_module_call() ? module_->submodule(*n).ptr().get() : nullptr)) {
        follow_input(observation, *n, *n->all_input_nodes().back());
      } else if (is_custom(*n)) {
        observe_inputs(observation, *n, qconfigs_.at(n)->activation, {}, {});
        observation.observe_output(*n, qconfigs_.at(n)->activation);
      }
      if (const auto first = by_first.find(n); first != by_first.end())
        observe_pattern_inputs(observation, *first->second);
      if (const auto last = patterns_.find(n); last != patterns_.end())
        observe_pattern_output(observation, *last->second);
    }
    observe_results(observation);
  }

  // A value that is passed on as it is: quantized when the input is.
  void follow_input(Observation& observation, Node& node, Node& input) {
    const DType dtype = observation.dtype_of(input);
    if (dtype != float32) observation.note_quantized(node, dtype);
  }

  void observe_inputs(Observation& observation, Node& node, const ObserverFactory& activation,
                      std::optional<std::size_t> weight_index,
                      std::optional<std::size_t> bias_index) {
    if (!activation) return;
    const DType wanted = activation()->dtype();
    const bool dynamic = activation()->is_dynamic();
    for (std::size_t i = 0; i < node.args().size(); ++i) {
      if (i == weight_index || i == bias_index || (dynamic && i > 0)) continue;
      std::vector<Node*> inputs;
      adze::fx::for_each_node(node.args()[i], [&](Node* n) { inputs.push_back(n); });
      for (Node* input : inputs)
        if (is_tensor(*input) && !is_list(*input) && observation.dtype_of(*input) != wanted)
          observation.observe_input(node, *input, activation, /*is_weight=*/false);
    }
  }

  static bool reuses_input(const Pattern& p) {
    return p.qconfig.activation &&
           std::dynamic_pointer_cast<ReuseInputObserver>(p.qconfig.activation());
  }

  void observe_pattern_inputs(Observation& observation, const Pattern& p) {
    if (reuses_input(p)) return;
    const Row& row = *p.row;
    if (p.type != QuantType::weight_only)
      observe_inputs(observation, p.first(), input_factory(p), row.weight_index, row.bias_index);
    if (!row.weight_index) return;
    Node& weight = *p.first().arg(*row.weight_index).node();
    observation.observe_input(p.first(), weight, p.qconfig.weight, /*is_weight=*/true);
  }

  // A qconfig that fixes the qparams of the result says nothing of the input's.
  ObserverFactory input_factory(const Pattern& p) const {
    if (!p.row->fixed_qparams || !p.qconfig.activation) return p.qconfig.activation;
    const auto observer = p.qconfig.activation();
    const bool fixed = std::dynamic_pointer_cast<FixedQParamsObserver>(observer) ||
                       std::dynamic_pointer_cast<FixedQParamsFakeQuantize>(observer);
    return fixed ? usual_activation() : p.qconfig.activation;
  }
  // Where the qconfig of an op says nothing of ranges.
  ObserverFactory usual_activation() const {
    const auto& global = mapping_.global_qconfig();
    return global && global->activation ? global->activation
           : is_qat_                    ? default_fused_act_fake_quant
                                        : default_observer;
  }

  void observe_pattern_output(Observation& observation, const Pattern& p) {
    const ObservationType type = observation_type(*p.row, p.first());
    if (p.type != QuantType::static_ || type == ObservationType::input_output_not_observed) return;
    Node& last = p.last();
    if (reuses_input(p) || type == ObservationType::output_share_observer_with_input) {
      share(observation, p, last);
      return;
    }
    if (!p.row->fixed_qparams) {
      observation.observe_output(last, p.qconfig.activation);
      return;
    }
    // Of the dtype that comes in, as the int8 ops have it.
    const std::vector<Node*> inputs = tensor_args(p.first());
    const DType input = inputs.empty() ? float32 : observation.dtype_of(*inputs.front());
    const DType dtype = is_quantized(input) ? input : p.qconfig.activation()->dtype();
    observation.observe_output(last, fixed_factory(*p.row->fixed_qparams, dtype, is_qat_));
  }

  void share(Observation& observation, const Pattern& p, Node& last) {
    Node& first = p.first();
    const std::vector<Node*> inputs = tensor_args(first);
    if (inputs.empty()) return;
    DType dtype = observation.dtype_of(*inputs.front());
    if (dtype == float32) return;
    if (is_list(last)) {  // lists have no observer, their elements have
      observation.note_quantized(last, dtype);
      return;
    }
    // The shared observer stands behind the last node; the inputs are those of the first.
    if (&first != &last) observation.note_quantized(first, dtype);
    const ObserverFactory own = reuses_input(p) ? usual_activation() : p.qconfig.activation;
    // The range of x * 2 is another one; convert knows its grid from that of x.
    const bool changes_range = p.row->quantized_scalar_op != nullptr;
    if (changes_range || !observation.share_with_inputs(last, own))
      observation.observe_output(last, own);
  }

  void observe_standalone(Observation& observation, Node& node, const StandaloneModule& how) {
    const auto& inputs = how.custom_config.input_quantized_indexes();
    const std::optional<QConfig>& q = qconfigs_.at(&node);
    for (std::int64_t i : inputs) {
      const Argument& a = node.arg(static_cast<std::size_t>(i));
      if (!a.is_node() || observation.dtype_of(*a.node()) != float32) continue;
      check(q && q->activation, where_, ": the standalone module '", node.target(),
            "' takes quantized inputs, but no qconfig says how to quantize them");
      observation.observe_input(node, *a.node(), q->activation, /*is_weight=*/false);
    }
    module_->notes.erase(float_note + node.name());
    if (!how.custom_config.output_quantized_indexes().empty())
      observation.note_quantized(node, quint8);
  }

  void observe_results(Observation& observation) {
    const std::vector<std::int64_t>& indexes = custom_.output_quantized_indexes();
    if (indexes.empty()) return;
    Node& output = *module_->graph().output_node();
    for (std::int64_t i : indexes) {
      Node& result = *results()[static_cast<std::size_t>(i)];
      if (observation.dtype_of(result) != float32) continue;
      const auto& global = mapping_.global_qconfig();
      check(global && global->activation, where_, ": result ", i, " ('", result.name(),
            "') is to stay quantized, but is float and no global qconfig says how to quantize it");
      observation.observe_input(output, result, global->activation, /*is_weight=*/false);
    }
    module_->notes[quantized_outputs_note] = Value::List(indexes.begin(), indexes.end());
  }

  // ---- notes for convert and report
  // ----------------------------------------------------------------

  // Scale and zero point of an observer are named after the layer they belong to: after the one
  // that made the value, or, with "_input", after the first user of a value that nothing quantizes.
  void note_prefixes() {
    for (const Node& n : module_->graph().nodes()) {
      if (!observer_at(*module_, n)) continue;
      const Node& observed = *n.arg(0).node();
      const auto q = qconfigs_.find(&observed);
      const bool is_input = q == qconfigs_.end() || !q->second;
      const Node* named = &observed;
      if (is_input && !n.users().empty()) {
        named = n.users().front();
        for (const Node* user : n.users())
          if (user->calls(ops::linear)) {
            named = user;
            break;
          }
      }
      std::string path = is_input && n.users().empty() ? "" : graph_mode::scope_of(*named);
      std::replace(path.begin(), path.end(), '.', '_');
      module_->notes[prefix_note + n.name()] = path + (is_input ? "_input" : "");
    }
  }

  void warn_of_floats() {
    std::string text;
    for (const Node& n : module_->graph().nodes()) {
      const std::string why = float_reason(*module_, n);
      const auto q = qconfigs_.find(&n);
      if (why.empty() || q == qconfigs_.end() || !q->second) continue;
      // Dynamic and weight-only qconfigs ask for nothing of what has no weight.
      const Row* row = row_of(*module_, backend_, {module_->graph().find(n.name())});
      const bool weighted = row && (row->has_weight || row->weight_index);
      if (!weighted && (!q->second->activation || activation_is_dynamically_quantized(*q->second)))
        continue;
      text += "\n  '" + n.name() + "': " + why;
    }
    if (!text.empty()) warn(where_, ": these stay float although they have a qconfig:", text);
  }

  adze::nn::ModulePtr root_;
  const QConfigMapping& mapping_;
  const std::vector<Value>& examples_;
  const PrepareCustomConfig& custom_;
  const EqualizationMapping& equalization_;
  const BackendConfig& backend_;
  bool is_qat_;
  const char* where_;
  std::vector<std::pair<std::string, PrepareCustomConfig::StandalonePtr>> standalone_;
  std::vector<ModuleType> observed_classes_;
  GraphModulePtr module_;
  NodeQConfigs qconfigs_;
  std::unordered_map<const Node*, std::shared_ptr<const Pattern>> patterns_;
};

GraphModulePtr prepare(const adze::nn::ModulePtr& model, const QConfigMapping& mapping,
                       const std::vector<Value>& example_inputs, const PrepareFxOptions& options,
                       bool is_qat) {
  check(model != nullptr, is_qat ? "prepare_qat_fx" : "prepare_fx", ": needs a network, got none");
  const adze::nn::ModulePtr root = options.inplace ? model : adze::nn::deepcopy(model);
  const GraphModulePtr module = Preparer(root, mapping, example_inputs, options, is_qat).run();
  if (!is_qat) note_calibrated_zeros(*module);
  return module;
}

}  // namespace

GraphModulePtr fuse_fx(const adze::nn::ModulePtr& model, const FuseFxOptions& options) {
  check(model != nullptr, "fuse_fx: needs a network, got none");
  check_is_float(*model, "fuse_fx");
  const adze::nn::ModulePtr root = options.inplace ? model : adze::nn::deepcopy(model);
  GraphModulePtr module = trace(root, options.example_inputs, {}, {}, "fuse_fx");
  fuse(*module, backend_of(options.backend_config));
  preserve(*module, *root, options.fuse_custom_config.preserved_attributes(), "fuse_fx");
  module->notes[stage_note] = "fused";
  module->recompile();
  return module;
}

GraphModulePtr prepare_fx(const adze::nn::ModulePtr& model, const QConfigMapping& mapping,
                          const std::vector<Value>& example_inputs,
                          const PrepareFxOptions& options) {
  return prepare(model, mapping, example_inputs, options, /*is_qat=*/false);
}

GraphModulePtr prepare_qat_fx(const adze::nn::ModulePtr& model, const QConfigMapping& mapping,
                              const std::vector<Value>& example_inputs,
                              const PrepareFxOptions& options) {
  return prepare(model, mapping, example_inputs, options, /*is_qat=*/true);
}

}  // namespace adze::ao::quantization
