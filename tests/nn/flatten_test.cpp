#include "adze/nn/flatten.h"

#include "adze/core/creation.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("Flatten keeps the batch and joins the rest", "[nn][flatten]") {
  nn::Flatten flatten;
  CHECK(flatten(zeros({2, 3, 4, 5})).sizes() == Shape{2, 60});
  CHECK(flatten(zeros({7, 3})).sizes() == Shape{7, 3});
  nn::Flatten all(0), middle(1, 2);
  CHECK(all(zeros({2, 3})).sizes() == Shape{6});
  CHECK(middle(zeros({2, 3, 4, 5})).sizes() == Shape{2, 12, 5});
  CHECK(nn::to_string(flatten) == "Flatten(start_dim=1, end_dim=-1)");
}
