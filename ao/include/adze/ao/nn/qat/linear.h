#pragma once

#include "adze/ao/quantization/qconfig.h"
#include "adze/nn/linear.h"

namespace adze::ao::nn::qat {

/// A linear layer that trains with the values its weight will have as integers: the effective
/// weight (masks applied) goes through a fake-quantize.
class Linear : public adze::nn::ModuleOf<Linear, adze::nn::Linear> {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, adze::nn::LinearOptions options,
         const quantization::QConfig& qconfig_value);
  /// Around existing tensors. Throws when the qconfig has no weight fake-quantize.
  Linear(Tensor weight_values, Tensor bias_values, const quantization::QConfig& qconfig_value);
  /// The same with a fake-quantize that is there already, and no qconfig. Throws when it is none.
  Linear(Tensor weight_values, Tensor bias_values, adze::nn::ModulePtr fake_quant);

  adze::nn::Submodule weight_fake_quant;

  Tensor forward(const Tensor& x);

  /// The qat form of a Linear (its weight tensors shared until a swap moves the slots). Throws for
  /// other modules and without a qconfig.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  /// A float layer with the effective weight.
  adze::nn::ModulePtr to_float();

 protected:
  void fields(adze::nn::FieldList& f) override;
};

}  // namespace adze::ao::nn::qat
