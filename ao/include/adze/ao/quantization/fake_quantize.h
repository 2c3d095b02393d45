#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "adze/ao/quantization/observer.h"

namespace adze::ao::quantization {

struct FakeQuantizeOptions {
  ObserverFactory observer = MovingAverageMinMaxObserver::with_args();
  std::string str() const { return "observer=" + observer.str(); }
  friend bool operator==(const FakeQuantizeOptions&, const FakeQuantizeOptions&) = default;
};

/// What all fake-quantizes share: they observe, and they replace values by those that the integers
/// would stand for. Both can be switched off.
class FakeQuantizeBase : public ObserverOrFakeQuant {
 public:
  adze::nn::Buffer fake_quant_enabled, observer_enabled;  // uint8 (1)
  adze::nn::Buffer scale;       // float32 (1) or (channels): of the last tensor observed
  adze::nn::Buffer zero_point;  // int32 (float32 for float qparams), as many
  adze::nn::Submodule activation_post_process;  // the observer

  void enable_fake_quant(bool enabled = true);
  void disable_fake_quant() { enable_fake_quant(false); }
  void enable_observer(bool enabled = true);
  void disable_observer() { enable_observer(false); }
  bool fake_quant_is_enabled() const;
  bool observer_is_enabled() const;

  /// Those of the observer: exactly what the network is converted with.
  TensorQParams calculate_qparams() const override { return observer().calculate_qparams(); }
  bool has_data() const override { return observer().has_data(); }
  const QuantizationSpec& spec() const override { return observer().spec(); }
  std::optional<double> averaging_constant() const override {
    return observer().averaging_constant();
  }
  ObserverBase& observer() const { return activation_post_process.as<ObserverBase>(); }

 protected:
  /// Throws when the factory builds no observer, or one of a dtype that is not quantized.
  explicit FakeQuantizeBase(const ObserverFactory& observer_factory);
  /// Around an observer that is there already.
  explicit FakeQuantizeBase(std::shared_ptr<ObserverBase> observer_module);
  void fields(adze::nn::FieldList& f) override;
  /// Observes `x` and updates scale and zero_point.
  void observe(const Tensor& x);
  /// `x` on the grid of scale and zero_point. The gradient passes straight through inside the
  /// range, and is 0 outside.
  Tensor fake_quantize(const Tensor& x) const;
};

/// Simulates quantization in training: (clamp(zero_point + round(x / scale), quant_min, quant_max)
/// - zero_point) * scale, with qparams of the observer, which sees each tensor first. All settings
/// are those of the observer:
///
///     FakeQuantize::with_args({MovingAverageMinMaxObserver::with_args({.reduce_range = true})})
class FakeQuantize : public adze::nn::ModuleOf<FakeQuantize, FakeQuantizeBase> {
 public:
  explicit FakeQuantize(const FakeQuantizeOptions& options = {}) : ModuleOf(options.observer) {}
  explicit FakeQuantize(std::shared_ptr<ObserverBase> observer_module)
      : ModuleOf(std::move(observer_module)) {}
  static ObserverFactory with_args(const FakeQuantizeOptions& options = {}) {
    return ObserverFactory::of<FakeQuantize>(options);
  }
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
};

/// A FakeQuantize whose scale and zero point never change; the observer is a FixedQParamsObserver.
class FixedQParamsFakeQuantize
    : public adze::nn::ModuleOf<FixedQParamsFakeQuantize, FakeQuantizeBase> {
 public:
  explicit FixedQParamsFakeQuantize(const FakeQuantizeOptions& options);
  explicit FixedQParamsFakeQuantize(std::shared_ptr<ObserverBase> observer_module);
  static ObserverFactory with_args(const FakeQuantizeOptions& options) {
    return ObserverFactory::of<FixedQParamsFakeQuantize>(options);
  }
  TensorQParams calculate_qparams() const override { return {scale.value(), zero_point.value()}; }
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  void take_over_qparams();
};

/// A FakeQuantize whose observer is a moving average, as the field's fused module. It computes with
/// the same qparams as every other observer, so that what was trained is what is converted.
class FusedMovingAvgObsFakeQuantize
    : public adze::nn::ModuleOf<FusedMovingAvgObsFakeQuantize, FakeQuantize> {
 public:
  /// Throws unless the observer is a moving average.
  explicit FusedMovingAvgObsFakeQuantize(const FakeQuantizeOptions& options = {});
  explicit FusedMovingAvgObsFakeQuantize(std::shared_ptr<ObserverBase> observer_module);
  static ObserverFactory with_args(const FakeQuantizeOptions& options = {}) {
    return ObserverFactory::of<FusedMovingAvgObsFakeQuantize>(options);
  }
  std::string extra_repr() const override;

 private:
  void check_averaging() const;
};

/// Switch every fake-quantize of a network.
void enable_fake_quant(adze::nn::Module& root);
void disable_fake_quant(adze::nn::Module& root);
void enable_observer(adze::nn::Module& root);
void disable_observer(adze::nn::Module& root);

/// Activations, 0..127.
inline const ObserverFactory default_fake_quant =
    FakeQuantize::with_args({MovingAverageMinMaxObserver::with_args(
        {.reduce_range = true, .quant_min = 0, .quant_max = 255})});
/// Activations by their histogram, 0..127.
inline const ObserverFactory default_histogram_fake_quant = FakeQuantize::with_args(
    {HistogramObserver::with_args({.reduce_range = true, .quant_min = 0, .quant_max = 255})});
/// Activations that are quantized with the range of each batch.
inline const ObserverFactory default_dynamic_fake_quant =
    FakeQuantize::with_args({MovingAverageMinMaxObserver::with_args(
        {.quant_min = 0, .quant_max = 255, .is_dynamic = true, .averaging_constant = 1})});
/// Activations, 0..255.
inline const ObserverFactory default_fused_act_fake_quant =
    FusedMovingAvgObsFakeQuantize::with_args(
        {MovingAverageMinMaxObserver::with_args({.quant_min = 0, .quant_max = 255})});

// Weights. The range is that of the current weight (averaging_constant 1, where the field keeps a
// running one, 0.01): what is converted does not depend on the steps that led to it, and a weight
// that was pruned or loaded in between has its own range at once.

namespace detail {
inline ObserverOptions weight_options(QScheme scheme) {
  return {.dtype = qint8,
          .qscheme = scheme,
          .quant_min = -128,
          .quant_max = 127,
          .averaging_constant = 1};
}
inline ObserverOptions weight_options_127(QScheme scheme) {
  return {.dtype = qint8,
          .qscheme = scheme,
          .quant_min = -127,
          .quant_max = 127,
          .eps = 0x1p-12,
          .averaging_constant = 1};
}
}  // namespace detail

inline const ObserverFactory default_weight_fake_quant = FakeQuantize::with_args(
    {MovingAverageMinMaxObserver::with_args(detail::weight_options(per_tensor_symmetric))});
inline const ObserverFactory default_per_channel_weight_fake_quant =
    FakeQuantize::with_args({MovingAveragePerChannelMinMaxObserver::with_args(
        detail::weight_options(per_channel_symmetric))});
inline const ObserverFactory default_fused_wt_fake_quant = FusedMovingAvgObsFakeQuantize::with_args(
    {MovingAverageMinMaxObserver::with_args(detail::weight_options(per_tensor_symmetric))});
inline const ObserverFactory default_fused_per_channel_wt_fake_quant =
    FusedMovingAvgObsFakeQuantize::with_args({MovingAveragePerChannelMinMaxObserver::with_args(
        detail::weight_options(per_channel_symmetric))});
/// The same without -128.
inline const ObserverFactory fused_wt_fake_quant_range_neg_127_to_127 =
    FusedMovingAvgObsFakeQuantize::with_args(
        {MovingAverageMinMaxObserver::with_args(detail::weight_options_127(per_tensor_symmetric))});
inline const ObserverFactory fused_per_channel_wt_fake_quant_range_neg_127_to_127 =
    FusedMovingAvgObsFakeQuantize::with_args({MovingAveragePerChannelMinMaxObserver::with_args(
        detail::weight_options_127(per_channel_symmetric))});
/// Rows of embeddings.
inline const ObserverFactory default_embedding_fake_quant = FakeQuantize::with_args(
    {MovingAveragePerChannelMinMaxObserver::with_args({.qscheme = per_channel_affine_float_qparams,
                                                       .quant_min = 0,
                                                       .quant_max = 255,
                                                       .averaging_constant = 1})});

/// Sigmoid, softmax: [0, 1).
inline const ObserverFactory default_fixed_qparams_range_0to1_fake_quant =
    FixedQParamsFakeQuantize::with_args({default_fixed_qparams_range_0to1_observer});
/// Tanh: [-1, 1).
inline const ObserverFactory default_fixed_qparams_range_neg1to1_fake_quant =
    FixedQParamsFakeQuantize::with_args({default_fixed_qparams_range_neg1to1_observer});

}  // namespace adze::ao::quantization
