#include "adze/nn/init.h"

#include <cmath>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
namespace init = adze::nn::init;
using adze::test::error_of;
using adze::test::Warnings;

namespace {
double largest(const Tensor& t) {
  return t.abs().max().item();
}
double deviation(const Tensor& t) {
  return std::sqrt(var(t).item());
}
}  // namespace

TEST_CASE("Constants fill tensors and parameters in place", "[nn][init]") {
  const Tensor t = empty({2, 2});
  CHECK(init::constant_(t, 0.25).is_same(t));
  CHECK(t.equal(full({2, 2}, 0.25)));
  nn::Parameter p("p", empty({3}));
  const Tensor stored = p.slot()->original();
  init::ones_(p);
  CHECK(stored.equal(ones({3})));
  init::zeros_(p);
  CHECK(stored.equal(zeros({3})));
  CHECK(stored.requires_grad());
  CHECK(stored.is_leaf());
}

TEST_CASE("uniform_ and normal_ have the moments they were asked for", "[nn][init]") {
  Generator generator(5);
  const Tensor t = empty({200, 200});
  init::uniform_(t, -3, 1, &generator);
  CHECK(t.min().item() >= -3);
  CHECK(t.max().item() < 1);
  CHECK(t.mean().item() == Approx(-1).margin(0.03));
  CHECK(deviation(t) == Approx(4 / std::sqrt(12.0)).epsilon(0.01));
  init::normal_(t, 2, 0.5, &generator);
  CHECK(t.mean().item() == Approx(2).margin(0.02));
  CHECK(deviation(t) == Approx(0.5).epsilon(0.02));
}

TEST_CASE("Equal generators give equal numbers", "[nn][init]") {
  Generator a(11), b(11);
  const Tensor s = empty({7, 9}), t = empty({7, 9});
  CHECK(init::normal_(s, 0, 1, &a).equal(init::normal_(t, 0, 1, &b)));
  CHECK(init::trunc_normal_(s, 0, 1, -1, 2, &a).equal(init::trunc_normal_(t, 0, 1, -1, 2, &b)));
  CHECK(init::orthogonal_(s, 1, &a).equal(init::orthogonal_(t, 1, &b)));
}

TEST_CASE("Tensors of other layout and dtype are initialised too", "[nn][init]") {
  const Tensor t = zeros({4, 6}, float64).t();
  init::xavier_normal_(t);
  CHECK(count_nonzero(t) == 24);
}

TEST_CASE("Gains are PyTorch's", "[nn][init][golden]") {
  using init::Nonlinearity;
  CHECK(init::calculate_gain(Nonlinearity::linear) == 1);
  CHECK(init::calculate_gain(Nonlinearity::sigmoid) == 1);
  CHECK(init::calculate_gain(Nonlinearity::tanh) == Approx(1.6666666666666667));
  CHECK(init::calculate_gain(Nonlinearity::relu) == Approx(1.4142135623730951));
  CHECK(init::calculate_gain(Nonlinearity::leaky_relu) == Approx(1.4141428569978354));
  CHECK(init::calculate_gain(Nonlinearity::leaky_relu, 0.2) == Approx(1.3867504905630728));
  CHECK(init::calculate_gain(Nonlinearity::selu) == 0.75);
}

TEST_CASE("Fans count the elements of the kernel", "[nn][init]") {
  const init::Fan fan = init::calculate_fan_in_and_fan_out(zeros({8, 4, 3, 5}));
  CHECK(fan.in == 60);
  CHECK(fan.out == 120);
  CHECK_THAT(error_of([] { init::xavier_uniform_(zeros({4})); }),
             ContainsSubstring("at least 2 dimensions, got shape (4,)"));
}

TEST_CASE("Xavier and Kaiming have the spread of their fans", "[nn][init]") {
  manual_seed(2);
  const Tensor t = empty({100, 300});
  init::xavier_uniform_(t, 2);
  const double xavier = 2 * std::sqrt(6.0 / 400);
  CHECK(largest(t) <= xavier);
  CHECK(largest(t) > 0.99 * xavier);
  init::xavier_normal_(t);
  CHECK(deviation(t) == Approx(std::sqrt(2.0 / 400)).epsilon(0.02));
  init::kaiming_uniform_(t, {.nonlinearity = init::Nonlinearity::relu});
  CHECK(largest(t) <= std::sqrt(6.0 / 300));
  CHECK(largest(t) > 0.99 * std::sqrt(6.0 / 300));
  init::kaiming_normal_(t, {.a = 1, .mode = init::FanMode::fan_out});
  CHECK(deviation(t) == Approx(0.1).epsilon(0.02));
}

TEST_CASE("A weight without elements is left with a warning", "[nn][init]") {
  Warnings warnings;
  init::kaiming_uniform_(empty({3, 0}));
  CHECK(warnings.mention("has no elements"));
}

TEST_CASE("trunc_normal_ stays inside its interval", "[nn][init]") {
  manual_seed(4);
  const Tensor t = empty({40000});
  init::trunc_normal_(t);
  CHECK(largest(t) <= 2);
  // The standard normal distribution cut at ±2 has deviation 0.87962566.
  CHECK(deviation(t) == Approx(0.87962566).epsilon(0.01));
  CHECK(t.mean().item() == Approx(0).margin(0.02));
  Warnings warnings;
  init::trunc_normal_(t, 0, 1, 4, 100);
  CHECK(t.min().item() >= 4);
  // The mean of a standard normal above 4 is density(4) / tail(4) = 4.2256.
  CHECK(t.mean().item() == Approx(4.2256).epsilon(0.005));
  CHECK(warnings.mention("more than 2 std"));
  CHECK_THAT(error_of([&] { init::trunc_normal_(t, 0, 1, 2, -2); }), ContainsSubstring("a < b"));
}

TEST_CASE("orthogonal_ gives orthonormal rows or columns", "[nn][init]") {
  manual_seed(6);
  const Tensor tall = empty({7, 3}), wide = empty({3, 7}), deep = empty({4, 3, 2});
  init::orthogonal_(tall);
  CHECK(tall.t().matmul(tall).allclose(eye(3), 1e-5, 1e-6));
  init::orthogonal_(wide, 2);
  CHECK(wide.matmul(wide.t()).allclose(eye(3) * 4, 1e-5, 1e-5));
  init::orthogonal_(deep);
  const Tensor flat = deep.reshape({4, 6});
  CHECK(flat.matmul(flat.t()).allclose(eye(4), 1e-5, 1e-6));
  CHECK_THAT(error_of([] { init::orthogonal_(zeros({3})); }),
             ContainsSubstring("at least 2 dimensions"));
}

TEST_CASE("Pinned zeros survive initialisation", "[nn][init]") {
  nn::Parameter p("p", ones({2, 3}));
  const Tensor mask = tensor({{1, 0, 1}, {0, 1, 1}});
  p.slot()->pin_zeros(mask);
  init::constant_(p, 5);
  CHECK(p.value().equal(mask * 5.0));
}

TEST_CASE("Only floating tensors are initialised", "[nn][init][error]") {
  CHECK_THAT(error_of([] { init::zeros_(zeros({2}, int64)); }),
             ContainsSubstring("needs a tensor of floating dtype, got int64"));
  CHECK_THAT(error_of([] { init::uniform_(zeros({2}), 1, 0); }), ContainsSubstring("a <= b"));
  CHECK_THAT(error_of([] { init::normal_(zeros({2}), 0, -1); }), ContainsSubstring("negative"));
  nn::Parameter none("bias", Tensor());
  CHECK_THAT(error_of([&] { init::zeros_(none); }), ContainsSubstring("undefined"));
}
