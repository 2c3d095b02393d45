#include "ops/quantized_linear_weight.h"

#include <algorithm>
#include <stdexcept>

#include "adze/core/ops/quantized.h"

#include "ops/grid.h"
#include "ops/operands.h"

namespace adze {

namespace detail {

PackedLinearWeight::PackedLinearWeight(const Tensor& weight, kernels::WeightLayout layout) {
  const Tensor w = packed(weight);
  const Quantizer& q = *w.quantizer();
  for (const double scale : q.scales) scales.push_back(float_scale("quantized::linear", scale));
  if (std::any_of(q.zero_points.begin(), q.zero_points.end(), [](double z) { return z != 0; }))
    for (const double z : q.zero_points) zero_points.push_back(static_cast<std::int32_t>(z));
  try {
    weights =
        kernels::LinearWeights(w.data<std::int8_t>(), w.size(0), w.size(1), w.size(1), layout);
  } catch (const std::runtime_error& error) {
    fail("quantized::linear: ", error.what());
  }
}

std::vector<float> PackedLinearWeight::multipliers(float x_scale, float out_scale) const {
  std::vector<float> m(scales.size());
  kernels::linear_multipliers(x_scale, per_channel(scales), out_scale,
                              static_cast<std::int64_t>(m.size()), m.data());
  return m;
}

std::shared_ptr<const StaticStage> PackedLinearWeight::stage(float x_scale, float out_scale,
                                                             const Tensor& bias) const {
  const std::uint64_t version = bias.defined() ? bias.version() : 0;
  std::lock_guard lock(last_->mutex);
  const StaticStage* last = last_->stage.get();
  if (last && last->x_scale == x_scale && last->out_scale == out_scale &&
      last->bias.is_same(bias) && last->bias_version == version)
    return last_->stage;
  StaticStage s{x_scale, out_scale, bias, version, multipliers(x_scale, out_scale), {}};
  if (bias.defined()) {
    const Tensor b = packed(bias);
    s.scaled_bias.resize(static_cast<std::size_t>(b.numel()));
    kernels::linear_bias(b.data<float>(), x_scale, per_channel(scales), b.numel(),
                         s.scaled_bias.data());
  }
  last_->stage = std::make_shared<const StaticStage>(std::move(s));
  return last_->stage;
}

void check_matrix(std::string_view op, const Tensor& weight, DType dtype) {
  check(weight.dtype() == dtype, op, ": weight must be ", dtype, ", got ", weight.dtype());
  check(weight.dim() == 2, op, ": weight must be a matrix, got ", weight.sizes());
}

void check_bias(std::string_view op, const Tensor& weight, const Tensor& bias) {
  if (!bias.defined()) return;
  check(bias.dtype() == float32 && bias.sizes() == Shape{weight.size(0)}, op,
        ": bias must be float32 with ", weight.size(0), " elements (weight ", weight.sizes(),
        "), got ", bias.dtype(), " ", bias.sizes());
}

std::shared_ptr<const PackedLinearWeight> packed_weight(
    std::string_view op, const Tensor& weight, const Tensor& bias,
    const std::optional<kernels::WeightLayout>& layout) {
  check_matrix(op, weight, qint8);
  const Quantizer& q = *weight.quantizer();
  check(q.scheme != QScheme::per_channel_affine_float_qparams, op,
        ": the zero points of a weight must be integers, got ", q.scheme);
  check(!is_per_channel(q.scheme) || q.axis == 0, op,
        ": a per-channel weight must be quantized along axis 0, got axis ", q.axis);
  check_bias(op, weight, bias);
  return (*weight.impl().derived)
      .get<PackedLinearWeight>(
          weight.version(),
          [&] { return PackedLinearWeight(weight, layout.value_or(kernels::WeightLayout())); },
          [&](const PackedLinearWeight& p) { return !layout || p.weights.layout() == *layout; });
}

}  // namespace detail

namespace quantized {

void linear_prepack(const Tensor& weight, const Tensor& bias,
                    std::optional<kernels::WeightLayout> layout) {
  detail::packed_weight("quantized::linear", weight, bias, layout);
}

LinearKernel linear_kernel(const Tensor& weight, std::int64_t rows, std::int32_t max_activation) {
  const auto w = detail::packed_weight("quantized::linear", weight, {});
  return {w->weights.kernel(rows, max_activation), w->weights.layout(), w->weights.choice(rows)};
}

}  // namespace quantized

}  // namespace adze
