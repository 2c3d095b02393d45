#pragma once

#include <map>
#include <string>

#include "adze/ao/nn/quantized/linear.h"

namespace adze::ao::nn::quantized::dynamic {

struct LinearOptions {
  /// Activations in 7 bits, as the field's x86 engines do. The kernels are exact with 8 bits too;
  /// false gives the finer grid.
  bool reduce_range = true;
  /// Activations stay float: the weight is only stored small, the layer computes in float32.
  bool weight_only = false;
  /// How kernels keep the weight; only for qint8 ones.
  kernels::WeightLayout layout = {};
};

/// A linear layer with an int8 weight whose float input is quantized on the fly by its own range.
/// Float in, float out. A float16 weight (`dtype()` float16), or any with `weight_only`, is only
/// stored small: the layer computes in float32.
class Linear : public adze::nn::ModuleOf<Linear, LinearBase> {
 public:
  /// `weight_values` is qint8 or float16.
  Linear(Tensor weight_values, Tensor bias_values, LinearOptions options = {});

  DType dtype() const { return weight.slot()->original().dtype(); }
  bool reduce_range() const { return options_.reduce_range; }
  bool weight_only() const { return options_.weight_only; }
  std::map<std::string, Value> config() const override;

  Tensor forward(const Tensor& x);
  std::string extra_repr() const override;

  /// With the effective weight of a float or qat Linear, by the weight observer of its qconfig.
  static adze::nn::ModulePtr from_float(adze::nn::Module& module);
  /// With the weight of a reference::Linear.
  static adze::nn::ModulePtr from_reference(adze::nn::Module& module);
  static adze::nn::ModulePtr weight_only_from_reference(adze::nn::Module& module);

 protected:
  Tensor run(const Tensor& x, bool relu);

 private:
  LinearOptions options_;
};

}  // namespace adze::ao::nn::quantized::dynamic
