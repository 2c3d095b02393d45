#pragma once

#include <map>
#include <string>

#include "adze/core/quantizer.h"
#include "adze/nn/linear.h"

namespace adze::ao::nn::quantized::reference {

/// A float linear layer that knows how its weight is to be quantized and computes with the weight
/// on that grid: quantize(dequantize(weight)). The stage between a float and an int8 network.
class Linear : public adze::nn::ModuleOf<Linear, adze::nn::Linear> {
 public:
  /// `quantizer` and `dtype` describe the weight's grid.
  Linear(Tensor weight_values, Tensor bias_values, const QuantizerPtr& quantizer, DType dtype);

  adze::nn::Buffer weight_scale;       // float32 scalar or (channels)
  adze::nn::Buffer weight_zero_point;  // int64, as many
  DType weight_dtype() const { return dtype_; }
  QScheme weight_qscheme() const { return scheme_; }
  std::int64_t weight_axis() const { return axis_; }

  /// The weight as integers with its qparams.
  Tensor quantized_weight() const;
  Tensor forward(const Tensor& x);
  std::string extra_repr() const override;
  std::map<std::string, Value> config() const override;

  /// With the effective weight of a Linear (float or qat), its grid by the weight observer.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);

 protected:
  void fields(adze::nn::FieldList& f) override;

 private:
  DType dtype_;
  QScheme scheme_;
  std::int64_t axis_;
};

}  // namespace adze::ao::nn::quantized::reference
