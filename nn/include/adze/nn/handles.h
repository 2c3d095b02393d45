#pragma once

#include <concepts>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adze/core/ops/elementwise.h"
#include "adze/nn/slot.h"

namespace adze::nn {

class CallInterceptor;
class Module;
using ModulePtr = std::shared_ptr<Module>;

namespace detail {
extern constinit thread_local CallInterceptor* active_interceptor;
}

/// A named tensor of a module. It owns the name (its position) and a share of the slot; copying the
/// handle ties. Used as a Tensor it gives the effective value.
class Parameter {
 public:
  /// A trained tensor. Floating tensors get requires_grad. An undefined one stands for "none"
  /// (a layer without bias) and is left out of every listing.
  Parameter(std::string name, Tensor value);

  operator Tensor() const { return value(); }
  /// The effective value; a symbol while the network around it is traced.
  Tensor value() const {
    if (detail::active_interceptor) [[unlikely]]
      return traced_value();
    return slot_->value();
  }
  bool defined() const { return slot_->original().defined(); }
  const std::string& name() const { return name_; }
  const SlotPtr& slot() const { return slot_; }
  /// Shares another slot: ties this parameter to it, or takes over its state.
  void rebind(SlotPtr slot) { slot_ = std::move(slot); }
  /// Assigns the effective value; see Slot::assign.
  void set(const Tensor& value) { slot_->assign(value); }

  bool is_buffer() const { return buffer_; }
  /// False for buffers that are left out of state_dict.
  bool persistent() const { return persistent_; }
  /// True for buffers that take their shape and dtype from what is loaded.
  bool resizable() const { return resizable_; }

 protected:
  struct BufferTag {};
  Parameter(BufferTag, std::string name, Tensor value, bool persistent, bool resizable);

 private:
  Tensor traced_value() const;

  std::string name_;
  SlotPtr slot_;
  bool buffer_ = false, persistent_ = true, resizable_ = false;
};

struct BufferOptions {
  bool persistent = true;
  bool resizable = false;
};
/// A named tensor that is saved with the module but not trained.
class Buffer : public Parameter {
 public:
  Buffer(std::string name, Tensor value, BufferOptions options = {})
      : Parameter(BufferTag{}, std::move(name), std::move(value), options.persistent,
                  options.resizable) {}
};

using adze::operator+;
using adze::operator-;
using adze::operator*;
using adze::operator/;

/// A named child of a module. Replacing the module inside replaces what the owner's forward calls,
/// which is how fusing, quantization and every other swap reach user-written modules.
class Submodule {
 public:
  Submodule(std::string name, ModulePtr module);
  template <std::derived_from<Module> M>
  Submodule(std::string name, M module)
      : Submodule(std::move(name), ModulePtr(std::make_shared<M>(std::move(module)))) {}

  /// Calls the module. Errors from inside get this name in front. Throws when the owner's
  /// `fields()` does not list this handle: nothing could find or swap such a child.
  Tensor operator()(const Tensor& x) const;
  Tensor operator()(const Tensor& a, const Tensor& b) const;
  Value call(std::vector<Value> args) const;

  Module& operator*() const { return *module_; }
  Module* operator->() const { return module_.get(); }
  const ModulePtr& ptr() const { return module_; }
  /// The module as a M; throws when it is something else.
  template <class M>
  M& as() const;
  void set(ModulePtr module);
  const std::string& name() const { return name_; }

 private:
  friend class FieldList;
  [[noreturn]] void not_listed() const;

  std::string name_;
  ModulePtr module_;
  bool listed_ = false;
};

/// The visitor handed to `Module::fields`: `f(weight, bias, child, children)`.
class FieldList {
 public:
  template <class... F>
  void operator()(F&... fields) {
    (add(fields), ...);
  }
  std::vector<Parameter*> parameters;  // buffers too, in the order given
  std::vector<Submodule*> modules;

 private:
  void add(Parameter& p) { parameters.push_back(&p); }
  void add(Submodule& m) {
    if (!m.listed_) m.listed_ = true;  // read by concurrent calls: written once, before the first
    modules.push_back(&m);
  }
  void add(std::vector<Parameter>& v) {
    for (Parameter& p : v) add(p);
  }
  void add(std::vector<Submodule>& v) {
    for (Submodule& m : v) add(m);
  }
};

}  // namespace adze::nn
