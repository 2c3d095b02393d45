#include "quantization/fx/node_qconfigs.h"

#include <algorithm>
#include <list>
#include <map>
#include <regex>

#include "adze/nn/traversal.h"

namespace adze::ao::quantization::graph_mode {
namespace {

using Config = QConfigMapping::Config;

bool regex_matches(const std::string& regex, const std::string& name) {
  return std::regex_search(name, std::regex(regex), std::regex_constants::match_continuous);
}

// The name itself, or a module around it.
bool covers(const std::string& name, const std::string& path) {
  return path == name ||
         (path.size() > name.size() && path.starts_with(name) && path[name.size()] == '.');
}

std::string parent_of(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  return dot == path.npos ? "" : path.substr(0, dot);
}

// Classes under which a module is known: its own, then the class it is a form of.
std::vector<ObjectType> classes_of(adze::nn::Module& module, const BackendConfig& backend) {
  std::vector<ObjectType> types{ObjectType::of(module)};
  if (const Row* row = backend.find(module); row && row->root_module)
    types.push_back(*row->root_module);
  return types;
}

class Lookup {
 public:
  Lookup(GraphModule& module, const QConfigMapping& mapping, const BackendConfig& backend)
      : module_(module), mapping_(mapping), backend_(backend) {}

  Config find(const Node& node) {
    if (node.is_module_call()) {
      adze::nn::Module& called = *module_.submodule(node);
      Config q = mapping_.global_qconfig();
      const std::vector<ObjectType> classes = classes_of(called, backend_);
      by_class(classes, q);
      by_name(node.target(), q);
      // Calls are counted in the module that makes them.
      by_order(parent_of(node.target()), classes.back(), q);
      return q;
    }
    Config q = mapping_.global_qconfig();
    if (node.function()) by_class({ObjectType(*node.function())}, q);
    by_class_name(node.meta.module_type, q);
    by_name(node.meta.module_path, q);
    if (node.function()) by_order(node.meta.module_path, *node.function(), q);
    return q;
  }

 private:
  // The first of the classes that has an entry.
  void by_class(const std::vector<ObjectType>& classes, Config& q) const {
    for (const ObjectType& type : classes)
      for (const auto& [key, value] : mapping_.object_type_qconfigs())
        if (key == type) {
          q = value;
          return;
        }
  }
  // The user's module whose forward makes a call, known by the name of its class.
  void by_class_name(const std::string& name, Config& q) const {
    for (const auto& [key, value] : mapping_.object_type_qconfigs())
      if (!key.is_op() && key.name() == name) q = value;
  }
  void by_name(const std::string& path, Config& q) const {
    if (path.empty()) return;
    for (const auto& [regex, value] : mapping_.module_name_regex_qconfigs())
      if (regex_matches(regex, path)) {
        q = value;
        break;
      }
    std::size_t longest = 0;
    for (const auto& [name, value] : mapping_.module_name_qconfigs())
      if (covers(name, path) && name.size() > longest) {
        q = value;
        longest = name.size();
      }
  }
  void by_order(const std::string& path, const ObjectType& type, Config& q) {
    const std::int64_t index = counts_[{path, type.name()}]++;
    for (const auto& [key, value] : mapping_.module_name_object_type_order_qconfigs())
      if (key.module_name == path && key.object_type == type && key.index == index) q = value;
  }

  GraphModule& module_;
  const QConfigMapping& mapping_;
  const BackendConfig& backend_;
  std::map<std::pair<std::string, std::string>, std::int64_t> counts_;
};

}  // namespace

NodeQConfigs node_qconfigs(GraphModule& module, const QConfigMapping& mapping,
                           const BackendConfig& backend) {
  Lookup lookup(module, mapping, backend);
  NodeQConfigs all;
  for (const Node& n : module.graph().nodes())
    if ((n.function() || n.is_module_call() || n.is_get_attr()) && !observer_at(module, n))
      all[&n] = lookup.find(n);
  return all;
}

void check_names(const QConfigMapping& mapping, adze::nn::Module& root, GraphModule& module,
                 const BackendConfig& backend, const char* where) {
  std::vector<std::string> names;
  adze::nn::for_each_child(root, [&](const std::string& path, adze::nn::Submodule&) {
    names.push_back(path);
    return true;
  });
  std::string unknown;
  const auto note = [&](const std::string& what) {
    unknown += (unknown.empty() ? "" : ", ") + what;
  };
  for (const auto& [name, q] : mapping.module_name_qconfigs())
    if (!adze::nn::find_module(root, name) && !adze::nn::find_module(module, name))
      note("module name '" + name + "'");
  for (const auto& [regex, q] : mapping.module_name_regex_qconfigs())
    if (std::none_of(names.begin(), names.end(),
                     [&r = regex](const std::string& n) { return regex_matches(r, n); }))
      note("module name regex '" + regex + "'");

  std::map<std::pair<std::string, std::string>, std::int64_t> calls;
  for (const Node& n : module.graph().nodes()) {
    if (n.function()) ++calls[{n.meta.module_path, std::string(n.function()->name())}];
    if (n.is_module_call())
      ++calls[{parent_of(n.target()), classes_of(*module.submodule(n), backend).back().name()}];
  }
  for (const auto& [key, q] : mapping.module_name_object_type_order_qconfigs()) {
    const std::int64_t count = calls[{key.module_name, key.object_type.name()}];
    if (key.index >= count)
      note("call " + std::to_string(key.index) + " of " + key.object_type.name() + " in module '" +
           key.module_name + "' (it makes " + std::to_string(count) + ")");
  }
  check(unknown.empty(), where, ": the qconfig mapping names what does not exist: ", unknown);
}

std::vector<std::string> names_without_effect(const QConfigMapping& mapping,
                                              const GraphModule& module) {
  const std::list<Node>& nodes = module.graph().nodes();
  std::vector<std::string> names;
  for (const auto& [name, q] : mapping.module_name_qconfigs())
    if (q && std::none_of(nodes.begin(), nodes.end(), [&key = name](const Node& n) {
          return (n.function() || n.is_module_call()) && covers(key, scope_of(n));
        }))
      names.push_back(name);
  return names;
}

}  // namespace adze::ao::quantization::graph_mode
