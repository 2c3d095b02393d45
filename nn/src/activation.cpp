#include "adze/nn/activation.h"

#include "adze/core/ops/elementwise.h"
#include "adze/core/ops/functional.h"

namespace adze::nn {

Tensor ReLU::forward(const Tensor& x) {
  return adze::relu(x);
}
Tensor Sigmoid::forward(const Tensor& x) {
  return adze::sigmoid(x);
}
Tensor Tanh::forward(const Tensor& x) {
  return adze::tanh(x);
}

Tensor Softmax::forward(const Tensor& x) {
  return adze::softmax(x, dim_);
}
std::string Softmax::extra_repr() const {
  return "dim=" + std::to_string(dim_);
}

Tensor LogSoftmax::forward(const Tensor& x) {
  return adze::log_softmax(x, dim_);
}
std::string LogSoftmax::extra_repr() const {
  return "dim=" + std::to_string(dim_);
}

}  // namespace adze::nn
