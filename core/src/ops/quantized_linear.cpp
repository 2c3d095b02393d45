// The linear ops of adze/core/ops/quantized.h.

#include <algorithm>
#include <memory>

#include "adze/core/autograd.h"
#include "adze/core/ops/elementwise.h"
#include "adze/core/ops/linalg.h"
#include "adze/core/ops/quantize.h"
#include "adze/core/ops/quantized.h"
#include "adze/kernels/linear_weights.h"

#include "ops/grid.h"
#include "ops/operands.h"
#include "ops/quantized_linear_weight.h"
#include "ops/quantized_operands.h"

namespace adze {

using namespace detail;

namespace {

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

// What a static product reads: bytes, or floats that become bytes on the way.
struct StaticInput {
  explicit StaticInput(std::string_view op, const UnsignedInput& x, double x_scale)
      : bytes(x.data), scale(float_scale(op, x_scale)), zero_point(x.zero_point) {}
  StaticInput(const float* x, const kernels::Affine& to)
      : floats(x), scale(to.scale), zero_point(to.zero_point), grid(to) {}

  const std::uint8_t* bytes = nullptr;
  const float* floats = nullptr;
  float scale;
  std::int32_t zero_point;
  kernels::Affine grid{};
};

// The layer and its result: checked and ready for kernels.
struct StaticLinear {
  StaticLinear(std::string_view op, const Tensor& x, const Tensor& weight_values,
               const Tensor& bias_values, double scale, std::int64_t zero_point, DType result,
               bool with_relu)
      : bias(bias_values),
        dtype(result),
        relu(with_relu),
        weight(packed_weight(op, weight_values, bias_values)),
        shape(output_shape(op, x, weight_values)),
        n(weight_values.size(0)),
        k(weight_values.size(1)) {
    check(dtype == quint8 || dtype == qint8, op, ": the result must be quint8 or qint8, got ",
          dtype);
    quantizer = make_per_tensor_quantizer(scale, zero_point, dtype);
    grid = affine_of(op, *quantizer, dtype);
  }

  // Writes `rows` rows of n integers.
  void compute(const StaticInput& x, std::int64_t rows, void* out) const {
    const auto arrays = weight->stage(x.scale, grid.scale, bias);
    kernels::OutputStage stage;
    stage.type = dtype == qint8 ? kernels::OutputType::s8 : kernels::OutputType::u8;
    stage.a_zero_point = x.zero_point;
    stage.w_zero_points = per_channel(weight->zero_points);
    stage.multipliers = per_channel(arrays->multipliers);
    if (bias.defined()) stage.bias = {arrays->scaled_bias.data(), 1};
    stage.relu = relu;
    stage.out_zero_point = grid.zero_point;
    stage.out_min = grid.qmin;
    stage.out_max = grid.qmax;
    if (x.floats) {
      kernels::gemm_f32s8(x.floats, k, rows, x.grid, weight->weights, stage, out, n);
    } else {
      kernels::gemm_u8s8(x.bytes, k, rows, weight->weights, stage, out, n);
    }
  }

  const Tensor& bias;
  DType dtype;
  bool relu;
  std::shared_ptr<const PackedLinearWeight> weight;
  Shape shape;
  std::int64_t n, k;
  QuantizerPtr quantizer;
  kernels::Affine grid;
};

Tensor linear_static(std::string_view op, const Tensor& input, const Tensor& weight,
                     const Tensor& bias, double scale, std::int64_t zero_point,
                     std::optional<DType> wanted, bool relu) {
  check_quantized(op, input);
  const StaticLinear layer(op, input, weight, bias, scale, zero_point,
                           wanted.value_or(input.dtype()), relu);
  const Tensor out = make_tensor(layer.shape, layer.dtype, layer.quantizer);
  if (out.numel() == 0) return out;
  const Tensor x = packed(input);
  const UnsignedInput a(x);
  layer.compute(StaticInput(op, a, x.q_scale()), out.numel() / layer.n, out.mutable_raw_data());
  return out;
}

Tensor linear_from_float_forward(const Tensor& input, double x_scale, std::int64_t x_zero_point,
                                 DType x_dtype, const Tensor& weight, const Tensor& bias,
                                 double scale, std::int64_t zero_point, std::optional<DType> wanted,
                                 bool relu) {
  constexpr auto op = "quantized::linear_from_float";
  check(input.dtype() == float32, op, ": expected a float32 input, got ", input.dtype());
  check(x_dtype == quint8 || x_dtype == qint8, op, ": the input must become quint8 or qint8, got ",
        x_dtype);
  const StaticLinear layer(op, input, weight, bias, scale, zero_point, wanted.value_or(x_dtype),
                           relu);
  kernels::Affine grid =
      affine_of(op, *make_per_tensor_quantizer(x_scale, x_zero_point, x_dtype), x_dtype);
  if (x_dtype == qint8) {
    grid.zero_point += 128;
    grid.qmin += 128;
    grid.qmax += 128;
  }
  const Tensor out = make_tensor(layer.shape, layer.dtype, layer.quantizer);
  if (out.numel() == 0) return out;
  const Tensor x = packed(input);
  finite_range(op, x);
  layer.compute(StaticInput(x.data<float>(), grid), out.numel() / layer.n, out.mutable_raw_data());
  return out;
}

Tensor linear_to_float_forward(const Tensor& input, const Tensor& weight, const Tensor& bias,
                               double scale, std::int64_t zero_point, std::optional<DType> wanted,
                               bool relu) {
  constexpr auto op = "quantized::linear_to_float";
  check_quantized(op, input);
  const StaticLinear layer(op, input, weight, bias, scale, zero_point,
                           wanted.value_or(input.dtype()), relu);
  const Tensor out = make_tensor(layer.shape, float32);
  if (out.numel() == 0) return out;
  const Tensor x = packed(input);
  const UnsignedInput a(x);

  constexpr std::int64_t few = 4096;
  std::uint8_t small[few];
  Tensor large;
  void* integers = small;
  if (out.numel() > few) {
    large = make_tensor(layer.shape, DType::uint8);
    integers = large.mutable_raw_data();
  }
  layer.compute(StaticInput(op, a, x.q_scale()), out.numel() / layer.n, integers);
  visit_bytes(layer.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::dequantize(static_cast<const T*>(integers), out.numel(), layer.grid,
                        out.mutable_data<float>());
  });
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
constinit const Op<Tensor(const Tensor&, double, std::int64_t, DType, const Tensor&, const Tensor&,
                          double, std::int64_t, std::optional<DType>, bool)>
    linear_from_float{{.name = "quantized::linear_from_float",
                       .forward = linear_from_float_forward,
                       .traits = constant}};
constinit const Op<Tensor(const Tensor&, const Tensor&, const Tensor&, double, std::int64_t,
                          std::optional<DType>, bool)>
    linear_to_float{{.name = "quantized::linear_to_float",
                     .forward = linear_to_float_forward,
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
Tensor linear_from_float(const Tensor& x, double x_scale, std::int64_t x_zero_point, DType x_dtype,
                         const Tensor& weight, const Tensor& bias, double scale,
                         std::int64_t zero_point, std::optional<DType> dtype, bool relu) {
  return ops::quantized::linear_from_float(x, x_scale, x_zero_point, x_dtype, weight, bias, scale,
                                           zero_point, dtype, relu);
}
Tensor linear_to_float(const Tensor& x, const Tensor& weight, const Tensor& bias, double scale,
                       std::int64_t zero_point, std::optional<DType> dtype, bool relu) {
  return ops::quantized::linear_to_float(x, weight, bias, scale, zero_point, dtype, relu);
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

}  // namespace quantized

}  // namespace adze
