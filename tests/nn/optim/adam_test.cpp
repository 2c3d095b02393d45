#include "adze/nn/optim/adam.h"

#include "adze/core/creation.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::error_of;

namespace {

// Steps on p = (1, -2) with three gradients; the expected values are those of torch 2.13.
template <class O, class Options>
Tensor three_steps(Options options) {
  const auto slot = std::make_shared<nn::Slot>(tensor({1, -2}).requires_grad_());
  O optimizer({slot}, options);
  for (const Tensor& grad : {tensor({0.5, -1}), tensor({0.25, 2}), tensor({0.1, 0.01})}) {
    slot->original().set_grad(grad);
    optimizer.step();
  }
  return slot->original().detach();
}
Tensor adam(optim::AdamOptions options) {
  return three_steps<optim::Adam>(options);
}
Tensor adamw(optim::AdamWOptions options) {
  return three_steps<optim::AdamW>(options);
}

}  // namespace

TEST_CASE("Adam takes PyTorch's steps", "[nn][optim][golden]") {
  CHECK(adam({.lr = 0.1}).allclose(tensor({0.72459358, -1.9651958}), 1e-6));
  CHECK(adam({.lr = 0.1, .weight_decay = 0.1}).allclose(tensor({0.71779054, -1.9389356}), 1e-6));
  CHECK(adam({.lr = 0.1, .betas = {0.5, 0.6}, .amsgrad = true})
            .allclose(tensor({0.75967258, -1.9873248}), 1e-6));
}

TEST_CASE("AdamW takes PyTorch's steps", "[nn][optim][golden]") {
  CHECK(adamw({.lr = 0.1}).allclose(tensor({0.72188967, -1.9593651}), 1e-6));
  CHECK(adamw({.lr = 0.1, .weight_decay = 0.5, .maximize = true})
            .allclose(tensor({1.1183705, -1.7416347}), 1e-6));
}

TEST_CASE("Large parameters are updated like small ones", "[nn][optim]") {
  // Several blocks, several threads and a remainder.
  constexpr std::int64_t n = 100003;
  const auto large = std::make_shared<nn::Slot>(ones({n}).requires_grad_());
  optim::Adam adam({large}, {.lr = 0.1});
  for (int i = 0; i < 2; ++i) {
    large->original().set_grad(linspace(-1, 1, n));
    adam.step();
  }
  for (const std::int64_t i : {std::int64_t{0}, std::int64_t{1024}, n / 3, n - 1}) {
    const auto one = std::make_shared<nn::Slot>(ones({1}).requires_grad_());
    optim::Adam small({one}, {.lr = 0.1});
    for (int k = 0; k < 2; ++k) {
      one->original().set_grad(linspace(-1, 1, n).slice(0, i, i + 1).clone());
      small.step();
    }
    CHECK(one->original().item() == large->original()[i].item());
  }
}

TEST_CASE("Adam refuses options that make no sense", "[nn][optim][error]") {
  CHECK_THAT(error_of([] {
               adam({.betas = {0.9, 1}});
             }),
             ContainsSubstring("Adam: betas must be in [0, 1), got 0.9 and 1"));
  CHECK_THAT(error_of([] { adam({.eps = -1}); }), ContainsSubstring("Adam: eps must be"));
  CHECK_THAT(error_of([] { adamw({.weight_decay = -1}); }),
             ContainsSubstring("AdamW: weight_decay must be"));
}
