#include "adze/ao/quantization/qconfig_mapping.h"

#include <algorithm>
#include <regex>

#include "adze/core/ops.h"
#include "adze/nn/activation.h"

namespace adze::ao::quantization {
namespace {

template <class Key>
void put(QConfigMapping::Entries<Key>& entries, Key key, QConfigMapping::Config qconfig) {
  const auto same =
      std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.first == key; });
  if (same == entries.end())
    entries.emplace_back(std::move(key), std::move(qconfig));
  else
    same->second = std::move(qconfig);
}

std::string text(const QConfigMapping::Config& qconfig) {
  return qconfig ? qconfig->str() : "None";
}

QConfigMapping default_mapping(const QConfig& global, const ObserverFactory& range_0to1,
                               const ObserverFactory& range_neg1to1) {
  QConfigMapping mapping;
  mapping.set_global(global).set_object_type(ops::reshape, default_reuse_input_qconfig);
  const QConfig unit{range_0to1, global.weight}, symmetric{range_neg1to1, global.weight};
  return mapping.set_object_type(ops::sigmoid, unit)
      .set_object_type(ops::softmax, unit)
      .set_object_type(ops::tanh, symmetric)
      .set_object_type(ObjectType::of<adze::nn::Sigmoid>(), unit)
      .set_object_type(ObjectType::of<adze::nn::Softmax>(), unit)
      .set_object_type(ObjectType::of<adze::nn::Tanh>(), symmetric);
}

}  // namespace

QConfigMapping& QConfigMapping::set_global(Config qconfig) {
  global_ = std::move(qconfig);
  return *this;
}

QConfigMapping& QConfigMapping::set_object_type(ObjectType type, Config qconfig) {
  put(object_types_, type, std::move(qconfig));
  return *this;
}

QConfigMapping& QConfigMapping::set_module_name_regex(const std::string& regex, Config qconfig) {
  try {
    std::regex valid(regex);
  } catch (const std::regex_error& e) {
    fail("QConfigMapping: ", adze::detail::in_quotes(regex), " is no regular expression (",
         e.what(), ")");
  }
  put(regexes_, regex, std::move(qconfig));
  return *this;
}

QConfigMapping& QConfigMapping::set_module_name(const std::string& name, Config qconfig) {
  check(!name.empty(), "QConfigMapping: a module name must not be empty; use set_global");
  put(names_, name, std::move(qconfig));
  return *this;
}

QConfigMapping& QConfigMapping::set_module_name_object_type_order(const std::string& module_name,
                                                                  ObjectType type,
                                                                  std::int64_t index,
                                                                  Config qconfig) {
  check(index >= 0, "QConfigMapping: calls are counted from 0, got index ", index);
  put(orders_, OrderKey{module_name, type, index}, std::move(qconfig));
  return *this;
}

std::string QConfigMapping::str() const {
  std::string out = "QConfigMapping(\n  global: " + text(global_) + "\n";
  for (const auto& [type, q] : object_types_)
    out += "  object_type " + type.name() + ": " + text(q) + "\n";
  for (const auto& [regex, q] : regexes_)
    out += "  module_name_regex " + regex + ": " + text(q) + "\n";
  for (const auto& [name, q] : names_) out += "  module_name " + name + ": " + text(q) + "\n";
  for (const auto& [key, q] : orders_)
    out += "  module_name_object_type_order " + key.module_name + ", " + key.object_type.name() +
           ", " + std::to_string(key.index) + ": " + text(q) + "\n";
  return out + ")";
}

std::ostream& operator<<(std::ostream& os, const QConfigMapping& mapping) {
  return os << mapping.str();
}

QConfigMapping get_default_qconfig_mapping(std::string_view backend, int version) {
  return default_mapping(get_default_qconfig(backend, version),
                         default_fixed_qparams_range_0to1_observer,
                         default_fixed_qparams_range_neg1to1_observer);
}

QConfigMapping get_default_qat_qconfig_mapping(std::string_view backend, int version) {
  return default_mapping(get_default_qat_qconfig(backend, version),
                         default_fixed_qparams_range_0to1_fake_quant,
                         default_fixed_qparams_range_neg1to1_fake_quant);
}

}  // namespace adze::ao::quantization
