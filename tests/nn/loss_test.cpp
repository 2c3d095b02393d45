#include "adze/nn/loss.h"

#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::error_of;

// Expected values printed by torch 2.13.
TEST_CASE("CrossEntropyLoss gives PyTorch's values", "[nn][loss][golden]") {
  const Tensor logits = tensor({{1, 2, 0.5}, {-1, 0, 3}});
  const Tensor target = tensor_of<std::int64_t>({1, 0});
  nn::CrossEntropyLoss mean, smooth({.label_smoothing = 0.1}),
      sum({.label_smoothing = 0.1, .reduction = Reduction::sum}),
      none({.reduction = Reduction::none});
  CHECK(mean(logits, target).item() == Approx(2.2651265).epsilon(1e-6));
  CHECK(smooth(logits, target).item() == Approx(2.2234597).epsilon(1e-6));
  CHECK(sum(logits, target).item() == Approx(4.4469194).epsilon(1e-6));
  CHECK(none(logits, target).allclose(tensor({0.46436879, 4.0658841}), 1e-6));
}

TEST_CASE("NLLLoss and MSELoss give PyTorch's values", "[nn][loss][golden]") {
  nn::NLLLoss nll, nll_sum({.reduction = Reduction::sum});
  const Tensor log_probs = tensor({{-0.5, -1.5}, {-2, -0.25}});
  const Tensor target = tensor_of<std::int64_t>({1, 1});
  CHECK(nll(log_probs, target).item() == Approx(0.875));
  CHECK(nll_sum(log_probs, target).item() == Approx(1.75));
  nn::MSELoss mse, mse_none({.reduction = Reduction::none});
  CHECK(mse(tensor({1, 2}), tensor({3, 5})).item() == Approx(6.5));
  CHECK(mse_none(tensor({1, 2}), tensor({3, 5})).equal(tensor({4, 9})));
}

TEST_CASE("Losses refuse wrong smoothing and wrong classes", "[nn][loss][error]") {
  CHECK_THAT(error_of([] { nn::CrossEntropyLoss({.label_smoothing = 1.1}); }),
             ContainsSubstring("label_smoothing must be between 0 and 1, got 1.1"));
  nn::CrossEntropyLoss loss;
  CHECK(error_of([&] { loss(zeros({1, 3}), tensor_of<std::int64_t>({3})); }) != "");
  CHECK_THAT(error_of([&] { loss(zeros({1, 3})); }), ContainsSubstring("takes 2 arguments, got 1"));
}
