#include "adze/ao/nn/quantized/linear_packed_params.h"

#include <algorithm>
#include <utility>

#include "adze/core/ops.h"
#include "adze/core/tensor_impl.h"

namespace adze::ao::nn::quantized {
namespace {

kernels::OutputType output_type(DType dtype) {
  return dtype == qint8 ? kernels::OutputType::s8 : kernels::OutputType::u8;
}

// The input as unsigned bytes: a qint8 grid is the quint8 grid moved by 128.
struct UnsignedInput {
  const std::uint8_t* data;
  std::int32_t zero_point;
  std::vector<std::uint8_t> moved;

  UnsignedInput(const Tensor& input) : zero_point(static_cast<std::int32_t>(input.q_zero_point())) {
    if (input.dtype() == quint8) {
      data = input.data<std::uint8_t>();
      return;
    }
    const auto* signed_data = input.data<std::int8_t>();
    moved.resize(static_cast<std::size_t>(input.numel()));
    std::transform(signed_data, signed_data + input.numel(), moved.begin(),
                   [](std::int8_t q) { return static_cast<std::uint8_t>(q + 128); });
    data = moved.data();
    zero_point += 128;
  }
};

}  // namespace

LinearPackedParams::LinearPackedParams(Tensor weight, Tensor bias)
    : weight_(weight.contiguous()), bias_(std::move(bias)) {
  check(weight_.dtype() == qint8, "quantized linear: weight must be qint8, got ", weight_.dtype());
  check(weight_.dim() == 2, "quantized linear: weight must be a matrix, got ", weight_.sizes());
  const std::int64_t n = weight_.size(0), k = weight_.size(1);
  if (bias_.defined()) {
    check(bias_.dtype() == float32 && bias_.sizes() == Shape{n},
          "quantized linear: bias must be float32 with ", n, " elements (weight ", weight_.sizes(),
          "), got ", bias_.dtype(), " ", bias_.sizes());
    bias_ = bias_.detach().contiguous();
  }
  const Quantizer& q = *weight_.quantizer();
  check(!is_per_channel(q.scheme) || q.axis == 0,
        "quantized linear: a per-channel weight must be quantized along axis 0, got axis ", q.axis);
  for (double s : q.scales) scales_.push_back(static_cast<float>(s));
  if (std::any_of(q.zero_points.begin(), q.zero_points.end(), [](double z) { return z != 0; }))
    for (double z : q.zero_points) zero_points_.push_back(static_cast<std::int32_t>(z));
  packed_ = kernels::PackedWeights(weight_.data<std::int8_t>(), n, k, k);
}

kernels::PerChannel<float> LinearPackedParams::weight_scales() const {
  return {scales_.data(), scales_.size() > 1 ? 1 : 0};
}

Shape LinearPackedParams::output_shape(const Tensor& input, const char* where) const {
  check(input.dim() >= 1 && input.sizes().back() == in_features(), where, ": weight expects ",
        in_features(), " input features, input has ", input.dim() ? input.sizes().back() : 0,
        " (input ", input.sizes(), ", weight ", weight_.sizes(), ")");
  Shape out = input.sizes();
  out.back() = out_features();
  return out;
}

kernels::OutputStage LinearPackedParams::stage(std::int32_t input_zero_point, bool relu) const {
  kernels::OutputStage s;
  s.a_zero_point = input_zero_point;
  if (!zero_points_.empty())
    s.w_zero_points = {zero_points_.data(), zero_points_.size() > 1 ? 1 : 0};
  s.relu = relu;
  return s;
}

Tensor LinearPackedParams::linear(const Tensor& input, const QuantizerPtr& output, DType dtype,
                                  bool relu) const {
  check(input.is_quantized(), "quantized linear: expected a quantized input, got ", input.dtype(),
        "; quantize it first (a QuantStub, or a qconfig for the layer before)");
  check(input.dtype() == quint8 || input.dtype() == qint8,
        "quantized linear: input must be quint8 or qint8, got ", input.dtype());
  check(dtype == quint8 || dtype == qint8,
        "quantized linear: the result must be quint8 or qint8, got ", dtype);
  const Tensor x = input.contiguous();
  const Shape shape = output_shape(x, "quantized linear");
  Tensor out = make_tensor(shape, dtype, output);
  if (out.numel() == 0) return out;

  const std::int64_t n = out_features(), k = in_features();
  const float in_scale = static_cast<float>(x.q_scale());
  const float out_scale = static_cast<float>(output->scales[0]);
  const UnsignedInput a(x);
  std::vector<float> multipliers(static_cast<std::size_t>(n)), scaled_bias;
  kernels::linear_multipliers(in_scale, weight_scales(), out_scale, n, multipliers.data());
  kernels::OutputStage s = stage(a.zero_point, relu);
  s.type = output_type(dtype);
  s.multipliers = {multipliers.data(), 1};
  if (bias_.defined()) {
    scaled_bias.resize(static_cast<std::size_t>(n));
    kernels::linear_bias(bias_.data<float>(), in_scale, weight_scales(), n, scaled_bias.data());
    s.bias = {scaled_bias.data(), 1};
  }
  const QRange range = qrange(dtype);
  s.out_zero_point = static_cast<std::int32_t>(output->zero_points[0]);
  s.out_min = static_cast<std::int32_t>(range.min);
  s.out_max = static_cast<std::int32_t>(range.max);
  kernels::gemm_u8s8(a.data, k, x.numel() / std::max<std::int64_t>(k, 1), packed_, s,
                     out.mutable_raw_data(), n);
  return out;
}

Tensor LinearPackedParams::linear_dynamic(const Tensor& input, bool reduce_range, bool relu) const {
  check(input.dtype() == float32, "dynamic quantized linear: expected a float32 input, got ",
        input.dtype());
  const Tensor x = input.contiguous();
  const Shape shape = output_shape(x, "dynamic quantized linear");
  Tensor out = make_tensor(shape, float32);
  if (out.numel() == 0) return out;

  const std::int64_t n = out_features(), k = in_features();
  const auto [low, high] = aminmax(x.detach());
  const std::int64_t qmax = reduce_range ? 127 : 255;
  const QParams q = choose_qparams(low.item(), high.item(), 0, 255, reduce_range);
  const float in_scale = static_cast<float>(q.scale);
  std::vector<float> multipliers(static_cast<std::size_t>(n));
  kernels::linear_multipliers(in_scale, weight_scales(), 1.0f, n, multipliers.data());
  kernels::OutputStage s = stage(static_cast<std::int32_t>(q.zero_point), relu);
  s.type = kernels::OutputType::f32;
  s.multipliers = {multipliers.data(), 1};
  if (bias_.defined()) s.bias = {bias_.data<float>(), 1};
  const kernels::Affine grid{in_scale, static_cast<std::int32_t>(q.zero_point), 0,
                             static_cast<std::int32_t>(qmax)};
  kernels::gemm_f32s8(x.data<float>(), k, x.numel() / std::max<std::int64_t>(k, 1), grid, packed_,
                      s, out.mutable_data<float>(), n);
  return out;
}

}  // namespace adze::ao::nn::quantized
