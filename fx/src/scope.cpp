#include "adze/fx/scope.h"

#include <algorithm>

namespace adze::fx {
namespace {

template <class List>
auto find_in(List& list, std::string_view name) {
  return std::find_if(list.begin(), list.end(), [&](const auto& m) { return m.name() == name; });
}

}  // namespace

void Scope::check_name(const std::string& name) const {
  check(!name.empty() && name.find('.') == name.npos, type(), ": '", name,
        "' is not a name (it may not be empty nor contain a dot)");
}

void Scope::set_child(const std::string& name, nn::ModulePtr module) {
  check_name(name);
  check(find_in(parameters_, name) == parameters_.end(), type(), ": '", name, "' is a tensor");
  if (const auto it = find_in(children_, name); it != children_.end()) {
    it->set(std::move(module));
  } else {
    children_.emplace_back(name, std::move(module));
    ++edits_;
    list();
  }
}

void Scope::set_parameter(const nn::Parameter& parameter) {
  check_name(parameter.name());
  check(find_in(children_, parameter.name()) == children_.end(), type(), ": '", parameter.name(),
        "' is a module");
  if (const auto it = find_in(parameters_, parameter.name()); it != parameters_.end()) {
    *it = parameter;
  } else {
    parameters_.push_back(parameter);
    ++edits_;
  }
}

bool Scope::remove(std::string_view name) {
  if (const auto p = find_in(parameters_, name); p != parameters_.end()) {
    parameters_.erase(p);
    ++edits_;
    return true;
  }
  const auto m = find_in(children_, name);
  if (m == children_.end()) return false;
  children_.erase(m);
  ++edits_;
  return true;
}

Tensor Scope::forward(const Tensor&) {
  fail("Scope: has no forward; it holds the members of a module that was traced through");
}

std::map<std::string, Value> Scope::config() const {
  Value::List tensors, buffers;
  for (const nn::Parameter& p : parameters_) {
    tensors.emplace_back(p.name());
    if (p.is_buffer()) buffers.emplace_back(p.name());
  }
  return {{"tensors", tensors}, {"buffers", buffers}};
}

void Scope::fields(nn::FieldList& f) {
  for (nn::Parameter& p : parameters_) f(p);
  for (nn::Submodule& m : children_) f(m);
}

}  // namespace adze::fx
