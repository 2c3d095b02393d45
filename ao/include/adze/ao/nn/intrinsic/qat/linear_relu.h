#pragma once

#include "adze/ao/nn/qat/linear.h"

namespace adze::ao::nn::intrinsic::qat {

/// A qat linear layer and the ReLU behind it as one module.
class LinearReLU : public adze::nn::ModuleOf<LinearReLU, ao::nn::qat::Linear> {
 public:
  using ModuleOf::ModuleOf;
  bool is_fused_piece() const override { return true; }
  Tensor forward(const Tensor& x);

  /// The qat form of an intrinsic::LinearReLU.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  /// An intrinsic::LinearReLU with the effective weight.
  adze::nn::ModulePtr to_float();
};

}  // namespace adze::ao::nn::intrinsic::qat
