// The linear ops of adze/core/ops/quantized.h.

#include <algorithm>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "adze/core/autograd.h"
#include "adze/core/ops/elementwise.h"
#include "adze/core/ops/linalg.h"
#include "adze/core/ops/quantize.h"
#include "adze/core/ops/quantized.h"
#include "adze/kernels/linear_weights.h"

#include "ops/grid.h"
#include "ops/operands.h"
#include "ops/quantized_operands.h"

namespace adze {

using namespace detail;

namespace {

// ---- the weight ---------------------------------------------------------------------------------

// Values of all output channels in common, or one for each; none: all 0.
template <class T>
kernels::PerChannel<T> per_channel(const std::vector<T>& values) {
  if (values.empty()) return {};
  return {values.data(), values.size() > 1 ? 1 : 0};
}

// What the output stage of static layers reads for each channel.
struct StaticStage {
  float x_scale, out_scale;
  Tensor bias;  // held, so that no other tensor takes its place in memory
  std::uint64_t bias_version;
  std::vector<float> multipliers, scaled_bias;
};

// An int8 weight in the order its kernel reads, kept with the tensor it is made of.
struct PackedLinearWeight {
  PackedLinearWeight(const Tensor& weight, kernels::WeightLayout layout);

  // The stage for these scales and this bias; the last one is kept, as they seldom change.
  std::shared_ptr<const StaticStage> stage(float x_scale, float out_scale,
                                           const Tensor& bias) const;

  // What a sum is multiplied by: x_scale * scales[c] / out_scale.
  std::vector<float> multipliers(float x_scale, float out_scale) const {
    std::vector<float> m(scales.size());
    kernels::linear_multipliers(x_scale, per_channel(scales), out_scale,
                                static_cast<std::int64_t>(m.size()), m.data());
    return m;
  }

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

// Without a layout, what is there is used whatever its layout.
std::shared_ptr<const PackedLinearWeight> packed_weight(
    std::string_view op, const Tensor& weight, const Tensor& bias,
    const std::optional<kernels::WeightLayout>& layout = {}) {
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

// ---- the product --------------------------------------------------------------------------------

Shape output_shape(std::string_view op, const Tensor& x, const Tensor& weight) {
  check(x.dim() >= 1 && x.sizes().back() == weight.size(1), op, ": weight expects ", weight.size(1),
        " input features, input has ", x.dim() ? x.sizes().back() : 0, " (input ", x.sizes(),
        ", weight ", weight.sizes(), ")");
  Shape out = x.sizes();
  out.back() = weight.size(0);
  return out;
}

// The elements of `x` as unsigned bytes: a qint8 grid is the quint8 grid moved by 128.
struct UnsignedInput {
  explicit UnsignedInput(const Tensor& x)
      : zero_point(static_cast<std::int32_t>(x.q_zero_point())) {
    if (x.dtype() == quint8) {
      data = x.data<std::uint8_t>();
      return;
    }
    const auto* q = x.data<std::int8_t>();
    moved.resize(static_cast<std::size_t>(x.numel()));
    std::transform(q, q + x.numel(), moved.begin(),
                   [](std::int8_t v) { return static_cast<std::uint8_t>(v + 128); });
    data = moved.data();
    zero_point += 128;
  }

  const std::uint8_t* data;
  std::int32_t zero_point;
  std::vector<std::uint8_t> moved;
};

Tensor linear_static(std::string_view op, const Tensor& input, const Tensor& weight,
                     const Tensor& bias, double scale, std::int64_t zero_point,
                     std::optional<DType> wanted, bool relu) {
  check_quantized(op, input);
  const DType dtype = wanted.value_or(input.dtype());
  check(dtype == quint8 || dtype == qint8, op, ": the result must be quint8 or qint8, got ", dtype);
  const auto w = packed_weight(op, weight, bias);
  const Shape shape = output_shape(op, input, weight);
  const QuantizerPtr quantizer = make_per_tensor_quantizer(scale, zero_point, dtype);
  const kernels::Affine grid = affine_of(op, *quantizer, dtype);
  const Tensor out = make_tensor(shape, dtype, quantizer);
  if (out.numel() == 0) return out;

  const Tensor x = packed(input);
  const std::int64_t n = weight.size(0), k = weight.size(1);
  const UnsignedInput a(x);
  const auto arrays = w->stage(float_scale(op, x.q_scale()), grid.scale, bias);
  kernels::OutputStage stage;
  stage.type = dtype == qint8 ? kernels::OutputType::s8 : kernels::OutputType::u8;
  stage.a_zero_point = a.zero_point;
  stage.w_zero_points = per_channel(w->zero_points);
  stage.multipliers = per_channel(arrays->multipliers);
  if (bias.defined()) stage.bias = {arrays->scaled_bias.data(), 1};
  stage.relu = relu;
  stage.out_zero_point = grid.zero_point;
  stage.out_min = grid.qmin;
  stage.out_max = grid.qmax;
  kernels::gemm_u8s8(a.data, k, out.numel() / n, w->weights, stage, out.mutable_raw_data(), n);
  return out;
}

void check_float_input(std::string_view op, const Tensor& x) {
  check(x.dtype() == float32, op, ": expected a float32 input, got ", x.dtype(),
        x.is_quantized() ? "; dequantize() it first" : "; convert it with to(float32)");
}

Tensor linear_dynamically(std::string_view op, const Tensor& input, const Tensor& weight,
                          const Tensor& bias, bool reduce_range, bool relu) {
  check_float_input(op, input);
  const auto w = packed_weight(op, weight, bias);
  const Tensor out = make_tensor(output_shape(op, input, weight), float32);
  if (out.numel() == 0) return out;

  const Tensor x = packed(input), b = bias.defined() ? packed(bias) : bias;
  const std::int64_t n = weight.size(0), k = weight.size(1);
  const kernels::MinMax range = finite_range(op, x);
  const QParams q = choose_qparams(range.min, range.max, 0, 255, reduce_range);
  const kernels::Affine grid{static_cast<float>(q.scale), static_cast<std::int32_t>(q.zero_point),
                             0, reduce_range ? 127 : 255};
  const std::vector<float> multipliers = w->multipliers(grid.scale, 1.0f);
  kernels::OutputStage stage;
  stage.type = kernels::OutputType::f32;
  stage.a_zero_point = grid.zero_point;
  stage.w_zero_points = per_channel(w->zero_points);
  stage.multipliers = per_channel(multipliers);
  if (b.defined()) stage.bias = {b.data<float>(), 1};
  stage.relu = relu;
  kernels::gemm_f32s8(x.data<float>(), k, out.numel() / n, grid, w->weights, stage,
                      out.mutable_data<float>(), n);
  return out;
}

Tensor linear_half(std::string_view op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                   bool relu) {
  check_float_input(op, x);
  check_matrix(op, weight, float16);
  check_bias(op, weight, bias);
  output_shape(op, x, weight);
  NoGrad guard;
  const Tensor y = adze::linear(x, converted(weight, float32), bias);
  return relu ? adze::relu(y) : y;
}

constexpr OpTraits constant{.differentiable = false};

}  // namespace

namespace ops::quantized {

constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, double, std::int64_t,
                          std::optional<DType>)>
    linear{{.name = "quantized::linear",
            .forward =
                [](const Tensor& x, const Tensor& weight, const Tensor& bias, double scale,
                   std::int64_t zero_point, std::optional<DType> dtype) {
                  return linear_static("quantized::linear", x, weight, bias, scale, zero_point,
                                       dtype, false);
                },
            .traits = constant}};
constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, double, std::int64_t,
                          std::optional<DType>)>
    linear_relu{{.name = "quantized::linear_relu",
                 .forward =
                     [](const Tensor& x, const Tensor& weight, const Tensor& bias, double scale,
                        std::int64_t zero_point, std::optional<DType> dtype) {
                       return linear_static("quantized::linear_relu", x, weight, bias, scale,
                                            zero_point, dtype, true);
                     },
                 .traits = constant}};
constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, bool)> linear_dynamic{
    {.name = "quantized::linear_dynamic",
     .forward =
         [](const Tensor& x, const Tensor& weight, const Tensor& bias, bool reduce_range) {
           return linear_dynamically("quantized::linear_dynamic", x, weight, bias, reduce_range,
                                     false);
         },
     .traits = constant}};
constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, bool)> linear_relu_dynamic{
    {.name = "quantized::linear_relu_dynamic",
     .forward =
         [](const Tensor& x, const Tensor& weight, const Tensor& bias, bool reduce_range) {
           return linear_dynamically("quantized::linear_relu_dynamic", x, weight, bias,
                                     reduce_range, true);
         },
     .traits = constant}};
constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&)> linear_dynamic_fp16{
    {.name = "quantized::linear_dynamic_fp16",
     .forward =
         [](const Tensor& x, const Tensor& weight, const Tensor& bias) {
           return linear_half("quantized::linear_dynamic_fp16", x, weight, bias, false);
         },
     .traits = constant}};
constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&)> linear_relu_dynamic_fp16{
    {.name = "quantized::linear_relu_dynamic_fp16",
     .forward =
         [](const Tensor& x, const Tensor& weight, const Tensor& bias) {
           return linear_half("quantized::linear_relu_dynamic_fp16", x, weight, bias, true);
         },
     .traits = constant}};

}  // namespace ops::quantized

namespace quantized {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, double scale,
              std::int64_t zero_point, std::optional<DType> dtype) {
  return ops::quantized::linear(x, weight, bias, scale, zero_point, dtype);
}
Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, double scale,
                   std::int64_t zero_point, std::optional<DType> dtype) {
  return ops::quantized::linear_relu(x, weight, bias, scale, zero_point, dtype);
}
Tensor linear_dynamic(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      bool reduce_range) {
  return ops::quantized::linear_dynamic(x, weight, bias, reduce_range);
}
Tensor linear_relu_dynamic(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           bool reduce_range) {
  return ops::quantized::linear_relu_dynamic(x, weight, bias, reduce_range);
}
Tensor linear_dynamic_fp16(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return ops::quantized::linear_dynamic_fp16(x, weight, bias);
}
Tensor linear_relu_dynamic_fp16(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return ops::quantized::linear_relu_dynamic_fp16(x, weight, bias);
}

void linear_prepack(const Tensor& weight, const Tensor& bias,
                    std::optional<kernels::WeightLayout> layout) {
  packed_weight("quantized::linear", weight, bias, layout);
}

LinearKernel linear_kernel(const Tensor& weight, std::int64_t rows, std::int32_t max_activation) {
  const auto w = packed_weight("quantized::linear", weight, {});
  return {w->weights.kernel(rows, max_activation), w->weights.layout(), w->weights.choice(rows)};
}

}  // namespace quantized

}  // namespace adze
