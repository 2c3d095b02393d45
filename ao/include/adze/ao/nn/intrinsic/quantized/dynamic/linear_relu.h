#pragma once

#include "adze/ao/nn/quantized/dynamic/linear.h"

namespace adze::ao::nn::intrinsic::quantized::dynamic {

/// A dynamically quantized linear layer with ReLU in its output stage.
class LinearReLU : public adze::nn::ModuleOf<LinearReLU, ao::nn::quantized::dynamic::Linear> {
 public:
  using ModuleOf::ModuleOf;
  bool is_fused_piece() const override { return true; }
  Tensor forward(const Tensor& x) { return run(x, /*relu=*/true); }

  /// With the effective weight of a fused pair, float or qat.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  /// With the weight of an intrinsic::LinearReLU around a reference::Linear.
  static adze::nn::ModulePtr from_reference(adze::nn::Module& module);
  static adze::nn::ModulePtr weight_only_from_reference(adze::nn::Module& module);
};

}  // namespace adze::ao::nn::intrinsic::quantized::dynamic
