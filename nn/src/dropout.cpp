#include "adze/nn/dropout.h"

#include "adze/core/ops/functional.h"

namespace adze::nn {

Dropout::Dropout(double p) : p_(p) {
  check(p >= 0 && p <= 1, "Dropout: p must be between 0 and 1, got ", p);
}

Tensor Dropout::forward(const Tensor& x) {
  return adze::dropout(x, p_, training());
}

std::string Dropout::extra_repr() const {
  return adze::detail::concat("p=", p_, ", inplace=False");
}

}  // namespace adze::nn
