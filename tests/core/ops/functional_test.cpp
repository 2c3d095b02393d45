#include "adze/core/ops/functional.h"

#include <cmath>
#include <limits>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"

#include "support/finite_difference.h"

using namespace adze;
using adze::testing::check_gradients;
using adze::testing::random_double;
using adze::testing::random_strided;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

// Logits and classes of which PyTorch 2.13 gave the results below.
Tensor logits() {
  return tensor({{1.5, -0.25, 0.75, 2.0}, {-1.0, 0.5, 3.0, 0.125}, {0.0, -2.5, 1.25, -0.5}});
}
Tensor classes() {
  return tensor_of<std::int64_t>({3, 0, 2});
}

}  // namespace

TEST_CASE("softmax and log_softmax equal PyTorch's", "[core][functional]") {
  const Tensor x = logits();
  CHECK(softmax(x, 1).allclose(tensor({{0.303502858, 0.0527408868, 0.143364593, 0.500391603},
                                       {0.0158327911, 0.0709576458, 0.864441097, 0.0487684272},
                                       {0.193088993, 0.0158497095, 0.673946798, 0.117114395}}),
                               1e-6));
  CHECK(softmax(x, 0).allclose(tensor({{0.76615721, 0.310327768, 0.0823963657, 0.809428215},
                                       {0.0628900155, 0.656963944, 0.78175503, 0.124129839},
                                       {0.170952797, 0.0327083059, 0.135848656, 0.0664419159}}),
                               1e-6));
  CHECK(log_softmax(x, -1).allclose(tensor({{-1.19236422, -2.94236422, -1.94236422, -0.692364275},
                                            {-4.14567232, -2.64567208, -0.145672128, -3.02067208},
                                            {-1.64460409, -4.14460421, -0.394604057, -2.14460397}}),
                                    1e-6));
}

TEST_CASE("softmax is stable for large and infinite numbers", "[core][functional]") {
  CHECK(softmax(tensor({1000, 1000}), 0).equal(tensor({0.5, 0.5})));
  CHECK(softmax(tensor({-1000, 0, -inf}), 0).equal(tensor({0, 1, 0})));
  CHECK(log_softmax(tensor({-1000, 0}), 0).equal(tensor({-1000, 0})));
  CHECK(std::isnan(softmax(tensor({-inf, -inf}), 0)[0].item()));
}

TEST_CASE("softmax of other dtypes, layouts and shapes", "[core][functional]") {
  const Tensor x = rand({3, 4, 5});
  CHECK(softmax(x.transpose(0, 2), 1).equal(softmax(x, 1).transpose(0, 2)));
  CHECK(softmax(x, 1).is_contiguous());
  CHECK(softmax(x.to(float64), 2).allclose(softmax(x, 2).to(float64), 1e-6));
  CHECK(softmax(x.to(bfloat16), 2).dtype() == bfloat16);
  CHECK(softmax(zeros({2, 0}), 1).sizes() == Shape{2, 0});
  CHECK(softmax(zeros({0, 2}), 1).sizes() == Shape{0, 2});
  CHECK_THROWS_WITH(softmax(tensor_of<std::int64_t>({1}), 0),
                    "softmax: needs a floating dtype, got int64; convert it with to(float32)");
  CHECK_THROWS_WITH(softmax(full({}, 1.0), 0),
                    "softmax: needs a tensor with at least one dimension, got shape ()");
  CHECK_THROWS_WITH(log_softmax(x, 3), ContainsSubstring("log_softmax"));
}

TEST_CASE("cross_entropy and its gradient equal PyTorch's", "[core][functional]") {
  struct Case {
    double smoothing, loss;
    Tensor gradient;
  };
  const std::vector<Case> cases{
      {0, 1.74421358,
       tensor({{0.101167619, 0.0175802968, 0.0477882028, -0.166536137},
               {-0.328055739, 0.0236525498, 0.288147032, 0.0162561443},
               {0.0643630028, 0.00528323604, -0.108684383, 0.0390381366}})},
      {0.1, 1.77858853,
       tensor({{0.0928342789, 0.00924696214, 0.0394548662, -0.141536117},
               {-0.303055704, 0.0153192114, 0.279813647, 0.00792280771},
               {0.0560296588, -0.0030500982, -0.0836843699, 0.0307048}})},
      {1, 2.08796358,
       tensor({{0.0178342871, -0.0657530352, -0.0355451331, 0.08346387},
               {-0.0780557394, -0.059680786, 0.204813704, -0.0670771897},
               {-0.0189703368, -0.0780500993, 0.141315624, -0.0442951992}})}};
  for (const auto& [smoothing, loss, gradient] : cases) {
    CAPTURE(smoothing);
    const Tensor x = logits();
    x.requires_grad_();
    const Tensor l = cross_entropy(x, classes(), smoothing);
    l.backward();
    CHECK(l.item() == Approx(loss).epsilon(1e-6));
    CHECK(x.grad().allclose(gradient, 1e-5, 1e-7));
  }
}

TEST_CASE("losses are joined as asked", "[core][functional]") {
  const Tensor x = logits();
  CHECK(cross_entropy(x, classes(), 0.1, Reduction::sum).item() == Approx(5.33576536));
  CHECK(cross_entropy(x, classes(), 0.1, Reduction::none)
            .allclose(tensor({0.79236424, 3.98004723, 0.563354075}), 1e-6));
  CHECK(nll_loss(x, classes(), Reduction::none).equal(tensor({-2, 1, -1.25})));
  CHECK(nll_loss(x, classes(), Reduction::sum).item() == -2.25);
  CHECK(nll_loss(x, classes()).item() == -0.75);
  x.requires_grad_();
  cross_entropy(x, classes(), 0.1, Reduction::none).backward(tensor({1, 2, -1}));
  CHECK(x.grad()[1].allclose(tensor({-1.81833434, 0.0919152722, 1.678882, 0.04753685}), 1e-5));
}

TEST_CASE("mse_loss averages squared differences", "[core][functional]") {
  const Tensor a = tensor({1, 2, 4}), b = tensor({1, 0, 1});
  CHECK(mse_loss(a, b).item() == Approx(13.0 / 3));
  CHECK(mse_loss(a, b, Reduction::sum).item() == 13);
  CHECK(mse_loss(a, b, Reduction::none).equal(tensor({0, 4, 9})));
  CHECK_THROWS_WITH(mse_loss(a, ones({3, 1})),
                    "mse_loss: target must have the shape of input, (3,), got (3, 1)");
}

TEST_CASE("losses check their target", "[core][functional]") {
  const Tensor x = logits();
  CHECK_THROWS_WITH(nll_loss(x, tensor_of<std::int64_t>({0, 4, 1})),
                    "nll_loss: target 4 of sample 1 is outside of [0, 4)");
  CHECK_THROWS_WITH(cross_entropy(x, tensor_of<std::int64_t>({0, 1, -1})),
                    "nll_loss: target -1 of sample 2 is outside of [0, 4)");
  CHECK_THROWS_WITH(nll_loss(x, tensor({0, 1, 2})),
                    "nll_loss: target must hold int64 class numbers, got float32");
  CHECK_THROWS_WITH(nll_loss(x, tensor_of<std::int64_t>({0})),
                    "nll_loss: target must have shape (3,) for input (3, 4), got (1,)");
  CHECK_THROWS_WITH(nll_loss(x[0], classes()),
                    "nll_loss: input must have shape (samples, classes), got (4,)");
  CHECK_THROWS_WITH(cross_entropy(x, classes(), 1.5),
                    "cross_entropy: label_smoothing must lie in [0, 1], got 1.5");
  CHECK(std::isnan(nll_loss(zeros({0, 3}), zeros({0}, int64)).item()));
}

TEST_CASE("dropout zeroes with probability p and scales the rest", "[core][functional]") {
  manual_seed(7);
  const Tensor x = ones({10'000});
  const Tensor y = dropout(x, 0.25);
  const std::int64_t kept = count_nonzero(y);
  CHECK(kept == Approx(7500).margin(200));
  CHECK(max(y).item<float>() == static_cast<float>(1 / 0.75));
  manual_seed(7);
  CHECK(dropout(x, 0.25).equal(y));
  CHECK_FALSE(dropout(x, 0.25).equal(y));
  CHECK(dropout(x, 0.25, false).is_same(x));
  CHECK(dropout(x, 0).is_same(x));
  CHECK(count_nonzero(dropout(x, 1)) == 0);
  CHECK_THROWS_WITH(dropout(x, 1.5), "dropout: the probability must lie in [0, 1], got 1.5");
}

TEST_CASE("the gradient of dropout uses the mask of the forward call", "[core][functional]") {
  const Tensor x = ones({1000});
  x.requires_grad_();
  const Tensor y = dropout(x, 0.5);
  y.sum().backward();
  CHECK(x.grad().equal(y.detach()));
}

TEST_CASE("derivatives of softmax and losses equal finite differences",
          "[core][functional][gradient]") {
  const Tensor x = random_double({3, 4}, 1), s = random_strided({3, 4}, 2);
  for (const std::int64_t dim : {0, 1, -1}) {
    for (const Tensor& t : {x, s, random_double({2, 3, 2}, 3)}) {
      check_gradients([=](const TensorList& a) { return softmax(a[0], dim); }, {t});
      check_gradients([=](const TensorList& a) { return log_softmax(a[0], dim); }, {t});
    }
  }
  check_gradients([](const TensorList& a) { return softmax(a[0], 1); }, {random_double({0, 3}, 4)});
  for (const Reduction r : {Reduction::none, Reduction::mean, Reduction::sum}) {
    for (const Tensor& t : {x, s}) {
      check_gradients([=](const TensorList& a) { return nll_loss(a[0], classes(), r); }, {t});
      check_gradients([=](const TensorList& a) { return cross_entropy(a[0], classes(), 0.2, r); },
                      {t});
      check_gradients([=](const TensorList& a) { return mse_loss(a[0], a[1], r); },
                      {t, random_double({3, 4}, 5)});
    }
  }
}

TEST_CASE("the derivative of dropout equals finite differences for a fixed mask",
          "[core][functional][gradient]") {
  const auto f = [](const TensorList& x) {
    manual_seed(3);
    return dropout(x[0], 0.4);
  };
  check_gradients(f, {random_double({3, 4}, 1)});
  check_gradients(f, {random_strided({3, 4}, 2)});
}
