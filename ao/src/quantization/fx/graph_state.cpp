#include "quantization/fx/graph_state.h"

#include <algorithm>
#include <set>

#include "adze/core/ops.h"
#include "adze/fx/hook_point.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

namespace adze::ao::quantization::graph_mode {

std::string stage(const GraphModule& module) {
  const auto it = module.notes.find(stage_note);
  return it == module.notes.end() ? "" : it->second.to_string();
}

std::vector<std::string> names_note(const GraphModule& module, const char* key) {
  std::vector<std::string> names;
  if (const auto it = module.notes.find(key); it != module.notes.end())
    for (const Value& v : it->second.to_list()) names.push_back(v.to_string());
  return names;
}

std::vector<std::int64_t> integers_note(const GraphModule& module, const char* key) {
  std::vector<std::int64_t> all;
  if (const auto it = module.notes.find(key); it != module.notes.end())
    for (const Value& v : it->second.to_list()) all.push_back(v.to_int());
  return all;
}

void note_names(GraphModule& module, const char* key, const std::vector<std::string>& names) {
  if (names.empty()) return;
  module.notes[key] = Value::List(names.begin(), names.end());
}

std::string float_reason(const GraphModule& module, const Node& node) {
  const auto it = module.notes.find(float_note + node.name());
  return it == module.notes.end() ? "" : it->second.to_string();
}

std::shared_ptr<ObserverOrFakeQuant> observer_at(GraphModule& module, const Node& node) {
  if (!node.is_module_call()) return nullptr;
  return std::dynamic_pointer_cast<ObserverOrFakeQuant>(module.submodule(node).ptr());
}

std::optional<ObjectType> type_of(GraphModule& module, const Node& node) {
  if (node.function()) return ObjectType(*node.function());
  if (node.is_module_call()) return ObjectType::of(*module.submodule(node));
  return std::nullopt;
}

const Row* row_of(GraphModule& module, const BackendConfig& backend,
                  const std::vector<Node*>& nodes) {
  std::vector<ObjectType> types;
  for (const Node* n : nodes) {
    const auto type = type_of(module, *n);
    if (!type) return nullptr;
    types.push_back(*type);
  }
  return backend.find(types);
}

bool is_hooked(GraphModule& module, const Node& node) {
  return node.is_module_call() && module.submodule(node)->user_hooks() > 0;
}

bool computes(GraphModule& module, const Node& node) {
  if (const OpBase* op = node.function())
    return op != &ops::size && op != &ops::getitem && op != &ops::dequantize &&
           op != &ops::quantize_per_tensor && op != &ops::quantize_per_channel &&
           op != &ops::quantize_per_tensor_dynamic && op != &ops::requantize;
  if (!node.is_module_call()) return false;
  adze::nn::Module& m = *module.submodule(node);
  return !dynamic_cast<ObserverOrFakeQuant*>(&m) && !dynamic_cast<adze::fx::HookPoint*>(&m) &&
         !dynamic_cast<InputEqualizationObserver*>(&m);
}

std::string scope_of(const Node& node) {
  return node.is_module_call() ? node.target() : node.meta.module_path;
}

std::optional<Value> constant_value(GraphModule& module, const Node& node) {
  if (node.is_get_attr()) return Value(module.parameter(node).value().detach());
  if (!node.function() || node.function()->traits().random) return std::nullopt;
  const std::function<std::optional<Value>(const Argument&)> value_of =
      [&](const Argument& a) -> std::optional<Value> {
    if (a.is_node()) return constant_value(module, *a.node());
    if (a.is_constant()) return a.constant();
    Value::List list;
    for (const Argument& e : a.list()) {
      std::optional<Value> v = value_of(e);
      if (!v) return std::nullopt;
      list.push_back(std::move(*v));
    }
    return Value(std::move(list));
  };
  std::vector<Value> args;
  for (const Argument& a : node.args()) {
    std::optional<Value> v = value_of(a);
    if (!v) return std::nullopt;
    args.push_back(std::move(*v));
  }
  const NoGrad guard;
  return node.function()->call_boxed(args);
}

bool observes_weight(GraphModule& module, const BackendConfig& backend, const Node& observer) {
  return std::any_of(observer.users().begin(), observer.users().end(), [&](Node* user) {
    const Row* row = user->function() ? row_of(module, backend, {user}) : nullptr;
    if (!row || !row->weight_index || *row->weight_index >= user->args().size()) return false;
    const Argument& weight = user->arg(*row->weight_index);
    return weight.is_node() && weight.node() == &observer;
  });
}

void clean_up(GraphModule& module) {
  module.eliminate_dead_code();
  // Members that are preserved are used by nobody: put back what the sweep takes away.
  const std::vector<std::string> preserved = names_note(module, preserved_note);
  std::vector<std::pair<std::string, adze::nn::ModulePtr>> modules;
  std::vector<std::pair<std::string, adze::nn::Parameter>> tensors;
  for (const std::string& name : preserved) {
    if (const auto* at = adze::nn::find_submodule(module, name))
      modules.emplace_back(name, at->ptr());
    else if (const auto* p = adze::nn::find_parameter(module, name))
      tensors.emplace_back(name, *p);
  }
  module.delete_all_unused_submodules();
  for (const auto& [name, m] : modules) module.add_submodule(name, m);
  for (const auto& [name, p] : tensors) module.add_parameter(name, p);
}

std::string free_member(adze::nn::Module& module, const std::string& prefix) {
  for (std::int64_t n = 0;; ++n) {
    const std::string name = prefix + std::to_string(n);
    if (!module.find_child(name) && !module.find_parameter(name)) return name;
  }
}

void preserve(GraphModule& module, adze::nn::Module& from, const std::vector<std::string>& names,
              const char* where) {
  std::vector<std::string> all = names_note(module, preserved_note);
  for (const std::string& name : names) {
    if (const auto* at = adze::nn::find_submodule(from, name)) {
      if (!adze::nn::find_submodule(module, name)) module.add_submodule(name, at->ptr());
    } else if (const auto* p = adze::nn::find_parameter(from, name)) {
      if (!adze::nn::find_parameter(module, name)) module.add_parameter(name, *p);
    } else {
      fail(where, ": the preserved attribute '", name, "' does not exist in ", from.type());
    }
    if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
  }
  note_names(module, preserved_note, all);
}

GraphModulePtr graph_module(const adze::nn::ModulePtr& model, bool inplace, const char* where) {
  check(model != nullptr, where, ": needs a network, got none");
  check(dynamic_cast<GraphModule*>(model.get()) != nullptr, where,
        ": needs the graph module that prepare_fx made, got a ", model->type());
  return std::static_pointer_cast<GraphModule>(inplace ? model : adze::nn::deepcopy(model));
}

}  // namespace adze::ao::quantization::graph_mode
