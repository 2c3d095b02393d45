#include "adze/fx/module_types.h"

#include <algorithm>
#include <set>
#include <utility>

#include "adze/fx/graph_module.h"
#include "adze/fx/hook_point.h"

namespace adze::fx {
namespace {

using nn::ModuleSpec;

// Members come in the order in which they were added.
void add_members(Scope& scope, const ModuleSpec& spec) {
  std::set<std::string> buffers;
  for (const Value& name : spec.at("buffers").to_list()) buffers.insert(name.to_string());
  for (const Value& v : spec.at("tensors").to_list()) {
    const std::string& name = v.to_string();
    const Tensor t = spec.require_tensor(name);
    scope.set_parameter(buffers.contains(name) ? nn::Buffer(name, t) : nn::Parameter(name, t));
  }
  for (const auto& [name, child] : spec.children) scope.set_child(name, child);
}

nn::ModulePtr build_scope(const ModuleSpec& spec) {
  auto scope = nn::make<Scope>();
  add_members(*scope, spec);
  return scope;
}

nn::ModulePtr build_graph_module(const ModuleSpec& spec,
                                 const std::function<const OpBase*(std::string_view)>& find) {
  auto module = nn::make<GraphModule>(Graph::from_text(spec.at("graph").to_string(), find),
                                      spec.at("class_name").to_string());
  for (const Value& v : spec.at("notes").to_list()) {
    const Value::List& note = v.to_list();
    check(note.size() == 2, "a note must be a name and a value, got ", note.size(), " values");
    module->notes[note[0].to_string()] = note[1];
  }
  add_members(*module, spec);
  module->recompile();
  return module;
}

nn::ModulePtr build_hook_point(const ModuleSpec& spec) {
  const std::string when = spec.at("when").to_string();
  for (const auto point : {HookPoint::When::before_forward, HookPoint::When::after_forward})
    if (auto module = nn::make<HookPoint>(point); module->extra_repr() == when) return module;
  fail("a hook point cannot be ", adze::detail::in_quotes(when));
}

}  // namespace

void add_module_types(nn::ModuleTypes& types, std::function<const OpBase*(std::string_view)> find) {
  types.add<Scope>(build_scope);
  types.add<HookPoint>(build_hook_point);
  types.add<GraphModule>(
      [find = std::move(find)](const ModuleSpec& spec) { return build_graph_module(spec, find); });
}

const nn::ModuleTypes& module_types() {
  static const nn::ModuleTypes types = [] {
    nn::ModuleTypes all = nn::module_types();
    add_module_types(all);
    return all;
  }();
  return types;
}

}  // namespace adze::fx
