#pragma once

#include <cstdint>
#include <string>

#include "adze/core/random.h"
#include "adze/nn/module.h"

namespace adze::nn {

struct LinearOptions {
  bool bias = true;
};

/// input · weightᵀ + bias: input (..., in_features), result (..., out_features).
///
/// Weight (out_features, in_features) and bias (out_features) start uniform in
/// ±1 / sqrt(in_features), with numbers from the default generator.
class Linear : public ModuleOf<Linear> {
 public:
  /// Throws when a size is negative.
  Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options = {});
  /// Around existing tensors; an undefined bias means none. Throws unless weight is a matrix and
  /// bias a vector with one element per row.
  explicit Linear(Tensor weight_values, Tensor bias_values = {});

  Parameter weight, bias;

  std::int64_t in_features() const { return weight.slot()->original().size(1); }
  std::int64_t out_features() const { return weight.slot()->original().size(0); }
  /// Draws weight and bias again; null is the default generator.
  void reset_parameters(Generator* generator = nullptr);

  static std::vector<ForwardArg> arguments() { return {{"input"}}; }
  Tensor forward(const Tensor& x);
  std::string extra_repr() const override;

 protected:
  void fields(FieldList& f) override { f(weight, bias); }
};

}  // namespace adze::nn
