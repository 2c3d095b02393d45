#include "adze/ao/nn/quantized/activation.h"
#include "adze/core/ops.h"
#include "adze/nn/activation.h"

namespace adze::ao::nn::quantized {

Softmax::Softmax(std::int64_t dim, double scale, std::int64_t zero_point)
    : dim_(dim), scale_(scale), zero_point_(zero_point) {}

Tensor Softmax::forward(const Tensor& x) {
  return adze::quantized::softmax(x, dim_, scale_, zero_point_);
}

std::string Softmax::extra_repr() const {
  return adze::detail::concat("dim=", dim_, ", scale=", scale_, ", zero_point=", zero_point_);
}

std::map<std::string, Value> Softmax::config() const {
  return {{"dim", dim_}, {"scale", scale_}, {"zero_point", zero_point_}};
}

adze::nn::ModulePtr Softmax::from_float(adze::nn::Module& module, const QParams& output, DType) {
  return adze::nn::make<Softmax>(module.as<adze::nn::Softmax>().dim(), output.scale,
                                 output.zero_point);
}

adze::nn::ModulePtr Dropout::from_float(adze::nn::Module&, const QParams&, DType) {
  return adze::nn::make<Dropout>();
}

}  // namespace adze::ao::nn::quantized
