#include "adze/nn/traversal.h"

#include <unordered_set>

namespace adze::nn {
namespace {

void walk(Module& module, const std::string& path, std::unordered_set<const Module*>& seen,
          const std::function<void(const std::string&, Module&)>& f) {
  if (!seen.insert(&module).second) return;
  f(path, module);
  for (Submodule* child : module.list().modules)
    walk(**child, join_path(path, child->name()), seen, f);
}

void walk_children(Module& module, const std::string& path,
                   const std::function<bool(const std::string&, Submodule&)>& f) {
  for (Submodule* child : module.list().modules) {
    const std::string below = join_path(path, child->name());
    if (f(below, *child)) walk_children(**child, below, f);
  }
}

// The first component of a dotted path, taken off its front.
std::string_view take_head(std::string_view& path) {
  const std::size_t dot = path.find('.');
  const std::string_view head = path.substr(0, dot);
  path = dot == path.npos ? std::string_view() : path.substr(dot + 1);
  return head;
}

std::pair<std::string_view, std::string_view> split_last(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  if (dot == path.npos) return {{}, path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

std::string stored_name(const std::string& path, const Parameter& p) {
  return join_path(
      path, p.slot()->is_parametrized() ? "parametrizations." + p.name() + ".original" : p.name());
}

}  // namespace

std::string join_path(std::string_view prefix, std::string_view name) {
  if (prefix.empty()) return std::string(name);
  if (name.empty()) return std::string(prefix);
  return std::string(prefix).append(".").append(name);
}

void for_each_module(Module& root, const std::function<void(const std::string&, Module&)>& f) {
  std::unordered_set<const Module*> seen;
  walk(root, "", seen, f);
}

void for_each_child(Module& root, const std::function<bool(const std::string&, Submodule&)>& f) {
  walk_children(root, "", f);
}

void for_each_parameter(Module& root,
                        const std::function<void(const std::string&, Parameter&)>& f) {
  for_each_module(root, [&](const std::string& path, Module& m) {
    for (Parameter* p : m.list().parameters)
      if (p->defined()) f(path, *p);
  });
}

std::vector<std::pair<std::string, Module*>> named_modules(Module& root) {
  std::vector<std::pair<std::string, Module*>> out;
  for_each_module(root, [&](const std::string& path, Module& m) { out.emplace_back(path, &m); });
  return out;
}

std::vector<std::pair<std::string, ModulePtr>> named_children(Module& module) {
  std::vector<std::pair<std::string, ModulePtr>> out;
  for (Submodule* m : module.list().modules) out.emplace_back(m->name(), m->ptr());
  return out;
}

std::vector<std::pair<std::string, Tensor>> named_parameters(Module& root) {
  std::vector<std::pair<std::string, Tensor>> out;
  std::unordered_set<const void*> seen;
  for_each_parameter(root, [&](const std::string& path, Parameter& p) {
    if (!p.is_buffer() && seen.insert(p.slot()->original().id()).second)
      out.emplace_back(stored_name(path, p), p.slot()->original());
  });
  return out;
}

std::vector<std::pair<std::string, Tensor>> named_buffers(Module& root) {
  std::vector<std::pair<std::string, Tensor>> out;
  for_each_parameter(root, [&](const std::string& path, Parameter& p) {
    if (p.is_buffer()) out.emplace_back(stored_name(path, p), p.slot()->original());
    const auto& chain = p.slot()->chain();
    for (std::size_t i = 0; i < chain.size(); ++i)
      for (const auto& [name, tensor] : chain[i]->tensors())
        out.emplace_back(
            join_path(path, "parametrizations." + p.name() + "." + std::to_string(i) + "." + name),
            tensor);
  });
  return out;
}

std::vector<SlotPtr> parameters(Module& root) {
  std::vector<SlotPtr> out;
  std::unordered_set<const void*> seen;
  for_each_parameter(root, [&](const std::string&, Parameter& p) {
    if (!p.is_buffer() && seen.insert(p.slot()->original().id()).second) out.push_back(p.slot());
  });
  return out;
}

void zero_grad(Module& root) {
  for (const SlotPtr& slot : parameters(root)) slot->original().set_grad(Tensor());
}

Module* find_module(Module& root, std::string_view path) {
  Module* m = &root;
  while (!path.empty()) {
    const std::string_view head = take_head(path);
    if (Submodule* child = m->find_child(head)) {
      m = child->ptr().get();
    } else if (!(head == "0" && path.empty() && m->is_fused_piece())) {
      return nullptr;
    }
  }
  return m;
}

Submodule* find_submodule(Module& root, std::string_view path) {
  const auto [owner_path, name] = split_last(path);
  Module* owner = &root;
  std::string_view rest = owner_path;
  while (owner && !rest.empty()) {
    Submodule* child = owner->find_child(take_head(rest));
    owner = child ? child->ptr().get() : nullptr;
  }
  return owner ? owner->find_child(name) : nullptr;
}

Parameter* find_parameter(Module& root, std::string_view fqn) {
  const auto [path, name] = split_last(fqn);
  Module* m = find_module(root, path);
  if (!m) return nullptr;
  Parameter* p = m->find_parameter(name);
  if (!p) p = m->slot_holder().find_parameter(name);
  return p && p->defined() ? p : nullptr;
}

std::optional<std::string> fqn_of(Module& root, const Module& module) {
  std::optional<std::string> found;
  for_each_module(root, [&](const std::string& path, Module& m) {
    if (&m == &module && !found) found = path;
  });
  return found;
}

std::string fqn_of(Module& root, const Slot& slot) {
  std::string found;
  for_each_parameter(root, [&](const std::string& path, Parameter& p) {
    if (p.slot().get() == &slot && found.empty()) found = join_path(path, p.name());
  });
  return found;
}

}  // namespace adze::nn
