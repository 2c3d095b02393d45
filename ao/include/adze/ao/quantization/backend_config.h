#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adze/ao/quantization/object_type.h"
#include "adze/core/ops/quantize.h"
#include "adze/nn/swap.h"

namespace adze::ao::quantization {

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

/// The int8 form of a reference module, or of one without weight, with the qparams of its result.
using FromQParams = adze::nn::ModulePtr (*)(adze::nn::Module& module, const QParams& output,
                                            DType dtype);

/// One row of a backend config: a pattern, and the forms that it takes on the way to int8.
///
/// A pattern is one module class or op, or several in data-flow order, each the only user of the
/// one before. Eager mode uses the rows of modules, graph mode all.
struct BackendPatternConfig {
  std::vector<ObjectType> pattern;
  ObservationType observation_type = ObservationType::output_use_different_observer_as_input;
  std::vector<DTypeConfig> dtype_configs = {};
  Fuser fuser_method = nullptr;                    // several become one module, at the first's path
  FromFloat qat_module = nullptr;                  // float -> trained with fake-quantize
  FromFloat reference_quantized_module = nullptr;  // -> float on the weight's grid
  FromFloat quantized_module = nullptr;            // observed, or reference -> int8
  FromFloat dynamic_quantized_module = nullptr;    // float -> int8 weight, dynamic activations
  bool has_weight =
      false;  // its weight is quantized, so convert needs the qconfig's weight observer
  bool has_output_observer = true;  // prepare observes its output

  // ---- graph mode ------------------------------------------------------------------------------
  /// The class whose qconfig counts for a fused or qat form.
  std::optional<ModuleType> root_module = {};
  /// A qat form -> the float form with the effective weight.
  FromFloat float_module = nullptr;
  /// Observation types for ops whose tensors and numbers are counted: x + y, x + 2.
  std::map<std::size_t, ObservationType> num_tensor_args_to_observation_type = {};
  /// Positions of weight and bias among the arguments of an op.
  std::optional<std::size_t> weight_index = {}, bias_index = {};
  /// The only qparams that the result can have (sigmoid, tanh, softmax).
  std::optional<QParams> fixed_qparams = {};
  /// The op itself, or the module as it is, computes on quantized tensors.
  bool runs_quantized = false;
  /// Evaluation passes the input on, qparams and all (dropout).
  bool is_identity = false;
  /// The op on quantized arguments, with scale and zero point of the result behind them. Of a row
  /// that `runs_quantized`: for arguments whose qparams differ.
  const OpBase* quantized_op = nullptr;
  /// The same for one tensor and a number; its result has qparams of its own.
  const OpBase* quantized_scalar_op = nullptr;
  /// The op on a float tensor, quantized weight and bias.
  const OpBase* dynamic_quantized_op = nullptr;
  const OpBase* dynamic_fp16_op = nullptr;
  /// The int8 form of a reference module, or of a module without weight.
  FromQParams lowered_module = nullptr;
  /// Reference modules: the forms with dynamic activations, and with float activations.
  FromFloat dynamic_lowered_module = nullptr, weight_only_module = nullptr;
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
  const BackendPatternConfig* find(std::span<const ObjectType> pattern) const;
  const BackendPatternConfig* find(const adze::nn::Module& module) const;

 private:
  std::string name_;
  std::vector<BackendPatternConfig> configs_;
};

/// Everything that the library has quantized forms for. The default everywhere.
const BackendConfig& get_native_backend_config();

/// The same, with linear layers that always keep their weight in blocks: convert gives
/// ao::nn::sparse::quantized::Linear, LinearReLU and their dynamic forms. (The forms of the native
/// config choose blocks where they expect them to be faster.)
const BackendConfig& get_sparse_backend_config();

}  // namespace adze::ao::quantization
