#include "adze/nn/linear.h"

#include <cmath>

#include "adze/nn/deepcopy.h"
#include "adze/nn/parametrize.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::error_of;

TEST_CASE("Linear multiplies by the transposed weight and adds the bias", "[nn][linear]") {
  nn::Linear fc(tensor({{1, 2, 3}, {4, 5, 6}}), tensor({10, 20}));
  CHECK(fc.in_features() == 3);
  CHECK(fc.out_features() == 2);
  CHECK(fc(tensor({{1, 0, -1}, {2, 1, 0}})).equal(tensor({{8, 18}, {14, 33}})));
  CHECK(fc(tensor({1, 1, 1})).equal(tensor({16, 35})));
  CHECK(fc(zeros({2, 5, 3})).sizes() == Shape{2, 5, 2});
}

TEST_CASE("Linear without bias lists only its weight", "[nn][linear]") {
  nn::Linear fc(4, 2, {.bias = false});
  CHECK(nn::named_parameters(fc).size() == 1);
  CHECK(fc.extra_repr() == "in_features=4, out_features=2, bias=False");
  CHECK(nn::Linear(4, 2).extra_repr() == "in_features=4, out_features=2, bias=True");
  CHECK(fc(zeros({1, 4})).equal(zeros({1, 2})));
}

TEST_CASE("Linear prints as PyTorch's", "[nn][linear]") {
  nn::Linear fc(4, 2);
  CHECK(nn::to_string(fc) == "Linear(in_features=4, out_features=2, bias=True)");
}

TEST_CASE("Linear starts uniform within one over the root of its inputs", "[nn][linear]") {
  manual_seed(3);
  nn::Linear fc(64, 200);
  const double bound = 1.0 / 8;
  for (const Tensor& t : {fc.weight.value(), fc.bias.value()}) {
    CHECK(t.abs().max().item() <= bound);
    CHECK(t.abs().max().item() > 0.95 * bound);
  }
  // The deviation of a uniform distribution is its half width over √3.
  CHECK(std::sqrt(adze::var(fc.weight).item()) == Approx(bound / std::sqrt(3.0)).epsilon(0.02));
  CHECK(fc.weight.value().requires_grad());
}

TEST_CASE("The same seed gives the same Linear", "[nn][linear]") {
  manual_seed(7);
  nn::Linear a(5, 3);
  manual_seed(7);
  nn::Linear b(5, 3);
  nn::Linear c(5, 3);
  CHECK(a.weight.value().equal(b.weight));
  CHECK(a.bias.value().equal(b.bias));
  CHECK_FALSE(b.weight.value().equal(c.weight));
  Generator generator(9), same(9);
  a.reset_parameters(&generator);
  b.reset_parameters(&same);
  CHECK(a.weight.value().equal(b.weight));
}

TEST_CASE("Linear computes with the effective weight", "[nn][linear][parametrization]") {
  nn::Linear fc(tensor({{1, 2}, {3, 4}}));
  nn::register_parametrization(fc, "weight",
                               std::make_shared<test::Mask>(tensor({{1, 0}, {0, 1}})));
  CHECK(fc(tensor({{1, 1}})).equal(tensor({{1, 4}})));
}

TEST_CASE("Linear says what is wrong with its input or sizes", "[nn][linear][error]") {
  nn::Linear fc(4, 2);
  const std::string error = error_of([&] { fc(zeros({3, 5})); });
  CHECK_THAT(error, ContainsSubstring("linear"));
  CHECK_THAT(error, ContainsSubstring("(3, 5)"));
  CHECK_THAT(error_of([] { nn::Linear(-1, 2); }), ContainsSubstring("must not be negative"));
  CHECK_THAT(error_of([] { nn::Linear(tensor({1, 2})); }), ContainsSubstring("must be a matrix"));
  CHECK_THAT(error_of([] {
               nn::Linear(zeros({2, 3}), zeros({3}));
             }),
             ContainsSubstring("bias must have shape (2,)"));
}

TEST_CASE("Linear without inputs gives its bias, zero", "[nn][linear]") {
  nn::Linear fc(0, 3);
  CHECK(fc(zeros({2, 0})).equal(zeros({2, 3})));
}
