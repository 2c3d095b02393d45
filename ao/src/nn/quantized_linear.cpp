#include <utility>

#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/linear_relu.h"
#include "adze/ao/nn/quantized/dynamic/linear.h"
#include "adze/ao/nn/quantized/linear.h"
#include "adze/ao/nn/quantized/quantize.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "quantization/weights.h"

namespace adze::ao::nn::quantized {
namespace {

Tensor scalar(double value) {
  return full({}, value);
}
Tensor int_scalar(std::int64_t value) {
  return full({}, value, int64);
}

QuantizerPtr quantizer_of(const adze::nn::Parameter& scale, const adze::nn::Parameter& zero_point,
                          DType dtype) {
  return make_per_tensor_quantizer(scale.value().item(), zero_point.value().item<std::int64_t>(),
                                   dtype);
}

template <class Quantized>
adze::nn::ModulePtr static_form(adze::nn::Module& module) {
  const auto observer = quantization::observed_weight(module);
  check(observer->dtype() == qint8, "quantized.Linear: the weight observer of ", module.type(),
        " must have dtype qint8, got ", observer->dtype());
  const auto out = quantization::output_qparams(module);
  return adze::nn::make<Quantized>(
      quantization::quantize_weight(quantization::effective_weight(module), *observer),
      quantization::effective_bias(module), out.scale, out.zero_point, out.dtype);
}

const reference::Linear& reference_layer(adze::nn::Module& module, const char* where) {
  const auto* layer = dynamic_cast<reference::Linear*>(&module.slot_holder());
  check(layer != nullptr, where, ": a reference layer was expected, got ", module.type());
  return *layer;
}

template <class Quantized>
adze::nn::ModulePtr lowered_form(adze::nn::Module& module, const QParams& output, DType dtype) {
  const auto& layer = reference_layer(module, "quantized.Linear.from_reference");
  return adze::nn::make<Quantized>(layer.quantized_weight(), quantization::effective_bias(module),
                                   output.scale, output.zero_point, dtype);
}

template <class Quantized>
adze::nn::ModulePtr dynamic_lowered_form(adze::nn::Module& module, bool weight_only) {
  const auto& layer = reference_layer(module, "quantized.dynamic.Linear.from_reference");
  return adze::nn::make<Quantized>(layer.quantized_weight(), quantization::effective_bias(module),
                                   dynamic::LinearOptions{.weight_only = weight_only});
}

template <class Quantized>
adze::nn::ModulePtr dynamic_form(adze::nn::Module& module) {
  const auto observer = quantization::observed_weight(module);
  return adze::nn::make<Quantized>(
      quantization::quantize_weight(quantization::effective_weight(module), *observer),
      quantization::effective_bias(module));
}

}  // namespace

LinearBase::LinearBase(Tensor weight_values, Tensor bias_values, kernels::WeightLayout layout)
    : weight("weight", std::move(weight_values)),
      bias("bias", bias_values.defined() ? bias_values.detach() : bias_values),
      layout_(layout) {
  const Tensor w = weight.value();
  check(w.defined() && w.dim() == 2, "quantized linear: weight must be a matrix, got ",
        w.defined() ? to_string(w.sizes()) : "an undefined tensor");
  check(w.dtype() == qint8 || layout == kernels::WeightLayout(),
        "quantized linear: only qint8 weights have a layout, got ", w.dtype());
}

void LinearBase::set_weight_bias(const Tensor& new_weight, const Tensor& new_bias) {
  check(new_weight.sizes() == weight.slot()->original().sizes(), type(),
        ": weight must stay of shape ", weight.slot()->original().sizes(), ", got ",
        new_weight.sizes());
  if (new_weight.dtype() == qint8) adze::quantized::linear_prepack(new_weight, new_bias);
  weight.slot()->reset(new_weight);
  bias.slot()->reset(new_bias.defined() ? new_bias.detach() : new_bias);
}

void LinearBase::set_layout(kernels::WeightLayout layout) {
  const Tensor w = weight.value();
  check(w.dtype() == qint8, type(), ": only qint8 weights have a layout, got ", w.dtype());
  adze::quantized::linear_prepack(w, bias, layout);
  layout_ = layout;
}

void LinearBase::prepack() const {
  const bool automatic = layout_ == kernels::WeightLayout();
  adze::quantized::linear_prepack(weight, bias, automatic ? std::nullopt : std::optional(layout_));
}

std::map<std::string, Value> LinearBase::config() const {
  if (layout_ == kernels::WeightLayout()) return {};
  return {{"layout", kernels::to_string(layout_)}};
}

Linear::Linear(Tensor weight_values, Tensor bias_values, double scale_value,
               std::int64_t zero_point_value, DType dtype, kernels::WeightLayout layout)
    : ModuleOf(std::move(weight_values), std::move(bias_values), layout),
      scale("scale", scalar(scale_value)),
      zero_point("zero_point", int_scalar(zero_point_value)),
      dtype_(dtype) {
  quantizer_of(scale, zero_point, dtype);
  prepack();
}

void Linear::fields(adze::nn::FieldList& f) {
  LinearBase::fields(f);
  f(scale, zero_point);
}

Tensor Linear::forward(const Tensor& x) {
  return run(x, /*relu=*/false);
}

std::map<std::string, Value> Linear::config() const {
  auto values = LinearBase::config();
  values["dtype"] = dtype_;
  return values;
}

Tensor Linear::run(const Tensor& x, bool relu) {
  if (layout() != kernels::WeightLayout()) prepack();
  const auto op = relu ? adze::quantized::linear_relu : adze::quantized::linear;
  return op(x, weight, bias, scale.value().item(), zero_point.value().item<std::int64_t>(), dtype_);
}

std::optional<Value> Linear::fused(const OpBase& op, adze::nn::Fused place,
                                   std::span<const Value> args) {
  return run_fused(op, place, args, /*relu=*/false);
}

std::optional<Value> Linear::run_fused(const OpBase& op, adze::nn::Fused place,
                                       std::span<const Value> args, bool relu) {
  const bool before = place == adze::nn::Fused::before;
  const OpBase& fitting = before ? static_cast<const OpBase&>(ops::quantize_per_tensor)
                                 : static_cast<const OpBase&>(ops::dequantize);
  if (&op != &fitting || args.size() != (before ? op.arity() : 1)) return std::nullopt;
  if (layout() != kernels::WeightLayout()) prepack();
  const double out_scale = scale.value().item();
  const auto out_zero_point = zero_point.value().item<std::int64_t>();
  if (!before) {
    return adze::quantized::linear_to_float(args[0].to_tensor(), weight, bias, out_scale,
                                            out_zero_point, dtype_, relu);
  }
  return adze::quantized::linear_from_float(args[0].to_tensor(), args[1].to_double(),
                                            args[2].to_int(), args[3].to_dtype(), weight, bias,
                                            out_scale, out_zero_point, dtype_, relu);
}

adze::nn::ModulePtr Linear::from_float(adze::nn::Module& module) {
  return static_form<Linear>(module);
}

adze::nn::ModulePtr Linear::from_reference(adze::nn::Module& module, const QParams& output,
                                           DType dtype) {
  return lowered_form<Linear>(module, output, dtype);
}

std::string Linear::extra_repr() const {
  return adze::detail::concat("in_features=", in_features(), ", out_features=", out_features(),
                              ", scale=", scale.value().item<float>(),
                              ", zero_point=", zero_point.value().item<std::int64_t>(),
                              ", qscheme=", weight.value().qscheme());
}

Quantize::Quantize(double scale_value, std::int64_t zero_point_value, DType dtype)
    : scale("scale", scalar(scale_value)),
      zero_point("zero_point", int_scalar(zero_point_value)),
      dtype_(dtype) {
  quantizer_of(scale, zero_point, dtype);
}

Tensor Quantize::forward(const Tensor& x) {
  return quantize_per_tensor(x, scale.value().item(), zero_point.value().item<std::int64_t>(),
                             dtype_);
}

adze::nn::ModulePtr Quantize::from_float(adze::nn::Module& module) {
  const auto out = quantization::output_qparams(module);
  return adze::nn::make<Quantize>(out.scale, out.zero_point, out.dtype);
}

std::string Quantize::extra_repr() const {
  return adze::detail::concat("scale=", scale.value().item<float>(),
                              ", zero_point=", zero_point.value().item<std::int64_t>(),
                              ", dtype=", dtype_);
}

Tensor DeQuantize::forward(const Tensor& x) {
  return dequantize(x);
}

adze::nn::ModulePtr DeQuantize::from_float(adze::nn::Module&) {
  return adze::nn::make<DeQuantize>();
}

namespace dynamic {

Linear::Linear(Tensor weight_values, Tensor bias_values, LinearOptions options)
    : ModuleOf(std::move(weight_values), std::move(bias_values), options.layout),
      options_(options) {
  check(dtype() == qint8 || dtype() == float16,
        "dynamic quantized linear: weight must be qint8 or float16, got ", dtype());
  if (dtype() == qint8 && !options_.weight_only) {
    prepack();
  } else {
    const Tensor b = bias.value();
    check(!b.defined() || b.sizes() == Shape{out_features()},
          "dynamic quantized linear: bias must have ", out_features(), " elements, got shape ",
          b.defined() ? b.sizes() : Shape());
  }
}

std::map<std::string, Value> Linear::config() const {
  auto values = LinearBase::config();
  values["reduce_range"] = options_.reduce_range;
  values["weight_only"] = options_.weight_only;
  return values;
}

Tensor Linear::forward(const Tensor& x) {
  return run(x, /*relu=*/false);
}

Tensor Linear::run(const Tensor& x, bool relu) {
  if (dtype() == qint8 && options_.weight_only) {
    const Tensor y = adze::linear(x, dequantize(weight), bias);
    return relu ? adze::relu(y) : y;
  }
  if (dtype() == float16) {
    const auto op =
        relu ? adze::quantized::linear_relu_dynamic_fp16 : adze::quantized::linear_dynamic_fp16;
    return op(x, weight, bias);
  }
  if (layout() != kernels::WeightLayout()) prepack();
  const auto op = relu ? adze::quantized::linear_relu_dynamic : adze::quantized::linear_dynamic;
  return op(x, weight, bias, options_.reduce_range);
}

adze::nn::ModulePtr Linear::from_float(adze::nn::Module& module) {
  return dynamic_form<Linear>(module);
}

adze::nn::ModulePtr Linear::from_reference(adze::nn::Module& module) {
  return dynamic_lowered_form<Linear>(module, /*weight_only=*/false);
}

adze::nn::ModulePtr Linear::weight_only_from_reference(adze::nn::Module& module) {
  return dynamic_lowered_form<Linear>(module, /*weight_only=*/true);
}

std::string Linear::extra_repr() const {
  std::string text = adze::detail::concat("in_features=", in_features(),
                                          ", out_features=", out_features(), ", dtype=", dtype());
  if (dtype() == qint8) text += adze::detail::concat(", qscheme=", weight.value().qscheme());
  if (options_.weight_only) text += ", weight_only=true";
  return text;
}

}  // namespace dynamic
}  // namespace adze::ao::nn::quantized

namespace adze::ao::nn::intrinsic::quantized {

adze::nn::ModulePtr LinearReLU::from_float(adze::nn::Module& module) {
  return ao::nn::quantized::static_form<LinearReLU>(module);
}

adze::nn::ModulePtr LinearReLU::from_reference(adze::nn::Module& module, const QParams& output,
                                               DType dtype) {
  return ao::nn::quantized::lowered_form<LinearReLU>(module, output, dtype);
}

namespace dynamic {
adze::nn::ModulePtr LinearReLU::from_float(adze::nn::Module& module) {
  return ao::nn::quantized::dynamic_form<LinearReLU>(module);
}

adze::nn::ModulePtr LinearReLU::from_reference(adze::nn::Module& module) {
  return ao::nn::quantized::dynamic_lowered_form<LinearReLU>(module, /*weight_only=*/false);
}

adze::nn::ModulePtr LinearReLU::weight_only_from_reference(adze::nn::Module& module) {
  return ao::nn::quantized::dynamic_lowered_form<LinearReLU>(module, /*weight_only=*/true);
}
}  // namespace dynamic

}  // namespace adze::ao::nn::intrinsic::quantized
