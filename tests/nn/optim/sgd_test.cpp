#include "adze/nn/optim/sgd.h"

#include "adze/core/creation.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::error_of;

// Steps on p = (1, -2) with gradients (0.5, -1), then (0.25, 2); values of torch 2.13.
namespace {
Tensor two_steps(optim::SGDOptions options) {
  const auto slot = std::make_shared<nn::Slot>(tensor({1, -2}).requires_grad_());
  optim::SGD sgd({slot}, options);
  for (const Tensor& grad : {tensor({0.5, -1}), tensor({0.25, 2})}) {
    slot->original().set_grad(grad);
    sgd.step();
  }
  return slot->original().detach();
}
}  // namespace

TEST_CASE("SGD takes PyTorch's steps", "[nn][optim][golden]") {
  CHECK(two_steps({.lr = 0.1}).allclose(tensor({0.925, -2.1}), 1e-6));
  CHECK(two_steps({.lr = 0.1, .momentum = 0.9}).allclose(tensor({0.88, -2.01}), 1e-6));
  CHECK(two_steps({.lr = 0.1, .momentum = 0.9, .dampening = 0.5})
            .allclose(tensor({0.8925, -1.91}), 1e-6));
  CHECK(two_steps({.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true})
            .allclose(tensor({0.77306598, -2.0211320}), 1e-6));
  CHECK(two_steps({.lr = 0.1, .maximize = true}).allclose(tensor({1.075, -1.9}), 1e-6));
}

TEST_CASE("SGD refuses options that make no sense", "[nn][optim][error]") {
  CHECK_THAT(error_of([] { two_steps({.lr = -1}); }), ContainsSubstring("SGD: lr must be"));
  CHECK_THAT(error_of([] { two_steps({.momentum = -1}); }), ContainsSubstring("momentum must be"));
  CHECK_THAT(error_of([] { two_steps({.nesterov = true}); }),
             ContainsSubstring("nesterov needs momentum > 0 and dampening 0"));
}
