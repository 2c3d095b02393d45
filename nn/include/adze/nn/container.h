#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "adze/nn/module.h"

namespace adze::nn {

/// What the containers share: modules in a row, each in a named handle.
class Container : public Module {
 public:
  using Children = std::vector<Submodule>;

  std::size_t size() const { return children_.size(); }
  bool empty() const { return children_.empty(); }

  /// The i-th module; negative i counts from the back. Throws when there is none.
  Module& at(std::int64_t i) const { return *children_[position(i)]; }
  Module& operator[](std::int64_t i) const { return at(i); }
  /// The handle of the i-th module.
  Submodule& child(std::int64_t i) { return children_[position(i)]; }
  const Submodule& child(std::int64_t i) const { return children_[position(i)]; }
  /// Puts another module into the i-th place, under the same name.
  void set(std::int64_t i, ModulePtr module) { child(i).set(std::move(module)); }

  /// The handles, in order: `for (nn::Submodule& layer : blocks) x = layer(x);`
  Children::iterator begin() { return children_.begin(); }
  Children::iterator end() { return children_.end(); }
  Children::const_iterator begin() const { return children_.begin(); }
  Children::const_iterator end() const { return children_.end(); }

 protected:
  void fields(FieldList& f) override { f(children_); }
  /// Adds one more at the end. Throws when the name is empty, has a dot or is taken.
  void add(std::string name, ModulePtr module);
  /// The same, named by its position.
  void add(ModulePtr module) { add(std::to_string(children_.size()), std::move(module)); }

  Children children_;

 private:
  std::size_t position(std::int64_t i) const;
};

namespace detail {
template <class M>
concept ModuleValue = std::derived_from<M, Module>;
template <class M>
concept ModuleLike = ModuleValue<M> || std::convertible_to<M, ModulePtr>;

template <ModuleLike M>
ModulePtr to_module_ptr(M module) {
  if constexpr (ModuleValue<M>) {
    return std::make_shared<M>(std::move(module));
  } else {
    return module;
  }
}
}  // namespace detail

/// Calls its modules one after the other, each with the result of the one before.
///
///     nn::Sequential(nn::Linear(4, 8), nn::ReLU(), nn::Linear(8, 2))
///     nn::Sequential({{"fc", nn::Linear(4, 8)}, {"act", nn::ReLU()}})
///
/// Names are "0", "1", ... unless given. A single Sequential as argument is copied, not wrapped.
class Sequential : public ModuleOf<Sequential, Container> {
 public:
  Sequential() = default;
  /// From modules by value or by ModulePtr.
  template <detail::ModuleLike... M>
  requires(sizeof...(M) > 0) explicit Sequential(M... modules) {
    (append(detail::to_module_ptr(std::move(modules))), ...);
  }
  explicit Sequential(const std::vector<ModulePtr>& modules);
  /// From names and modules.
  explicit Sequential(const std::vector<Submodule>& named);

  /// Adds a module at the end, named by its position; gives *this.
  Sequential& append(ModulePtr module);
  template <detail::ModuleValue M>
  Sequential& append(M module) {
    return append(ModulePtr(std::make_shared<M>(std::move(module))));
  }
  template <detail::ModuleLike M>
  void push_back(M module) {
    append(detail::to_module_ptr(std::move(module)));
  }
  /// The same with a name.
  void push_back(std::string name, ModulePtr module) { add(std::move(name), std::move(module)); }

  static std::vector<ForwardArg> arguments() { return {{"input"}}; }
  Tensor forward(const Tensor& x);
};

/// Modules in a list, for forward functions that call them in their own way. Has no forward.
class ModuleList : public ModuleOf<ModuleList, Container> {
 public:
  ModuleList() = default;
  template <detail::ModuleLike... M>
  requires(sizeof...(M) > 0) explicit ModuleList(M... modules) {
    (append(detail::to_module_ptr(std::move(modules))), ...);
  }
  explicit ModuleList(const std::vector<ModulePtr>& modules);

  ModuleList& append(ModulePtr module);
  template <detail::ModuleValue M>
  ModuleList& append(M module) {
    return append(ModulePtr(std::make_shared<M>(std::move(module))));
  }
  template <detail::ModuleLike M>
  void push_back(M module) {
    append(detail::to_module_ptr(std::move(module)));
  }

  [[noreturn]] Tensor forward(const Tensor& x);
};

/// Modules by name, in the order in which they were added. Has no forward.
class ModuleDict : public ModuleOf<ModuleDict, Container> {
 public:
  ModuleDict() = default;
  explicit ModuleDict(const std::vector<Submodule>& named);

  using Container::at;
  using Container::operator[];
  using Container::child;
  /// The module with that name; throws when there is none.
  Module& at(std::string_view name) const { return *child(name); }
  Module& operator[](std::string_view name) const { return at(name); }
  const Submodule& child(std::string_view name) const;
  bool contains(std::string_view name) const;
  std::vector<std::string> keys() const;
  /// Adds a module, or replaces the one with that name.
  void insert(const std::string& name, ModulePtr module);
  template <detail::ModuleValue M>
  void insert(const std::string& name, M module) {
    insert(name, ModulePtr(std::make_shared<M>(std::move(module))));
  }

  [[noreturn]] Tensor forward(const Tensor& x);
};

}  // namespace adze::nn
