#include "adze/nn/dropout.h"

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::error_of;

TEST_CASE("Dropout zeroes and scales in training only", "[nn][dropout]") {
  manual_seed(1);
  nn::Dropout dropout(0.25);
  const Tensor x = ones({100, 100});
  const Tensor y = dropout(x);
  const double kept = static_cast<double>(count_nonzero(y)) / 10000;
  CHECK(kept == Approx(0.75).margin(0.02));
  CHECK(y.max().item() == Approx(1 / 0.75));
  dropout.eval();
  CHECK(dropout(x).is_same(x));
}

TEST_CASE("Dropout prints p and refuses what is no probability", "[nn][dropout][error]") {
  nn::Dropout dropout(0.2);
  CHECK(nn::to_string(dropout) == "Dropout(p=0.2, inplace=False)");
  CHECK_THAT(error_of([] { nn::Dropout(1.5); }), ContainsSubstring("between 0 and 1, got 1.5"));
  CHECK_THAT(error_of([] { nn::Dropout(-0.1); }), ContainsSubstring("between 0 and 1"));
}
