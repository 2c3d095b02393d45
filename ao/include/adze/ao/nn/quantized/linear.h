#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "adze/core/ops/quantize.h"
#include "adze/kernels/linear_weights.h"
#include "adze/nn/module.h"

namespace adze::ao::nn::quantized {

/// What the static and the dynamic quantized linear layers share: the int8 weight and the bias.
class LinearBase : public adze::nn::Module {
 public:
  adze::nn::Buffer weight;  // qint8 (out_features, in_features)
  adze::nn::Buffer bias;    // float32 (out_features), or undefined

  std::int64_t in_features() const { return weight.slot()->original().size(1); }
  std::int64_t out_features() const { return weight.slot()->original().size(0); }
  /// (weight, bias) as the layer computes with them.
  std::pair<Tensor, Tensor> weight_bias() const { return {weight.value(), bias.value()}; }
  /// Replaces both; throws, and changes nothing, when they do not fit this kind of layer.
  void set_weight_bias(const Tensor& new_weight, const Tensor& new_bias);

  /// How kernels keep the weight: automatic (dense or blocks, whichever is expected to be faster)
  /// unless `set_layout` was called. No layout changes a result.
  kernels::WeightLayout layout() const { return layout_; }
  /// Throws for blocks without a kernel, and for weights that are not qint8.
  void set_layout(kernels::WeightLayout layout);
  /// Brings a qint8 weight into the order that kernels read, as the next call would.
  void prepack() const;
  std::map<std::string, Value> config() const override;

 protected:
  LinearBase(Tensor weight_values, Tensor bias_values, kernels::WeightLayout layout);
  void fields(adze::nn::FieldList& f) override { f(weight, bias); }

 private:
  kernels::WeightLayout layout_;
};

/// A linear layer on quantized activations with an int8 weight and a quantized result.
class Linear : public adze::nn::ModuleOf<Linear, LinearBase> {
 public:
  /// `scale` and `zero_point` are those of the result, `dtype` its type (quint8 or qint8).
  Linear(Tensor weight_values, Tensor bias_values, double scale_value,
         std::int64_t zero_point_value, DType dtype = quint8, kernels::WeightLayout layout = {});

  adze::nn::Buffer scale;       // float32 scalar
  adze::nn::Buffer zero_point;  // int64 scalar
  DType dtype() const { return dtype_; }
  std::map<std::string, Value> config() const override;

  /// (..., in_features) quantized per tensor -> (..., out_features) quantized.
  Tensor forward(const Tensor& x);
  /// Quantizes float32 activations while it reads them, and writes float32 instead of integers.
  std::optional<Value> fused(const OpBase& op, adze::nn::Fused place, std::span<const Value> args);
  std::string extra_repr() const override;

  /// The int8 form of an observed Linear or qat Linear: effective weight by the weight observer of
  /// its qconfig (qat: its fake-quantize), result by its output observer.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  /// The int8 form of a reference::Linear, with the qparams of the result.
  static adze::nn::ModulePtr from_reference(adze::nn::Module& module, const QParams& output,
                                            DType dtype);

 protected:
  void fields(adze::nn::FieldList& f) override;
  Tensor run(const Tensor& x, bool relu);
  std::optional<Value> run_fused(const OpBase& op, adze::nn::Fused place,
                                 std::span<const Value> args, bool relu);

 private:
  DType dtype_;
};

}  // namespace adze::ao::nn::quantized
