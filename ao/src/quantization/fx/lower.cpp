#include <algorithm>
#include <map>
#include <set>

#include "adze/ao/quantization/quantize_fx.h"
#include "adze/core/ops.h"
#include "adze/fx/hook_point.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

#include "quantization/fx/function_steps.h"
#include "quantization/fx/graph_state.h"
#include "quantization/fx/match.h"

namespace adze::ao::quantization {
namespace {

using namespace graph_mode;
using adze::fx::same_value;
using adze::nn::Buffer;
using adze::nn::ModulePtr;

class Lowerer {
 public:
  Lowerer(GraphModule& module, const BackendConfig& backend) : module_(module), backend_(backend) {}

  void run() {
    for (Node* n : module_.graph().node_list()) {
      if (erased_.contains(n)) continue;
      if (lower_inner(*n) || is_to_stay_float(*n) || lower_pair(*n)) continue;
      if (n->calls(ops::quantize_per_tensor))
        join_grids(*n);
      else
        lower(*n, *n);
    }
    module_.notes[stage_note] = "quantized";
    clean_up(module_);
    module_.recompile();
  }

 private:
  // What the user wants in float is not made int8, even between integers.
  bool is_to_stay_float(const Node& n) const {
    return computes(module_, n) && !float_reason(module_, n).empty();
  }

  // ---- what stands around a node
  // -------------------------------------------------------------------

  // The quantized value behind an argument, or nullptr.
  Node* quantized(const Argument& a) const {
    if (!a.is_node()) return nullptr;
    if (quantized_lists_.contains(a.node())) return a.node();
    if (!a.node()->calls(ops::dequantize) || !a.node()->arg(0).is_node()) return nullptr;
    Node* source = a.node()->arg(0).node();
    return source->calls(ops::quantize_per_tensor_dynamic) ? nullptr : source;
  }
  // The float value that is quantized by its own range, or nullptr.
  static Node* dynamic_source(const Argument& a) {
    if (!a.is_node() || !a.node()->calls(ops::dequantize) || !a.node()->arg(0).is_node())
      return nullptr;
    Node* q = a.node()->arg(0).node();
    return q->calls(ops::quantize_per_tensor_dynamic) ? q->arg(0).node() : nullptr;
  }
  // The step that quantizes the result, when that is its only use.
  static Node* quantizer_behind(const Node& n) {
    if (n.users().size() != 1 || !n.users().front()->calls(ops::quantize_per_tensor))
      return nullptr;
    Node* q = n.users().front();
    return q->arg(0).is_node() && q->arg(0).node() == &n ? q : nullptr;
  }
  double number(const Argument& a) {
    return a.is_node() ? constant_value(module_, *a.node())->to_double() : a.constant().to_double();
  }
  QParams qparams(const Node& q) {
    return {number(q.arg(1)), static_cast<std::int64_t>(number(q.arg(2)))};
  }
  // The qparams of a quantized value; nothing for those of an input of the network.
  std::optional<QParams> grid(Node& value) {
    if (value.calls(ops::quantize_per_tensor)) return qparams(value);
    const auto known = grids_.find(&value);
    return known == grids_.end() ? std::nullopt : std::optional(known->second);
  }
  static DType dtype(const Node& q) { return q.arg(3).constant().to_dtype(); }

  void erase(Node& n) {
    erased_.insert(&n);
    module_.graph().erase_node(n);
  }
  // `result` takes the place of `old`, and of the quantizing step behind it if there is one.
  void replace(Node& old, Node* quantizer, Node& result) {
    if (quantizer) {
      grids_[&result] = qparams(*quantizer);
      quantizer->replace_all_uses_with(result);
      erase(*quantizer);
    } else {
      old.replace_all_uses_with(result);
    }
    if (&old != &result) erase(old);
  }

  // The same for a result that is quantized but not on the grid of `quantizer`.
  void replace_on_grid(Node& old, Node& quantizer, Node& result, bool on_grid) {
    if (on_grid) {
      replace(old, &quantizer, result);
      return;
    }
    const auto at = module_.graph().inserting_before(quantizer);
    Node& q = module_.graph().call_function(ops::requantize,
                                            {result, quantizer.arg(1), quantizer.arg(2)});
    grids_[&q] = qparams(quantizer);
    quantizer.replace_all_uses_with(q);
    erase(quantizer);
    if (&old != &result) erase(old);
  }

  // ---- what is lowered
  // -----------------------------------------------------------------------------

  bool lower_inner(Node& n) {
    if (!n.is_module_call()) return false;
    auto inner = std::dynamic_pointer_cast<GraphModule>(module_.submodule(n).ptr());
    if (!inner) return false;
    if (stage(*inner) == "reference") Lowerer(*inner, backend_).run();
    return true;
  }

  // An op and the ReLU behind it.
  bool lower_pair(Node& first) {
    if (!first.function() || first.users().size() != 1) return false;
    Node& second = *first.users().front();
    const Row* row = row_of(module_, backend_, {&first, &second});
    if (!row || !row->quantized_op || is_hooked(module_, second)) return false;
    return lower_function(*row, first, second);
  }

  void lower(Node& first, Node& last) {
    if (first.calls(ops::size)) {
      if (Node* q = quantized(first.arg(0))) first.update_arg(0, q);
      return;
    }
    if (first.is_module_call() &&
        dynamic_cast<adze::fx::HookPoint*>(module_.submodule(first).ptr().get())) {
      run_quantized(nullptr, first);
      return;
    }
    // A layer that is called several times may be lowered already.
    const auto reference = references_.find(first.target());
    const Row* row = first.is_module_call() && reference != references_.end()
                         ? backend_.find(*reference->second)
                         : row_of(module_, backend_, {&first});
    if (!row) return;
    if (row->runs_quantized) {
      run_quantized(row, first);
    } else if (first.function() && row->quantized_op) {
      lower_function(*row, first, last);
    } else if (row->lowered_module) {
      lower_module(*row, first);
    }
  }

  bool lower_function(const Row& row, Node& first, Node& last) {
    if (row.weight_index) return lower_weighted_function(row, first, last);
    Node* q = quantizer_behind(last);
    if (!q) return false;
    std::vector<Argument> args;
    std::size_t tensors = 0;
    bool known = true;  // the qparams of the arguments
    for (const Argument& a : first.args()) {
      if (a.is_node() && is_tensor(*a.node())) {
        Node* source = quantized(a);
        if (!source) return false;
        args.emplace_back(source);
        known &= grid(*source).has_value();
        ++tensors;
      } else {
        args.push_back(a);
      }
    }
    const auto at = module_.graph().inserting_before(*q);
    Node* result = nullptr;
    if (row.quantized_scalar_op && tensors == 1) {
      // Sums and products commute: the number goes last.
      if (args[0].is_constant()) std::swap(args[0], args[1]);
      if (!args[1].is_constant()) return false;
      result = &module_.graph().call_function(*row.quantized_scalar_op, std::move(args));
    } else {
      known = true;
      args.push_back(q->arg(1));
      args.push_back(q->arg(2));
      result = &module_.graph().call_function(*row.quantized_op, std::move(args));
    }
    result->meta = last.meta;
    note_origin(module_, *result, first.name());
    replace_on_grid(last, *q, *result, known);
    if (&first != &last) erase(first);
    return true;
  }

  // linear(x, weight, bias), and the ReLU behind it.
  bool lower_weighted_function(const Row& row, Node& first, Node& last) {
    const auto weight = packed_weight(first.arg(*row.weight_index));
    if (!weight) return false;
    const Argument& x = first.arg(0);
    Node* const q = quantizer_behind(last);
    Graph& graph = module_.graph();
    const bool half = weight->dtype() == float16;
    Node* const source = quantized(x);
    Node* const dynamic = dynamic_source(x);
    if (!half && !(source && q) && !dynamic) return false;
    const auto at = graph.inserting_before(first);
    Node& packed = new_packed_weight(first.arg(*row.weight_index), *weight);
    std::vector<Argument> args = first.args();
    args[*row.weight_index] = packed;
    const OpBase* op = nullptr;
    if (half) {
      op = row.dynamic_fp16_op;
    } else if (dynamic) {
      args[0] = dynamic;
      args.emplace_back(/*reduce_range=*/true);
      op = row.dynamic_quantized_op;
    } else {
      args[0] = source;
      args.insert(args.end(), {q->arg(1), q->arg(2), Argument()});
      op = row.quantized_op;
    }
    Node* const static_q = !half && !dynamic ? q : nullptr;
    // Scale and zero point are made right before the step that quantizes.
    if (static_q) static_q->prepend(first);
    first.set_function(*op);
    first.set_args(std::move(args));
    first.meta = last.meta;
    if (static_q || &first != &last) replace(last, static_q, first);
    return true;
  }

  // The weight as it is stored: integers, or half precision.
  std::optional<Tensor> packed_weight(const Argument& a) {
    if (!a.is_node()) return std::nullopt;
    const Node& outer = *a.node();
    const bool from_integers = outer.calls(ops::dequantize);
    const bool from_half = outer.calls(ops::to) && outer.arg(0).is_node() &&
                           outer.arg(0).node()->calls(ops::to) &&
                           same_value(outer.arg(0).node()->arg(1).constant(), Value(float16));
    if (!from_integers && !from_half) return std::nullopt;
    const auto value = constant_value(module_, *outer.arg(0).node());
    if (!value) return std::nullopt;
    const Tensor t = value->to_tensor();
    if (from_integers && t.dtype() != qint8) return std::nullopt;
    return t;
  }

  // One buffer for all layers that share the weight.
  Node& new_packed_weight(const Argument& source, const Tensor& value) {
    std::string& name = packed_names_[source.node()->arg(0).node()];
    if (name.empty()) {
      name = free_member(module_, "_packed_weight_");
      module_.add_parameter(name, Buffer(name, value.contiguous()));
    }
    return module_.graph().get_attr(name);
  }

  // Ops and modules that compute on quantized tensors as they are.
  void run_quantized(const Row* row, Node& n) {
    Node* const q = quantizer_behind(n);
    if (!q && !elements_are_quantized(n)) return;
    std::vector<Argument> args;
    std::size_t tensors = 0;
    bool all = true, same_grid = true;
    std::optional<QParams> input_grid;
    for (const Argument& a : n.args())
      args.push_back(adze::fx::map_nodes(a, [&](Node* input) -> Argument {
        if (!is_tensor(*input)) return input;
        Node* source = quantized(input);
        all &= source != nullptr;
        ++tensors;
        if (source) input_grid = grid(*source);
        if (q) same_grid &= input_grid == qparams(*q);
        return source;
      }));
    if (!all) return;
    if (q && tensors > 1 && !same_grid) {
      if (row && row->quantized_op) change_grid(*row, n, *q, std::move(args));
      return;
    }
    if (!q) {
      quantized_lists_.insert(&n);
      if (input_grid) grids_[&n] = *input_grid;
    }
    n.set_args(std::move(args));
    if (q) replace_on_grid(n, *q, n, same_grid || (row && row->fixed_qparams));
  }

  // Several tensors that do not have the qparams of the result.
  void change_grid(const Row& row, Node& n, Node& q, std::vector<Argument> args) {
    args.push_back(q.arg(1));
    args.push_back(q.arg(2));
    const auto at = module_.graph().inserting_before(q);
    Node& result = module_.graph().call_function(*row.quantized_op, std::move(args));
    result.meta = n.meta;
    note_origin(module_, result, n.name());
    replace(n, &q, result);
  }

  // A list of which each used element is quantized at once.
  static bool elements_are_quantized(const Node& n) {
    return is_list(n) && !n.users().empty() &&
           std::all_of(n.users().begin(), n.users().end(), [](const Node* u) {
             return u->calls(ops::getitem) && quantizer_behind(*u);
           });
  }

  void lower_module(const Row& row, Node& n) {
    Node* const q = quantizer_behind(n);
    if (Node* source = quantized(n.arg(0)); source && q && is_lowerable(row, n)) {
      swap_module(
          n, [&](adze::nn::Module& m) { return row.lowered_module(m, qparams(*q), dtype(*q)); },
          adze::detail::concat(qparams(*q).scale, ' ', qparams(*q).zero_point));
      n.update_arg(0, source);
      replace(n, q, n);
    } else if (Node* source_of_dynamic = dynamic_source(n.arg(0));
               source_of_dynamic && row.dynamic_lowered_module && is_lowerable(row, n)) {
      swap_module(n, row.dynamic_lowered_module, "dynamic");
      n.update_arg(0, source_of_dynamic);
    } else if (row.weight_only_module && is_lowerable(row, n)) {
      swap_module(n, row.weight_only_module, "weight only");
    }
  }

  // A layer must be in its reference form; a fused pair may be float, around a float layer.
  bool is_lowerable(const Row& row, const Node& n) {
    if (!row.weight_only_module) return true;
    const auto known = references_.find(n.target());
    adze::nn::Module& m = known != references_.end() ? *known->second : *module_.submodule(n);
    const Row* inner = backend_.find(m.slot_holder());
    return inner && inner->weight_only_module;
  }

  // Puts the lowered form in place. A layer that is called with different qparams gets one module
  // for each, which share the weight.
  void swap_module(Node& n, const std::function<ModulePtr(adze::nn::Module&)>& make,
                   const std::string& form) {
    const std::string path = n.target();
    auto& forms = lowered_[path];
    if (const auto same = forms.find(form); same != forms.end()) {
      n.set_target(same->second);
      return;
    }
    adze::nn::Submodule& at = module_.submodule(n);
    if (forms.empty()) {
      references_[path] = at.ptr();
      ModulePtr to = make_named(path, *at, make);
      adze::nn::swap(at, *at, *at, std::move(to), adze::nn::Slots::baked);
      forms[form] = path;
      return;
    }
    ModulePtr to = make_named(path, *references_.at(path), make);
    share_tensors(*at, *to);
    to->share_user_hooks(*at);
    to->train(at->training());
    std::string free = path;
    for (int i = 1; adze::nn::find_submodule(module_, free); ++i)
      free = path + "_" + std::to_string(i);
    module_.add_submodule(free, to);
    n.set_target(free);
    forms[form] = free;
  }

  static ModulePtr make_named(const std::string& path, adze::nn::Module& from,
                              const std::function<ModulePtr(adze::nn::Module&)>& make) {
    try {
      return make(from);
    } catch (Error& e) {
      e.enter(path);
      throw;
    }
  }

  static void share_tensors(adze::nn::Module& from, adze::nn::Module& to) {
    for (const char* name : {"weight", "bias"}) {
      adze::nn::Parameter* a = from.find_parameter(name);
      adze::nn::Parameter* b = to.find_parameter(name);
      if (a && b && a->defined() && b->defined() && a->value().equal(b->value()))
        b->rebind(a->slot());
    }
  }

  // Quantizing what was dequantized right before: nothing, or a change of grid.
  void join_grids(Node& q) {
    Node* const source = quantized(q.arg(0));
    if (!source) return;
    if (source->calls(ops::quantize_per_tensor) && dtype(*source) == dtype(q) &&
        qparams(*source) == qparams(q)) {
      q.replace_all_uses_with(*source);
      erase(q);
    }
  }

  GraphModule& module_;
  const BackendConfig& backend_;
  std::set<const Node*> erased_, quantized_lists_;
  std::map<const Node*, QParams> grids_;
  std::map<const Node*, std::string> packed_names_;
  std::map<std::string, std::map<std::string, std::string>> lowered_;  // path, form -> path
  std::map<std::string, ModulePtr> references_;
};

}  // namespace

GraphModulePtr lower_to_quantized(const GraphModulePtr& reference, const BackendConfig* backend,
                                  bool inplace) {
  const GraphModulePtr module = graph_module(reference, inplace, "lower_to_quantized");
  check(stage(*module) == "reference",
        "lower_to_quantized: needs what convert_to_reference_fx made");
  Lowerer(*module, backend ? *backend : get_native_backend_config()).run();
  return module;
}

}  // namespace adze::ao::quantization
