#include "adze/nn/linear.h"

#include <cmath>
#include <utility>

#include "adze/core/creation.h"
#include "adze/core/ops/linalg.h"
#include "adze/nn/init.h"

namespace adze::nn {
namespace {

Tensor weight_of(std::int64_t in_features, std::int64_t out_features) {
  check(in_features >= 0 && out_features >= 0,
        "Linear: in_features and out_features must not be negative, got ", in_features, " and ",
        out_features);
  return empty({out_features, in_features});
}

}  // namespace

Linear::Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options)
    : weight("weight", weight_of(in_features, out_features)),
      bias("bias", options.bias ? empty({out_features}) : Tensor()) {
  reset_parameters();
}

Linear::Linear(Tensor weight_values, Tensor bias_values)
    : weight("weight", std::move(weight_values)), bias("bias", std::move(bias_values)) {
  const Tensor w = weight.value(), b = bias.value();
  check(w.defined() && w.dim() == 2, "Linear: weight must be a matrix, got ",
        w.defined() ? to_string(w.sizes()) : "an undefined tensor");
  check(!b.defined() || b.sizes() == Shape{w.size(0)}, "Linear: bias must have shape (", w.size(0),
        ",) as weight is ", w.sizes(), ", got ", b.defined() ? b.sizes() : Shape());
}

void Linear::reset_parameters(Generator* generator) {
  if (in_features() == 0) {
    if (bias.defined()) init::zeros_(bias);
    return;
  }
  init::kaiming_uniform_(weight, {.a = std::sqrt(5.0), .generator = generator});
  const double bound = 1 / std::sqrt(static_cast<double>(in_features()));
  if (bias.defined()) init::uniform_(bias, -bound, bound, generator);
}

Tensor Linear::forward(const Tensor& x) {
  return adze::linear(x, weight, bias);
}

std::string Linear::extra_repr() const {
  return adze::detail::concat("in_features=", in_features(), ", out_features=", out_features(),
                              ", bias=", bias.defined() ? "True" : "False");
}

}  // namespace adze::nn
