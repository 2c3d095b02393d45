#pragma once

#include "adze/ao/nn/quantized/linear.h"

namespace adze::ao::nn::intrinsic::quantized {

/// A quantized linear layer with ReLU in its output stage.
class LinearReLU : public adze::nn::ModuleOf<LinearReLU, ao::nn::quantized::Linear> {
 public:
  using ModuleOf::ModuleOf;
  bool is_fused_piece() const override { return true; }
  Tensor forward(const Tensor& x) { return run(x, /*relu=*/true); }
  std::optional<Value> fused(const OpBase& op, adze::nn::Fused place, std::span<const Value> args) {
    return run_fused(op, place, args, /*relu=*/true);
  }

  /// The int8 form of an observed intrinsic::LinearReLU or qat::LinearReLU.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  /// The int8 form of an intrinsic::LinearReLU around a reference::Linear.
  static adze::nn::ModulePtr from_reference(adze::nn::Module& module, const QParams& output,
                                            DType dtype);
};

}  // namespace adze::ao::nn::intrinsic::quantized
