#include "adze/nn/handles.h"

#include <utility>

#include "adze/nn/module.h"

namespace adze::nn {

Parameter::Parameter(std::string name, Tensor value) : name_(std::move(name)) {
  if (value.defined() && value.is_floating_point()) {
    if (!value.is_leaf()) value = value.detach();
    value.requires_grad_();
  }
  slot_ = std::make_shared<Slot>(std::move(value));
}

Parameter::Parameter(BufferTag, std::string name, Tensor value, bool persistent, bool resizable)
    : name_(std::move(name)),
      slot_(std::make_shared<Slot>(std::move(value))),
      buffer_(true),
      persistent_(persistent),
      resizable_(resizable) {}

Tensor Parameter::traced_value() const {
  if (auto symbol = detail::active_interceptor->read_parameter(*this)) return *symbol;
  return slot_->value();
}

Submodule::Submodule(std::string name, ModulePtr module) : name_(std::move(name)) {
  set(std::move(module));
}

void Submodule::set(ModulePtr module) {
  check(module != nullptr, "submodule '", name_, "': needs a module, got none");
  module_ = std::move(module);
  module_->list();
}

void Submodule::not_listed() const {
  fail(
      "called, but fields() of its module does not list it (list every Submodule and Parameter "
      "there, and call the network as a module, not its forward() directly)");
}

Tensor Submodule::operator()(const Tensor& x) const {
  try {
    if (!listed_) [[unlikely]]
      not_listed();
    return (*module_)(x);
  } catch (Error& e) {
    e.enter(name_);
    throw;
  }
}

Tensor Submodule::operator()(const Tensor& a, const Tensor& b) const {
  return call({a, b}).to_tensor();
}

Value Submodule::call(std::vector<Value> args) const {
  try {
    if (!listed_) [[unlikely]]
      not_listed();
    return module_->call(std::move(args));
  } catch (Error& e) {
    e.enter(name_);
    throw;
  }
}

}  // namespace adze::nn
