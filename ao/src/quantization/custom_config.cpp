#include "adze/ao/quantization/custom_config.h"

#include <algorithm>

namespace adze::ao::quantization {
namespace {

template <class Key, class T>
void put(std::vector<std::pair<Key, T>>& entries, const Key& key, T value) {
  const auto same =
      std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.first == key; });
  if (same == entries.end())
    entries.emplace_back(key, std::move(value));
  else
    same->second = std::move(value);
}

std::shared_ptr<const StandaloneModule> standalone(std::optional<QConfigMapping>&& mapping,
                                                   std::vector<Value>&& examples,
                                                   PrepareCustomConfig&& inner,
                                                   const BackendConfig* backend) {
  return std::make_shared<const StandaloneModule>(
      StandaloneModule{std::move(mapping), std::move(examples), std::move(inner), backend});
}

void check_static(const char* setter, QuantType type) {
  check(type == QuantType::static_, setter, ": only static quantization is supported");
}

}  // namespace

FuseCustomConfig& FuseCustomConfig::set_preserved_attributes(std::vector<std::string> names) {
  preserved_ = std::move(names);
  return *this;
}

PrepareCustomConfig& PrepareCustomConfig::set_standalone_module_name(
    const std::string& name, std::optional<QConfigMapping> mapping,
    std::vector<Value> example_inputs, PrepareCustomConfig inner, const BackendConfig* backend) {
  put(standalone_names_, name,
      standalone(std::move(mapping), std::move(example_inputs), std::move(inner), backend));
  return *this;
}

PrepareCustomConfig& PrepareCustomConfig::set_standalone_module_class(
    ModuleType type, std::optional<QConfigMapping> mapping, std::vector<Value> example_inputs,
    PrepareCustomConfig inner, const BackendConfig* backend) {
  put(standalone_classes_, type,
      standalone(std::move(mapping), std::move(example_inputs), std::move(inner), backend));
  return *this;
}

PrepareCustomConfig& PrepareCustomConfig::set_float_to_observed_mapping(ModuleType float_class,
                                                                        ModuleFactory observed,
                                                                        QuantType quant_type) {
  check_static("set_float_to_observed_mapping", quant_type);
  put(float_to_observed_, float_class, std::move(observed));
  return *this;
}

PrepareCustomConfig& PrepareCustomConfig::set_non_traceable_module_names(
    std::vector<std::string> names) {
  untraced_names_ = std::move(names);
  return *this;
}

PrepareCustomConfig& PrepareCustomConfig::set_non_traceable_module_classes(
    std::vector<ModuleType> types) {
  untraced_classes_ = std::move(types);
  return *this;
}

PrepareCustomConfig& PrepareCustomConfig::set_input_quantized_indexes(
    std::vector<std::int64_t> indexes) {
  inputs_ = std::move(indexes);
  return *this;
}

PrepareCustomConfig& PrepareCustomConfig::set_output_quantized_indexes(
    std::vector<std::int64_t> indexes) {
  outputs_ = std::move(indexes);
  return *this;
}

PrepareCustomConfig& PrepareCustomConfig::set_preserved_attributes(std::vector<std::string> names) {
  preserved_ = std::move(names);
  return *this;
}

ConvertCustomConfig& ConvertCustomConfig::set_observed_to_quantized_mapping(
    ModuleType observed_class, ModuleFactory quantized, QuantType quant_type) {
  check_static("set_observed_to_quantized_mapping", quant_type);
  put(observed_to_quantized_, observed_class, std::move(quantized));
  return *this;
}

ConvertCustomConfig& ConvertCustomConfig::set_preserved_attributes(std::vector<std::string> names) {
  preserved_ = std::move(names);
  return *this;
}

}  // namespace adze::ao::quantization
