#include "adze/nn/activation.h"

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/nn/identity.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("Activations compute what their ops do", "[nn][activation]") {
  const Tensor x = tensor({{-2, 0, 1}, {3, -0.5, 2}});
  nn::ReLU relu;
  CHECK(relu(x).equal(tensor({{0, 0, 1}, {3, 0, 2}})));
  nn::Sigmoid sigmoid;
  CHECK(sigmoid(x).allclose(1.0 / (1.0 + adze::exp(-x)), 1e-6));
  nn::Tanh tanh;
  CHECK(tanh(tensor({0.5})).item() == Approx(0.46211716));
  nn::Softmax rows(1), columns(0);
  CHECK(rows(x).sum({1}).allclose(ones({2})));
  CHECK(columns(x).sum({0}).allclose(ones({3})));
  nn::LogSoftmax log_rows(-1);
  CHECK(log_rows(x).allclose(rows(x).log(), 1e-5, 1e-6));
}

TEST_CASE("Activations print as PyTorch's", "[nn][activation]") {
  nn::ReLU relu;
  nn::Tanh tanh;
  nn::Sigmoid sigmoid;
  nn::Softmax softmax(1);
  nn::LogSoftmax log_softmax(-1);
  CHECK(nn::to_string(relu) == "ReLU()");
  CHECK(nn::to_string(tanh) == "Tanh()");
  CHECK(nn::to_string(sigmoid) == "Sigmoid()");
  CHECK(nn::to_string(softmax) == "Softmax(dim=1)");
  CHECK(nn::to_string(log_softmax) == "LogSoftmax(dim=-1)");
}

TEST_CASE("ReLU keeps the qparams of a quantized input", "[nn][activation][quantize]") {
  nn::ReLU relu;
  const Tensor q = quantize_per_tensor(tensor({-1, 0.5, 2}), 0.5, 10, quint8);
  const Tensor y = relu(q);
  CHECK(y.dequantize().equal(tensor({0, 0.5, 2})));
  CHECK(y.q_scale() == 0.5);
  CHECK(y.q_zero_point() == 10);
}

TEST_CASE("Identity returns its input itself", "[nn][identity]") {
  nn::Identity identity;
  const Tensor x = tensor({1, 2});
  CHECK(identity(x).is_same(x));
  CHECK(nn::to_string(identity) == "Identity()");
}
