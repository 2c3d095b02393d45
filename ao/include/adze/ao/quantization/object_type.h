#pragma once

#include <string>
#include <typeinfo>
#include <variant>

#include "adze/core/op.h"
#include "adze/nn/module.h"

namespace adze::ao::quantization {

/// A module class, as a key of tables.
class ModuleType {
 public:
  template <class M>
  static ModuleType of() {
    return ModuleType(typeid(M));
  }
  /// The exact class of a module.
  static ModuleType of(const adze::nn::Module& module) { return ModuleType(typeid(module)); }
  /// Class name without namespaces.
  std::string name() const { return adze::nn::type_name(*type_); }
  friend bool operator==(const ModuleType& a, const ModuleType& b) { return *a.type_ == *b.type_; }

 private:
  explicit ModuleType(const std::type_info& type) : type_(&type) {}
  const std::type_info* type_;
};

/// A module class or an op: what a step of a network calls.
///
///     ObjectType::of<nn::Linear>(), ObjectType(ops::add)
class ObjectType {
 public:
  ObjectType(ModuleType type) : what_(type) {}
  ObjectType(const OpBase& op) : what_(&op) {}
  template <class M>
  static ObjectType of() {
    return ModuleType::of<M>();
  }
  /// The exact class of a module.
  static ObjectType of(const adze::nn::Module& module) { return ModuleType::of(module); }

  bool is_op() const { return std::holds_alternative<const OpBase*>(what_); }
  /// The op, or nullptr.
  const OpBase* op() const { return is_op() ? std::get<const OpBase*>(what_) : nullptr; }
  /// "Linear", "add".
  std::string name() const {
    return is_op() ? std::string(op()->name()) : std::get<ModuleType>(what_).name();
  }
  friend bool operator==(const ObjectType& a, const ObjectType& b) = default;

 private:
  std::variant<ModuleType, const OpBase*> what_;
};

}  // namespace adze::ao::quantization
