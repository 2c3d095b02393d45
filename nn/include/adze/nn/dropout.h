#pragma once

#include <string>

#include "adze/nn/module.h"

namespace adze::nn {

/// In training: zeroes each element with probability p and scales the others by 1 / (1 - p), with
/// numbers from the default generator. In evaluation: the input itself.
class Dropout : public ModuleOf<Dropout> {
 public:
  /// Throws unless 0 <= p <= 1.
  explicit Dropout(double p = 0.5);
  double p() const { return p_; }
  Tensor forward(const Tensor& x);
  std::string extra_repr() const override;
  std::map<std::string, Value> config() const override { return {{"p", p_}}; }

 private:
  double p_;
};

}  // namespace adze::nn
