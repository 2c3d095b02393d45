#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adze/ao/quantization/attach.h"
#include "adze/ao/quantization/backend_config.h"
#include "adze/ao/quantization/stubs.h"

namespace adze::ao::quantization {

// All calls take a network and return one: a copy, or with `inplace` the same. A bare layer is a
// network too: the result may then be another object, so always go on with what is returned.

struct PrepareOptions {
  bool inplace = false;
  std::vector<ModuleType> allow_list = {};        // empty: all types
  const BackendConfig* backend_config = nullptr;  // null: native
};

/// Sets `Module::qconfig` on every module to which one applies: its own, else the one of the
/// nearest module above it. A module (and what is below it) whose qconfig is set to std::nullopt
/// gets none. prepare and prepare_qat call it.
void propagate_qconfig_(adze::nn::Module& root);

/// The network with an observer behind every module that is to be quantized (children named
/// "activation_post_process"). Run it on typical data, then call `convert`. Modules that are
/// prepared already stay as they are. Warns when no module has a qconfig.
adze::nn::ModulePtr prepare(const adze::nn::ModulePtr& model, PrepareOptions options = {});

/// The network with layers in their qat form and fake-quantizes behind them, for training. Slots
/// move into the new layers: masks, pinned zeros and optimisers stay with the weights. Throws
/// unless the network is in training mode.
adze::nn::ModulePtr prepare_qat(const adze::nn::ModulePtr& model, PrepareOptions options = {});

struct ConvertOptions {
  bool inplace = false;
  /// false: the qconfigs stay on the modules.
  bool remove_qconfig = true;
  /// Masks that are still on tensors of the network (of layers that stay float) become part of
  /// them, so that nothing is parametrized in the end.
  bool bake_remaining = true;
  /// Observers without data give scale 1 and zero point 0 instead of an error: for a network whose
  /// state is loaded afterwards.
  bool allow_uncalibrated = false;
  /// Layers become their reference form (float, on the weight's grid) instead of int8; stubs and
  /// everything else stay float.
  bool is_reference = false;
  const BackendConfig* backend_config = nullptr;  // null: native
};

/// The network with prepared modules replaced by int8 ones, made from the effective weights (masks
/// applied). Observers, their hooks and (unless told otherwise) qconfigs are gone afterwards.
///
/// Throws, and changes nothing, when a module with a qconfig was never prepared, when an observer
/// has seen no data, or when a fused or nested module cannot be converted. Warns when the zeros of
/// a weight changed after calibration.
adze::nn::ModulePtr convert(const adze::nn::ModulePtr& model, ConvertOptions options = {});

/// A run over calibration data, or training.
using RunFunction = std::function<void(adze::nn::Module&)>;
/// eval, prepare, `run`, convert.
adze::nn::ModulePtr quantize(const adze::nn::ModulePtr& model, const RunFunction& run,
                             PrepareOptions options = {});
/// train, prepare_qat, `run`, convert. The result is in eval mode.
adze::nn::ModulePtr quantize_qat(const adze::nn::ModulePtr& model, const RunFunction& run,
                                 PrepareOptions options = {});

/// Which modules quantize_dynamic takes: types, names, or both with a qconfig each.
struct DynamicSpec {
  std::vector<ModuleType> types = {};
  std::vector<std::string> names = {};
  std::vector<std::pair<ModuleType, QConfig>> type_qconfigs = {};
  std::vector<std::pair<std::string, QConfig>> name_qconfigs = {};
};
struct DynamicOptions {
  std::optional<DynamicSpec> qconfig_spec = {};  // nothing: all types with a dynamic form
  DType dtype = qint8;                           // qint8 or float16: the default qconfig
  bool inplace = false;
  const BackendConfig* backend_config = nullptr;  // null: native
};
/// The network in eval mode with int8 (or float16) weights whose activations are quantized on the
/// fly; needs no calibration. Throws when a name matches nothing or names a module without a
/// dynamic form.
adze::nn::ModulePtr quantize_dynamic(const adze::nn::ModulePtr& model, DynamicOptions options = {});

/// The network with every leaf that has a qconfig wrapped in a QuantWrapper, in place.
adze::nn::ModulePtr add_quant_dequant(const adze::nn::ModulePtr& model);

}  // namespace adze::ao::quantization
