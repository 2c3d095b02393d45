#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adze/ao/quantization/backend_config.h"
#include "adze/ao/quantization/qconfig_mapping.h"

namespace adze::ao::quantization {

struct StandaloneModule;

/// What fuse_fx keeps.
class FuseCustomConfig {
 public:
  /// Submodules, parameters and buffers that the fused network keeps although its graph does not
  /// use them.
  FuseCustomConfig& set_preserved_attributes(std::vector<std::string> names);
  const std::vector<std::string>& preserved_attributes() const { return preserved_; }

 private:
  std::vector<std::string> preserved_;
};

/// How prepare_fx treats parts of a network that need something else. Names and types that match
/// nothing are errors when the network is prepared.
class PrepareCustomConfig {
 public:
  using ModuleFactory = std::function<adze::nn::ModulePtr(adze::nn::Module& float_module)>;

  /// Prepares the submodule with that name (or all of that class) on its own, as a graph module
  /// inside the network's graph. `mapping` empty: the network's.
  PrepareCustomConfig& set_standalone_module_name(const std::string& name,
                                                  std::optional<QConfigMapping> mapping,
                                                  std::vector<Value> example_inputs,
                                                  PrepareCustomConfig inner = {},
                                                  const BackendConfig* backend_config = nullptr);
  PrepareCustomConfig& set_standalone_module_class(ModuleType type,
                                                   std::optional<QConfigMapping> mapping,
                                                   std::vector<Value> example_inputs,
                                                   PrepareCustomConfig inner = {},
                                                   const BackendConfig* backend_config = nullptr);
  /// Replaces modules of that class, where a static qconfig applies to them, by what `observed`
  /// builds; see ConvertCustomConfig for what becomes of those.
  PrepareCustomConfig& set_float_to_observed_mapping(ModuleType float_class, ModuleFactory observed,
                                                     QuantType quant_type = QuantType::static_);
  /// Calls of these stay one step of the graph; what is inside stays float.
  PrepareCustomConfig& set_non_traceable_module_names(std::vector<std::string> names);
  PrepareCustomConfig& set_non_traceable_module_classes(std::vector<ModuleType> types);
  /// Inputs of the network that come quantized.
  PrepareCustomConfig& set_input_quantized_indexes(std::vector<std::int64_t> indexes);
  /// Results of the network that are to stay quantized.
  PrepareCustomConfig& set_output_quantized_indexes(std::vector<std::int64_t> indexes);
  PrepareCustomConfig& set_preserved_attributes(std::vector<std::string> names);

  using StandalonePtr = std::shared_ptr<const StandaloneModule>;
  const std::vector<std::pair<std::string, StandalonePtr>>& standalone_module_names() const {
    return standalone_names_;
  }
  const std::vector<std::pair<ModuleType, StandalonePtr>>& standalone_module_classes() const {
    return standalone_classes_;
  }
  const std::vector<std::pair<ModuleType, ModuleFactory>>& float_to_observed_mapping() const {
    return float_to_observed_;
  }
  const std::vector<std::string>& non_traceable_module_names() const { return untraced_names_; }
  const std::vector<ModuleType>& non_traceable_module_classes() const { return untraced_classes_; }
  const std::vector<std::int64_t>& input_quantized_indexes() const { return inputs_; }
  const std::vector<std::int64_t>& output_quantized_indexes() const { return outputs_; }
  const std::vector<std::string>& preserved_attributes() const { return preserved_; }

 private:
  std::vector<std::pair<std::string, StandalonePtr>> standalone_names_;
  std::vector<std::pair<ModuleType, StandalonePtr>> standalone_classes_;
  std::vector<std::pair<ModuleType, ModuleFactory>> float_to_observed_;
  std::vector<std::string> untraced_names_;
  std::vector<ModuleType> untraced_classes_;
  std::vector<std::int64_t> inputs_, outputs_;
  std::vector<std::string> preserved_;
};

/// How a standalone module is prepared.
struct StandaloneModule {
  std::optional<QConfigMapping> mapping;
  std::vector<Value> example_inputs;
  PrepareCustomConfig custom_config;
  const BackendConfig* backend_config = nullptr;
};

/// How convert_fx treats parts of a prepared network.
class ConvertCustomConfig {
 public:
  using ModuleFactory = std::function<adze::nn::ModulePtr(adze::nn::Module& observed_module)>;

  /// What observed modules of that class become. `quantized` gets the observed module, whose output
  /// observer is attached to it (`activation_post_process`).
  ConvertCustomConfig& set_observed_to_quantized_mapping(ModuleType observed_class,
                                                         ModuleFactory quantized,
                                                         QuantType quant_type = QuantType::static_);
  ConvertCustomConfig& set_preserved_attributes(std::vector<std::string> names);

  const std::vector<std::pair<ModuleType, ModuleFactory>>& observed_to_quantized_mapping() const {
    return observed_to_quantized_;
  }
  const std::vector<std::string>& preserved_attributes() const { return preserved_; }

 private:
  std::vector<std::pair<ModuleType, ModuleFactory>> observed_to_quantized_;
  std::vector<std::string> preserved_;
};

}  // namespace adze::ao::quantization
