#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "adze/ao/quantization/fake_quantize.h"

namespace adze::ao::quantization {

/// How a layer is to be quantized: what to build for its result and for its weight. Kept in
/// `Module::qconfig`; a module without one of its own takes that of the module around it.
///
///     network.qconfig = QConfig{default_observer, default_weight_observer};
struct QConfig {
  ObserverFactory activation, weight;

  /// "QConfig(activation=..., weight=...)"
  std::string str() const;
  friend bool operator==(const QConfig&, const QConfig&) = default;
};
std::ostream& operator<<(std::ostream& os, const QConfig& qconfig);

/// True when both are none, or both build the same with equal options.
bool qconfig_equals(const std::optional<QConfig>& a, const std::optional<QConfig>& b);

/// True when the module has a setting of its own, be it a QConfig or "do not quantize".
bool has_qconfig(const adze::nn::Module& module);
/// The module's own QConfig; nothing when it has none, or when it is set to std::nullopt, which
/// means "do not quantize". Throws when `Module::qconfig` holds anything else.
std::optional<QConfig> get_qconfig(const adze::nn::Module& module);

/// QConfig for quantization after training: histograms of activations; weights per channel, for
/// qnnpack per tensor. `backend`: "x86", "fbgemm" (activations 0..127), "qnnpack" or "onednn"
/// (0..255). `version`: 0. Throws for anything else.
QConfig get_default_qconfig(std::string_view backend = "x86", int version = 0);
/// QConfig for training with simulated quantization; backends as above. `version` 1 uses
/// FusedMovingAvgObsFakeQuantize, 0 FakeQuantize. Throws for anything else.
QConfig get_default_qat_qconfig(std::string_view backend = "x86", int version = 1);

/// Settings of what the factory builds; throws when it is empty.
QuantizationSpec spec_of(const ObserverFactory& factory);
/// float32 when the activation (weight) has no observer.
DType activation_dtype(const QConfig& qconfig);
DType weight_dtype(const QConfig& qconfig);
/// quint8, qint8, qint32 or float16, with a range that is known before the network runs.
bool activation_is_statically_quantized(const QConfig& qconfig);
bool activation_is_dynamically_quantized(const QConfig& qconfig);
bool activation_is_int8_quantized(const QConfig& qconfig);
bool weight_is_quantized(const QConfig& qconfig);  // float16 too
bool weight_is_statically_quantized(const QConfig& qconfig);
/// True when the activation is observed by a moving average that forgets all but the last tensor,
/// which is what dynamic quantization does.
bool activation_is_memoryless(const QConfig& qconfig);

enum class QuantType : std::uint8_t { dynamic, static_, weight_only };
/// What a QConfig asks for; throws when its dtypes fit nothing.
QuantType get_quant_type(const QConfig& qconfig);

// ---- after training ----------------------------------------------------------------------------

inline const QConfig default_qconfig{default_observer, default_weight_observer};
inline const QConfig default_per_channel_qconfig{default_observer,
                                                 default_per_channel_weight_observer};
inline const QConfig default_debug_qconfig{default_debug_observer, default_weight_observer};
inline const QConfig default_reuse_input_qconfig{default_reuse_input_observer,
                                                 NoopObserver::with_args()};
/// int8 activations over the whole range, int8 weights in -127..127.
inline const QConfig default_symmetric_qnnpack_qconfig{
    HistogramObserver::with_args({.dtype = qint8, .eps = 0x1p-12}),
    weight_observer_range_neg_127_to_127};
inline const QConfig default_per_channel_symmetric_qnnpack_qconfig{
    HistogramObserver::with_args({.dtype = qint8, .eps = 0x1p-12}),
    per_channel_weight_observer_range_neg_127_to_127};

// ---- dynamic, half precision -------------------------------------------------------------------

inline const QConfig default_dynamic_qconfig{default_dynamic_quant_observer,
                                             default_weight_observer};
inline const QConfig per_channel_dynamic_qconfig{default_dynamic_quant_observer,
                                                 default_per_channel_weight_observer};
inline const QConfig float16_dynamic_qconfig{
    PlaceholderObserver::with_args({.dtype = float16, .is_dynamic = true}),
    PlaceholderObserver::with_args({.dtype = float16})};
inline const QConfig float16_static_qconfig{PlaceholderObserver::with_args({.dtype = float16}),
                                            PlaceholderObserver::with_args({.dtype = float16})};
inline const QConfig float_qparams_weight_only_qconfig{default_placeholder_observer,
                                                       default_float_qparams_observer};

// ---- quantization-aware training ---------------------------------------------------------------

inline const QConfig default_qat_qconfig{default_fake_quant, default_weight_fake_quant};
inline const QConfig default_qat_qconfig_v2{default_fused_act_fake_quant,
                                            default_fused_wt_fake_quant};
inline const QConfig default_dynamic_qat_qconfig{default_dynamic_fake_quant,
                                                 default_weight_fake_quant};
inline const QConfig default_weight_only_qconfig{{}, default_weight_fake_quant};
inline const QConfig default_activation_only_qconfig{default_fake_quant, {}};
inline const QConfig default_embedding_qat_qconfig{NoopObserver::with_args({.dtype = float32}),
                                                   default_embedding_fake_quant};
inline const QConfig default_symmetric_qnnpack_qat_qconfig{
    FusedMovingAvgObsFakeQuantize::with_args(
        {MovingAverageMinMaxObserver::with_args({.dtype = qint8, .eps = 0x1p-12})}),
    fused_wt_fake_quant_range_neg_127_to_127};
inline const QConfig default_per_channel_symmetric_qnnpack_qat_qconfig{
    FusedMovingAvgObsFakeQuantize::with_args(
        {MovingAverageMinMaxObserver::with_args({.dtype = qint8, .eps = 0x1p-12})}),
    fused_per_channel_wt_fake_quant_range_neg_127_to_127};

}  // namespace adze::ao::quantization
