#pragma once

#include <cstdint>
#include <string>

#include "adze/ao/nn/quantized/dynamic/linear.h"

namespace adze::ao::nn::sparse::quantized::dynamic {

/// A dynamically quantized linear layer that keeps its int8 weight in blocks; float in, float out.
class Linear : public adze::nn::ModuleOf<Linear, ao::nn::quantized::dynamic::Linear> {
 public:
  /// `weight_values` is qint8 with zero points 0, the block is `row_block_size` output channels ×
  /// `col_block_size` inputs. Throws for blocks without a kernel, naming those that have one.
  Linear(Tensor weight_values, Tensor bias_values, std::int64_t row_block_size = 1,
         std::int64_t col_block_size = 4, ao::nn::quantized::dynamic::LinearOptions options = {});

  std::int64_t row_block_size() const { return layout().block.rows; }
  std::int64_t col_block_size() const { return layout().block.cols; }
  std::string extra_repr() const override;

  /// See sparse::quantized::Linear::from_float. A weight that is not qint8 gives the plain dynamic
  /// Linear.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  static adze::nn::ModulePtr from_reference(adze::nn::Module& module);
};

/// The same with ReLU in its output stage.
class LinearReLU : public adze::nn::ModuleOf<LinearReLU, Linear> {
 public:
  using ModuleOf::ModuleOf;
  bool is_fused_piece() const override { return true; }
  Tensor forward(const Tensor& x) { return run(x, /*relu=*/true); }

  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  static adze::nn::ModulePtr from_reference(adze::nn::Module& module);
};

}  // namespace adze::ao::nn::sparse::quantized::dynamic
