#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adze/ao/quantization/object_type.h"
#include "adze/ao/quantization/qconfig.h"

namespace adze::ao::quantization {

/// Which QConfig is for which part of a network. std::nullopt means "leave it float".
///
/// From weakest to strongest: global, object type, regular expression on the module's name, the
/// module's name, the index-th call of a type in a module. A name stands for the module and all
/// that is below it; of several names the longest counts, of several expressions the first that was
/// set. Setting the same key again replaces its value.
class QConfigMapping {
 public:
  using Config = std::optional<QConfig>;
  struct OrderKey {
    std::string module_name;
    ObjectType object_type;
    std::int64_t index;
    friend bool operator==(const OrderKey&, const OrderKey&) = default;
  };
  template <class Key>
  using Entries = std::vector<std::pair<Key, Config>>;

  QConfigMapping& set_global(Config qconfig);
  QConfigMapping& set_object_type(ObjectType type, Config qconfig);
  /// ECMAScript syntax, matched from the start of the name. Throws when it is none.
  QConfigMapping& set_module_name_regex(const std::string& regex, Config qconfig);
  QConfigMapping& set_module_name(const std::string& name, Config qconfig);
  /// `index` counts the calls of that type in the forward of the module ("" for the network
  /// itself), from 0.
  QConfigMapping& set_module_name_object_type_order(const std::string& module_name, ObjectType type,
                                                    std::int64_t index, Config qconfig);

  const Config& global_qconfig() const { return global_; }
  const Entries<ObjectType>& object_type_qconfigs() const { return object_types_; }
  const Entries<std::string>& module_name_regex_qconfigs() const { return regexes_; }
  const Entries<std::string>& module_name_qconfigs() const { return names_; }
  const Entries<OrderKey>& module_name_object_type_order_qconfigs() const { return orders_; }

  /// One line for each entry.
  std::string str() const;
  friend bool operator==(const QConfigMapping&, const QConfigMapping&) = default;

 private:
  Config global_;
  Entries<ObjectType> object_types_;
  Entries<std::string> regexes_, names_;
  Entries<OrderKey> orders_;
};
std::ostream& operator<<(std::ostream& os, const QConfigMapping& mapping);

/// get_default_qconfig for everything; sigmoid, tanh and softmax with their fixed qparams, reshape
/// with those of its input. Backends and versions as there.
QConfigMapping get_default_qconfig_mapping(std::string_view backend = "x86", int version = 0);
/// The same for training with simulated quantization, from get_default_qat_qconfig.
QConfigMapping get_default_qat_qconfig_mapping(std::string_view backend = "x86", int version = 1);

}  // namespace adze::ao::quantization
