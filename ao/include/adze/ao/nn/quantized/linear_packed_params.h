#pragma once

#include <cstdint>
#include <vector>

#include "adze/core/tensor.h"
#include "adze/kernels/gemm_u8s8.h"

namespace adze::ao::nn::quantized {

/// The int8 weight of a linear layer in the order its kernel reads, with the bias in float.
///
/// Immutable: may be shared between modules and threads. Results are exact on every machine:
/// sums are 32-bit integers without saturation at full 8-bit range, and one output formula
/// (docs/architecture.md, numerics) serves every instruction set.
class LinearPackedParams {
 public:
  /// Packs `weight`, qint8 (out_features, in_features), per tensor or per channel along axis 0.
  /// `bias` is float32 (out_features) or undefined. Throws for anything else.
  LinearPackedParams(Tensor weight, Tensor bias);

  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }
  std::int64_t in_features() const { return packed_.k(); }
  std::int64_t out_features() const { return packed_.n(); }

  /// input (..., in_features) quint8 or qint8, per tensor -> (..., out_features) of `dtype` with
  /// the given scale and zero point; `relu` limits the result at the zero point. Throws for an
  /// input that is not quantized or does not fit.
  Tensor linear(const Tensor& input, const QuantizerPtr& output, DType dtype, bool relu) const;
  /// input (..., in_features) float32 -> (..., out_features) float32: the input is quantized to
  /// quint8 (7 bits with `reduce_range`) by its own range while it is read.
  Tensor linear_dynamic(const Tensor& input, bool reduce_range, bool relu) const;

 private:
  Shape output_shape(const Tensor& input, const char* where) const;
  kernels::OutputStage stage(std::int32_t input_zero_point, bool relu) const;
  kernels::PerChannel<float> weight_scales() const;

  Tensor weight_, bias_;
  std::vector<float> scales_;              // one, or one per output channel
  std::vector<std::int32_t> zero_points_;  // as many; empty: all 0
  kernels::PackedWeights packed_;
};

}  // namespace adze::ao::nn::quantized
