#pragma once

#include <optional>
#include <span>
#include <string>
#include <typeinfo>
#include <vector>

#include "adze/nn/swap.h"

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

/// Whether the result of a pattern has qparams of its own.
enum class ObservationType : std::uint8_t {
  output_use_different_observer_as_input,
  output_share_observer_with_input,
  input_output_not_observed,
};

/// One combination of dtypes that a pattern supports; nothing: any.
struct DTypeConfig {
  std::optional<DType> input_dtype = {}, output_dtype = {}, weight_dtype = {}, bias_dtype = {};
  bool is_dynamic = false;
  friend bool operator==(const DTypeConfig&, const DTypeConfig&) = default;
};

/// The module that several become, and what happens to their slots.
struct Fused {
  adze::nn::ModulePtr module;
  adze::nn::Slots slots = adze::nn::Slots::inside;
};
/// Builds the fused module from the matched ones, in data-flow order.
using Fuser = Fused (*)(std::span<const adze::nn::ModulePtr> modules);
/// Builds another form of a module, which carries its qconfig and its observer.
using FromFloat = adze::nn::ModulePtr (*)(adze::nn::Module& module);

/// One row of a backend config: a pattern, and the forms that it takes on the way to int8.
struct BackendPatternConfig {
  std::vector<ModuleType> pattern;  // in data-flow order
  ObservationType observation_type = ObservationType::output_use_different_observer_as_input;
  std::vector<DTypeConfig> dtype_configs = {};
  Fuser fuser_method = nullptr;                    // patterns of several modules
  FromFloat qat_module = nullptr;                  // float -> trained with fake-quantize
  FromFloat reference_quantized_module = nullptr;  // -> float on the weight's grid
  FromFloat quantized_module = nullptr;            // observed -> int8
  FromFloat dynamic_quantized_module = nullptr;    // float -> int8 weight, dynamic activations
  bool has_weight =
      false;  // its weight is quantized, so convert needs the qconfig's weight observer
  bool has_output_observer = true;  // prepare observes its output
};

/// What a backend can do: the table that fusing, preparing and converting look things up in. Adding
/// a layer means adding rows.
class BackendConfig {
 public:
  explicit BackendConfig(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }
  /// Adds a row, or replaces the one with the same pattern.
  BackendConfig& set_backend_pattern_config(BackendPatternConfig config);
  const std::vector<BackendPatternConfig>& configs() const { return configs_; }
  /// The row with exactly this pattern, or nullptr.
  const BackendPatternConfig* find(std::span<const ModuleType> pattern) const;
  const BackendPatternConfig* find(const adze::nn::Module& module) const;

 private:
  std::string name_;
  std::vector<BackendPatternConfig> configs_;
};

/// Everything that the library has quantized forms for. The default everywhere.
const BackendConfig& get_native_backend_config();

}  // namespace adze::ao::quantization
