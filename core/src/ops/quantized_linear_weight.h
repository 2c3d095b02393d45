#pragma once

// An int8 weight as kernels read it, kept with the weight tensor it is made of.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "adze/core/tensor.h"
#include "adze/kernels/linear_weights.h"

namespace adze::detail {

/// Values of all output channels in common, or one for each; none: all 0.
template <class T>
kernels::PerChannel<T> per_channel(const std::vector<T>& values) {
  if (values.empty()) return {};
  return {values.data(), values.size() > 1 ? 1 : 0};
}

/// What the output stage of static layers reads for each channel.
struct StaticStage {
  float x_scale, out_scale;
  Tensor bias;  // held, so that no other tensor takes its place in memory
  std::uint64_t bias_version;
  std::vector<float> multipliers, scaled_bias;
};

struct PackedLinearWeight {
  PackedLinearWeight(const Tensor& weight, kernels::WeightLayout layout);

  /// The stage for these scales and this bias; the last one is kept, as they seldom change.
  std::shared_ptr<const StaticStage> stage(float x_scale, float out_scale,
                                           const Tensor& bias) const;

  /// What a sum is multiplied by: x_scale * scales[c] / out_scale.
  std::vector<float> multipliers(float x_scale, float out_scale) const;

  std::vector<float> scales;              // one, or one per output channel
  std::vector<std::int32_t> zero_points;  // as many; empty: all 0
  kernels::LinearWeights weights;

 private:
  struct Last {
    std::mutex mutex;
    std::shared_ptr<const StaticStage> stage;
  };
  std::unique_ptr<Last> last_ = std::make_unique<Last>();
};

/// Throws unless `weight` is a matrix of that dtype.
void check_matrix(std::string_view op, const Tensor& weight, DType dtype);
/// Throws unless `bias` is undefined or float32 with one element for each row of `weight`.
void check_bias(std::string_view op, const Tensor& weight, const Tensor& bias);

/// The packed form of a qint8 weight, made if there is none; throws when the weight or the bias
/// does not fit. Without a layout, what is there is used whatever its layout.
std::shared_ptr<const PackedLinearWeight> packed_weight(
    std::string_view op, const Tensor& weight, const Tensor& bias,
    const std::optional<kernels::WeightLayout>& layout = {});

}  // namespace adze::detail
