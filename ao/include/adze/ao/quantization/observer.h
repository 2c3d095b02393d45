#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adze/ao/quantization/histogram_observer.h"
#include "adze/ao/quantization/observer_base.h"
#include "adze/nn/state_dict.h"

namespace adze::ao::quantization {

// Elements that are infinite or NaN are left out of every range, with a warning.

/// Observes the smallest and largest value of all tensors so far; one scale per tensor.
class MinMaxObserver : public adze::nn::ModuleOf<MinMaxObserver, UniformQuantizationObserverBase> {
 public:
  explicit MinMaxObserver(const ObserverOptions& options = {});
  static ObserverFactory with_args(const ObserverOptions& options = {}) {
    return ObserverFactory::of<MinMaxObserver>(options);
  }

  adze::nn::Buffer min_val, max_val;  // float32 scalars; +inf and -inf before the first tensor

  Tensor forward(const Tensor& x) override;
  TensorQParams calculate_qparams() const override;
  bool has_data() const override;
  void reset_min_max_vals() override;
  std::string extra_repr() const override;

 protected:
  MinMaxObserver(std::string_view name, const ObserverOptions& options, Traits traits);
  void fields(adze::nn::FieldList& f) override;
};

/// Keeps moving averages of the smallest and largest value: m += averaging_constant * (new - m),
/// starting from the first tensor's, in float32. With averaging_constant 1 the result is exactly
/// the last tensor's, where the field's keeps a rounding error of the one before.
class MovingAverageMinMaxObserver
    : public adze::nn::ModuleOf<MovingAverageMinMaxObserver, MinMaxObserver> {
 public:
  explicit MovingAverageMinMaxObserver(const ObserverOptions& options = {});
  static ObserverFactory with_args(const ObserverOptions& options = {}) {
    return ObserverFactory::of<MovingAverageMinMaxObserver>(options);
  }
};

/// Observes the smallest and largest value per channel along `ch_axis`; one scale per channel.
class PerChannelMinMaxObserver
    : public adze::nn::ModuleOf<PerChannelMinMaxObserver, UniformQuantizationObserverBase> {
 public:
  explicit PerChannelMinMaxObserver(const ObserverOptions& options = {});
  static ObserverFactory with_args(const ObserverOptions& options = {}) {
    return ObserverFactory::of<PerChannelMinMaxObserver>(options);
  }

  adze::nn::Buffer min_val, max_val;  // float32 (channels); (0) before the first tensor

  /// Throws when the number of channels differs from that of earlier tensors.
  Tensor forward(const Tensor& x) override;
  TensorQParams calculate_qparams() const override;
  bool has_data() const override;
  void reset_min_max_vals() override;
  std::string extra_repr() const override;

 protected:
  PerChannelMinMaxObserver(std::string_view name, const ObserverOptions& options, Traits traits);
  void fields(adze::nn::FieldList& f) override;
};

/// As MovingAverageMinMaxObserver, per channel.
class MovingAveragePerChannelMinMaxObserver
    : public adze::nn::ModuleOf<MovingAveragePerChannelMinMaxObserver, PerChannelMinMaxObserver> {
 public:
  explicit MovingAveragePerChannelMinMaxObserver(const ObserverOptions& options = {});
  static ObserverFactory with_args(const ObserverOptions& options = {}) {
    return ObserverFactory::of<MovingAveragePerChannelMinMaxObserver>(options);
  }
};

struct FixedQParamsOptions {
  double scale = 1;
  std::int64_t zero_point = 0;
  DType dtype = quint8;
  std::int64_t quant_min = 0, quant_max = 255;
  std::string str() const;
  friend bool operator==(const FixedQParamsOptions&, const FixedQParamsOptions&) = default;
};
/// Observes nothing: scale and zero point are known beforehand (the range of a sigmoid, say).
class FixedQParamsObserver : public adze::nn::ModuleOf<FixedQParamsObserver, ObserverBase> {
 public:
  /// Throws unless the scale is finite and > 0 and quant_min <= zero_point <= quant_max.
  explicit FixedQParamsObserver(const FixedQParamsOptions& options);
  static ObserverFactory with_args(const FixedQParamsOptions& options) {
    return ObserverFactory::of<FixedQParamsObserver>(options);
  }

  adze::nn::Buffer scale;       // float32 (1)
  adze::nn::Buffer zero_point;  // int32 (1)

  Tensor forward(const Tensor& x) override { return x; }
  TensorQParams calculate_qparams() const override { return {scale.value(), zero_point.value()}; }
  bool has_data() const override { return true; }
  std::map<std::string, Value> config() const override;

 protected:
  void fields(adze::nn::FieldList& f) override { f(scale, zero_point); }
};

struct PlaceholderOptions {
  DType dtype = float32;  // any
  std::string custom_op_name{};
  bool is_dynamic = false;
  std::optional<std::int64_t> quant_min{}, quant_max{};
  QScheme qscheme = per_tensor_affine;
  std::string str() const;
  friend bool operator==(const PlaceholderOptions&, const PlaceholderOptions&) = default;
};
/// Observes nothing and has no qparams: carries a dtype, or that activations are quantized
/// dynamically, to convert.
class PlaceholderObserver : public adze::nn::ModuleOf<PlaceholderObserver, ObserverBase> {
 public:
  explicit PlaceholderObserver(const PlaceholderOptions& options = {});
  static ObserverFactory with_args(const PlaceholderOptions& options = {}) {
    return ObserverFactory::of<PlaceholderObserver>(options);
  }
  const std::string& custom_op() const { return custom_op_; }
  Tensor forward(const Tensor& x) override { return x; }
  TensorQParams calculate_qparams() const override;
  bool has_data() const override { return false; }
  std::map<std::string, Value> config() const override;
  std::string extra_repr() const override;

 private:
  std::string custom_op_;
};

struct NoopOptions {
  DType dtype = float16;
  std::string custom_op_name{};
  std::string str() const;
  friend bool operator==(const NoopOptions&, const NoopOptions&) = default;
};
/// Observes nothing and has no qparams: "leave this in `dtype`".
class NoopObserver : public adze::nn::ModuleOf<NoopObserver, ObserverBase> {
 public:
  explicit NoopObserver(const NoopOptions& options = {});
  static ObserverFactory with_args(const NoopOptions& options = {}) {
    return ObserverFactory::of<NoopObserver>(options);
  }
  const std::string& custom_op() const { return custom_op_; }
  Tensor forward(const Tensor& x) override { return x; }
  TensorQParams calculate_qparams() const override;
  bool has_data() const override { return false; }
  std::map<std::string, Value> config() const override;

 private:
  std::string custom_op_;
};

struct RecordingOptions {
  DType dtype = quint8;
  std::string str() const;
  friend bool operator==(const RecordingOptions&, const RecordingOptions&) = default;
};
/// Keeps a copy of every tensor; for debugging.
class RecordingObserver : public adze::nn::ModuleOf<RecordingObserver, ObserverBase> {
 public:
  explicit RecordingObserver(const RecordingOptions& options = {});
  static ObserverFactory with_args(const RecordingOptions& options = {}) {
    return ObserverFactory::of<RecordingObserver>(options);
  }
  Tensor forward(const Tensor& x) override;
  /// Copies of what came, in order.
  TensorList get_tensor_value() const;
  TensorQParams calculate_qparams() const override;
  bool has_data() const override { return false; }
  std::map<std::string, Value> config() const override;

 protected:
  void fields(adze::nn::FieldList& f) override { f(tensor_val_); }

 private:
  std::vector<adze::nn::Parameter> tensor_val_;  // buffers that are not saved, so that a deepcopy
                                                 // has its own
};

struct ReuseInputOptions {
  std::string str() const { return {}; }
  friend bool operator==(const ReuseInputOptions&, const ReuseInputOptions&) = default;
};
/// Marks ops such as reshape, whose result keeps the qparams of the input.
class ReuseInputObserver : public adze::nn::ModuleOf<ReuseInputObserver, ObserverBase> {
 public:
  explicit ReuseInputObserver(const ReuseInputOptions& options = {});
  static ObserverFactory with_args() {
    return ObserverFactory::of<ReuseInputObserver>(ReuseInputOptions{});
  }
  Tensor forward(const Tensor& x) override { return x; }
  TensorQParams calculate_qparams() const override;
  bool has_data() const override { return false; }
};

/// Activations, 0..127: safe for int8 kernels that saturate.
inline const ObserverFactory default_observer =
    MinMaxObserver::with_args({.quant_min = 0, .quant_max = 127});
inline const ObserverFactory default_histogram_observer =
    HistogramObserver::with_args({.quant_min = 0, .quant_max = 127});
/// Weights, symmetric, per tensor.
inline const ObserverFactory default_weight_observer =
    MinMaxObserver::with_args({.dtype = qint8, .qscheme = per_tensor_symmetric});
/// Weights, symmetric, per output channel.
inline const ObserverFactory default_per_channel_weight_observer =
    PerChannelMinMaxObserver::with_args({.dtype = qint8, .qscheme = per_channel_symmetric});
/// The same without -128.
inline const ObserverFactory weight_observer_range_neg_127_to_127 =
    MinMaxObserver::with_args({.dtype = qint8,
                               .qscheme = per_tensor_symmetric,
                               .quant_min = -127,
                               .quant_max = 127,
                               .eps = 0x1p-12});
inline const ObserverFactory per_channel_weight_observer_range_neg_127_to_127 =
    PerChannelMinMaxObserver::with_args({.dtype = qint8,
                                         .qscheme = per_channel_symmetric,
                                         .quant_min = -127,
                                         .quant_max = 127,
                                         .eps = 0x1p-12});
/// Activations that are quantized with the range of each batch.
inline const ObserverFactory default_dynamic_quant_observer = PlaceholderObserver::with_args(
    {.dtype = quint8, .is_dynamic = true, .quant_min = 0, .quant_max = 255});
inline const ObserverFactory default_placeholder_observer = PlaceholderObserver::with_args();
inline const ObserverFactory default_debug_observer = RecordingObserver::with_args();
inline const ObserverFactory default_reuse_input_observer = ReuseInputObserver::with_args();
/// Rows of embeddings, with a zero point that is not an integer.
inline const ObserverFactory default_float_qparams_observer = PerChannelMinMaxObserver::with_args(
    {.dtype = quint8, .qscheme = per_channel_affine_float_qparams});
/// Sigmoid, softmax: [0, 1).
inline const ObserverFactory default_fixed_qparams_range_0to1_observer =
    FixedQParamsObserver::with_args({.scale = 1.0 / 256.0, .zero_point = 0});
/// Tanh: [-1, 1).
inline const ObserverFactory default_fixed_qparams_range_neg1to1_observer =
    FixedQParamsObserver::with_args({.scale = 2.0 / 256.0, .zero_point = 128});

/// What the observers of a network have seen: the entries of its state_dict that belong to modules
/// named activation_post_process.
adze::nn::StateDict get_observer_state_dict(adze::nn::Module& root);
/// Puts it back. Throws, and changes nothing, when names are missing or unexpected.
void load_observer_state_dict(adze::nn::Module& root, const adze::nn::StateDict& state);

}  // namespace adze::ao::quantization
