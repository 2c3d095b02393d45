#include "adze/nn/flatten.h"

#include "adze/core/ops/shape.h"

namespace adze::nn {

Tensor Flatten::forward(const Tensor& x) {
  return adze::flatten(x, start_dim_, end_dim_);
}

std::string Flatten::extra_repr() const {
  return adze::detail::concat("start_dim=", start_dim_, ", end_dim=", end_dim_);
}

}  // namespace adze::nn
