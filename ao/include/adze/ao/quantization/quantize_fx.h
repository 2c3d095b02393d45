#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adze/ao/quantization/custom_config.h"
#include "adze/ao/quantization/equalize_fx.h"
#include "adze/fx/graph_module.h"

namespace adze::ao::quantization {

// Graph mode: the network is traced, so that functions, residual connections and hand-written
// modules are quantized too, and nothing has to be fused or marked by hand.
//
//     auto prepared = prepare_fx(model, get_default_qconfig_mapping(), {example});
//     for (const Tensor& x : calibration_data) (*prepared)(x);
//     auto int8 = convert_fx(prepared);
//
// All calls leave the network they are given as it is, unless `inplace`: then the result shares its
// modules and slots (masks, optimisers and sparsifiers stay with them).

using GraphModulePtr = std::shared_ptr<adze::fx::GraphModule>;

struct FuseFxOptions {
  FuseCustomConfig fuse_custom_config = {};
  const BackendConfig* backend_config = nullptr;  // null: native
  std::vector<Value> example_inputs = {};         // where tracing needs shapes
  bool inplace = false;
};
/// The graph of the network with sequences of modules fused by the rules of the backend config
/// (Linear and the ReLU behind it). The fused module stands at the path of the first.
GraphModulePtr fuse_fx(const adze::nn::ModulePtr& model, const FuseFxOptions& options = {});

struct PrepareFxOptions {
  PrepareCustomConfig prepare_custom_config = {};
  /// Layers whose input channels are equalized; convert does it. Not for training.
  EqualizationMapping equalization_config = {};
  const BackendConfig* backend_config = nullptr;  // null: native
  bool inplace = false;
};
/// The network as a graph with observers ("activation_post_process_0", ...): traced, fused, each
/// value that is to be quantized observed. Run it on typical data, then convert it.
///
/// Throws when tracing does, when a name in `qconfig_mapping` or the custom config matches nothing,
/// when an index is out of range, and when the network is prepared already. What stays float
/// although its qconfig asks for int8 is a warning, and a line of `report`.
GraphModulePtr prepare_fx(const adze::nn::ModulePtr& model, const QConfigMapping& qconfig_mapping,
                          const std::vector<Value>& example_inputs,
                          const PrepareFxOptions& options = {});
/// The same for training: layers in their qat form, fake-quantizes for observers.
GraphModulePtr prepare_qat_fx(const adze::nn::ModulePtr& model,
                              const QConfigMapping& qconfig_mapping,
                              const std::vector<Value>& example_inputs,
                              const PrepareFxOptions& options = {});

struct ConvertFxOptions {
  ConvertCustomConfig convert_custom_config = {};
  const BackendConfig* backend_config = nullptr;  // null: native
  /// Parts for which it says std::nullopt stay float; all else as prepared. Throws when another
  /// QConfig than that of prepare is given.
  std::optional<QConfigMapping> qconfig_mapping = {};
  /// false: the qconfigs stay on the modules.
  bool remove_qconfig = true;
  /// Observers without data give scale 1 and zero point 0 instead of an error.
  bool allow_uncalibrated = false;
  bool inplace = false;
};
/// The reference network: float ops and layers on the grids of the integers, quantize and
/// dequantize written out around them. It computes in float32 what the int8 network computes in
/// integers.
///
/// Throws, and changes nothing, when the network was not prepared or is converted already, and when
/// observers have seen no data, naming them. Warns when zeros of a weight changed after
/// calibration.
GraphModulePtr convert_to_reference_fx(const adze::nn::ModulePtr& prepared,
                                       const ConvertFxOptions& options = {});
/// The int8 network: the reference network, lowered.
GraphModulePtr convert_fx(const adze::nn::ModulePtr& prepared,
                          const ConvertFxOptions& options = {});
/// A reference network with each pattern that has a quantized form in that form: quantized layers,
/// ops on quantized tensors. `convert_fx` is `lower_to_quantized` of `convert_to_reference_fx`.
GraphModulePtr lower_to_quantized(const GraphModulePtr& reference,
                                  const BackendConfig* backend_config = nullptr,
                                  bool inplace = false);

}  // namespace adze::ao::quantization
