#include <utility>

#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "quantization/weights.h"

namespace adze::ao::nn::quantized::reference {
namespace {

// Per channel: a vector; per tensor: a scalar.
template <class T>
Tensor vector_or_scalar(const std::vector<double>& values, QScheme scheme, DType dtype) {
  const std::vector<T> converted(values.begin(), values.end());
  if (!is_per_channel(scheme)) return full({}, converted.at(0), dtype);
  return from_vector(converted, {static_cast<std::int64_t>(values.size())});
}

}  // namespace

Linear::Linear(Tensor weight_values, Tensor bias_values, const QuantizerPtr& quantizer, DType dtype)
    : ModuleOf(std::move(weight_values), std::move(bias_values)),
      weight_scale("weight_scale",
                   vector_or_scalar<float>(quantizer->scales, quantizer->scheme, float32)),
      weight_zero_point("weight_zero_point", vector_or_scalar<std::int64_t>(
                                                 quantizer->zero_points, quantizer->scheme, int64)),
      dtype_(dtype),
      scheme_(quantizer->scheme),
      axis_(quantizer->axis) {}

void Linear::fields(adze::nn::FieldList& f) {
  adze::nn::Linear::fields(f);
  f(weight_scale, weight_zero_point);
}

Tensor Linear::quantized_weight() const {
  const Tensor w = weight.value().detach();
  if (is_per_channel(scheme_))
    return quantize_per_channel(w, weight_scale, weight_zero_point, axis_, dtype_);
  return quantize_per_tensor(w, weight_scale.value().item(),
                             weight_zero_point.value().item<std::int64_t>(), dtype_);
}

Tensor Linear::forward(const Tensor& x) {
  return adze::linear(x, dequantize(quantized_weight()), bias);
}

adze::nn::ModulePtr Linear::from_float(adze::nn::Module& module) {
  const auto observer = quantization::observed_weight(module);
  const Tensor weight = quantization::effective_weight(module);
  const Tensor bias = quantization::effective_bias(module);
  auto layer = adze::nn::make<Linear>(weight.clone(), bias.defined() ? bias.clone() : Tensor(),
                                      quantization::quantize_weight(weight, *observer).quantizer(),
                                      observer->dtype());
  // The int8 form may want to know which blocks were pruned.
  const auto& params = module.slot_holder().find_parameter("weight")->slot()->sparse_params;
  if (const auto shape = params.find("sparse_block_shape"); shape != params.end())
    layer->weight.slot()->sparse_params.insert(*shape);
  return layer;
}

std::map<std::string, Value> Linear::config() const {
  return {{"weight_dtype", dtype_},
          {"weight_qscheme", std::string(name(scheme_))},
          {"weight_axis", axis_}};
}

std::string Linear::extra_repr() const {
  return adze::nn::Linear::extra_repr() +
         adze::detail::concat(", weight_dtype=", dtype_, ", weight_qscheme=", scheme_);
}

}  // namespace adze::ao::nn::quantized::reference
