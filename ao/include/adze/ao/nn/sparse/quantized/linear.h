#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "adze/ao/nn/quantized/linear.h"

namespace adze::ao::nn::sparse::quantized {

/// A quantized linear layer that keeps its weight in blocks: only those that are not all zero take
/// space and time. The plain quantized layers do the same on their own where a cost model expects
/// it to be faster; this one always does, with blocks of the given shape.
class Linear : public adze::nn::ModuleOf<Linear, ao::nn::quantized::Linear> {
 public:
  /// `weight_values` is qint8 with zero points 0, the block is `row_block_size` output channels ×
  /// `col_block_size` inputs. `scale`, `zero_point` and `dtype` are those of the result. Throws for
  /// blocks without a kernel, naming those that have one.
  Linear(Tensor weight_values, Tensor bias_values, double scale_value,
         std::int64_t zero_point_value, std::int64_t row_block_size = 1,
         std::int64_t col_block_size = 4, DType dtype = quint8);

  std::int64_t row_block_size() const { return layout().block.rows; }
  std::int64_t col_block_size() const { return layout().block.cols; }
  std::string extra_repr() const override;

  /// The int8 form of an observed Linear or qat Linear with the blocks that squash_mask kept as
  /// sparse_block_shape in the sparse_params of its weight. Where it has none, or one without a
  /// kernel: the fastest blocks; a plain quantized Linear if dense is faster.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  /// The same for a reference::Linear, with the qparams of the result.
  static adze::nn::ModulePtr from_reference(adze::nn::Module& module, const QParams& output,
                                            DType dtype);
};

/// The same with ReLU in its output stage.
class LinearReLU : public adze::nn::ModuleOf<LinearReLU, Linear> {
 public:
  using ModuleOf::ModuleOf;
  bool is_fused_piece() const override { return true; }
  Tensor forward(const Tensor& x) { return run(x, /*relu=*/true); }
  std::optional<Value> fused(const OpBase& op, adze::nn::Fused place, std::span<const Value> args) {
    return run_fused(op, place, args, /*relu=*/true);
  }

  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  static adze::nn::ModulePtr from_reference(adze::nn::Module& module, const QParams& output,
                                            DType dtype);
};

}  // namespace adze::ao::nn::sparse::quantized
