#include "adze/nn/container.h"

#include <algorithm>

namespace adze::nn {

std::size_t Container::position(std::int64_t i) const {
  const auto n = static_cast<std::int64_t>(children_.size());
  check(i >= -n && i < n, type(), ": there is no module ", i, ", it has ", n);
  return static_cast<std::size_t>(i < 0 ? i + n : i);
}

void Container::add(std::string name, ModulePtr module) {
  check(!name.empty() && name.find('.') == std::string::npos, type(), ": '", name,
        "' is not a name (it may not be empty nor contain a dot)");
  check(!find_child(name), type(), ": there already is a module '", name, "'");
  children_.emplace_back(std::move(name), std::move(module));
  list();
}

Sequential::Sequential(const std::vector<ModulePtr>& modules) {
  for (const ModulePtr& module : modules) add(module);
}

Sequential::Sequential(const std::vector<Submodule>& named) {
  for (const Submodule& child : named) add(child.name(), child.ptr());
}

Sequential& Sequential::append(ModulePtr module) {
  add(std::move(module));
  return *this;
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const Submodule& child : children_) y = child(y);
  return y;
}

ModuleList::ModuleList(const std::vector<ModulePtr>& modules) {
  for (const ModulePtr& module : modules) add(module);
}

ModuleList& ModuleList::append(ModulePtr module) {
  add(std::move(module));
  return *this;
}

Tensor ModuleList::forward(const Tensor&) {
  fail("ModuleList: has no forward; call the modules in it");
}

ModuleDict::ModuleDict(const std::vector<Submodule>& named) {
  for (const Submodule& child : named) add(child.name(), child.ptr());
}

const Submodule& ModuleDict::child(std::string_view name) const {
  const auto found = std::find_if(children_.begin(), children_.end(),
                                  [&](const Submodule& m) { return m.name() == name; });
  check(found != children_.end(), "ModuleDict: there is no module '", name, "'");
  return *found;
}

bool ModuleDict::contains(std::string_view name) const {
  return std::any_of(children_.begin(), children_.end(),
                     [&](const Submodule& m) { return m.name() == name; });
}

std::vector<std::string> ModuleDict::keys() const {
  std::vector<std::string> names;
  for (const Submodule& m : children_) names.push_back(m.name());
  return names;
}

void ModuleDict::insert(const std::string& name, ModulePtr module) {
  if (Submodule* present = contains(name) ? find_child(name) : nullptr) {
    present->set(std::move(module));
  } else {
    add(name, std::move(module));
  }
}

Tensor ModuleDict::forward(const Tensor&) {
  fail("ModuleDict: has no forward; call the modules in it");
}

}  // namespace adze::nn
