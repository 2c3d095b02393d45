#pragma once

#include <map>
#include <string>

#include "adze/nn/module.h"

namespace adze::ao::nn::quantized {

/// Float to quantized with fixed qparams: what a QuantStub becomes.
class Quantize : public adze::nn::ModuleOf<Quantize> {
 public:
  Quantize(double scale_value, std::int64_t zero_point_value, DType dtype = quint8);

  adze::nn::Buffer scale;       // float32 scalar
  adze::nn::Buffer zero_point;  // int64 scalar
  DType dtype() const { return dtype_; }
  std::map<std::string, Value> config() const override { return {{"dtype", dtype_}}; }

  Tensor forward(const Tensor& x);
  std::string extra_repr() const override;

  /// With the qparams of an observed module (a QuantStub).
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);

 protected:
  void fields(adze::nn::FieldList& f) override { f(scale, zero_point); }

 private:
  DType dtype_;
};

/// Quantized to float: what a DeQuantStub becomes.
class DeQuantize : public adze::nn::ModuleOf<DeQuantize> {
 public:
  Tensor forward(const Tensor& x);
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
};

}  // namespace adze::ao::nn::quantized
