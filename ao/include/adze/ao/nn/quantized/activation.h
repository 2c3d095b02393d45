#pragma once

#include <string>

#include "adze/core/ops/quantize.h"
#include "adze/nn/module.h"

namespace adze::ao::nn::quantized {

/// Softmax of a quantized tensor along `dim`, with the given qparams of the result.
class Softmax : public adze::nn::ModuleOf<Softmax> {
 public:
  Softmax(std::int64_t dim, double scale, std::int64_t zero_point);
  std::int64_t dim() const { return dim_; }
  double scale() const { return scale_; }
  std::int64_t zero_point() const { return zero_point_; }

  Tensor forward(const Tensor& x);
  std::string extra_repr() const override;
  std::map<std::string, Value> config() const override;

  /// The int8 form of a Softmax.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module, const QParams& output, DType);

 private:
  std::int64_t dim_;
  double scale_;
  std::int64_t zero_point_;
};

/// Passes its input on, in training too: what is left of a Dropout in a converted network.
class Dropout : public adze::nn::ModuleOf<Dropout> {
 public:
  Tensor forward(const Tensor& x) { return x; }
  static adze::nn::ModulePtr from_float(adze::nn::Module& module, const QParams&, DType);
};

}  // namespace adze::ao::nn::quantized
