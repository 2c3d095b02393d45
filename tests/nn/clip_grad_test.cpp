#include "adze/nn/clip_grad.h"

#include <limits>

#include "adze/core/creation.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::error_of;
using nn::utils::clip_grad_norm_;
using nn::utils::clip_grad_value_;

namespace {

nn::SlotPtr slot_with_gradient(const Tensor& grad) {
  auto slot = std::make_shared<nn::Slot>(zeros(grad.sizes()).requires_grad_());
  slot->original().set_grad(grad.clone());
  return slot;
}

std::vector<nn::SlotPtr> three_four_twelve() {
  return {slot_with_gradient(tensor({3, -4})), slot_with_gradient(tensor({{12}})),
          std::make_shared<nn::Slot>(zeros({5}).requires_grad_())};
}

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("clip_grad_norm_ scales all gradients by their common norm", "[nn][clip_grad]") {
  const auto params = three_four_twelve();
  CHECK(clip_grad_norm_(params, 1.3) == Approx(13));
  CHECK(params[0]->original().grad().allclose(tensor({0.3, -0.4}), 1e-6));
  CHECK(params[1]->original().grad().allclose(tensor({{1.2}}), 1e-6));
  CHECK_FALSE(params[2]->original().grad().defined());
}

TEST_CASE("clip_grad_norm_ leaves small gradients as they are", "[nn][clip_grad]") {
  const auto params = three_four_twelve();
  CHECK(clip_grad_norm_(params, 14) == Approx(13));
  CHECK(params[0]->original().grad().equal(tensor({3, -4})));
}

TEST_CASE("clip_grad_norm_ knows other norms", "[nn][clip_grad]") {
  auto params = three_four_twelve();
  CHECK(clip_grad_norm_(params, 9.5, {.norm_type = 1}) == Approx(19));
  CHECK(params[0]->original().grad().allclose(tensor({1.5, -2}), 1e-6));
  params = three_four_twelve();
  CHECK(clip_grad_norm_(params, 6, {.norm_type = infinity}) == Approx(12));
  CHECK(params[1]->original().grad().allclose(tensor({{6}}), 1e-6));
  // (3³ + 4³ + 12³)^(1/3)
  CHECK(clip_grad_norm_(three_four_twelve(), 1, {.norm_type = 3}) ==
        Approx(12.207056).epsilon(1e-6));
  CHECK(clip_grad_norm_({}, 1) == 0);
}

TEST_CASE("A norm that is not finite is an error when asked for", "[nn][clip_grad][error]") {
  const std::vector params = {slot_with_gradient(tensor({1, infinity})),
                              slot_with_gradient(tensor({2}))};
  CHECK_THAT(error_of([&] { clip_grad_norm_(params, 1, {.error_if_nonfinite = true}); }),
             ContainsSubstring("cannot be clipped"));
  CHECK(params[1]->original().grad().item() == 2);
  CHECK(clip_grad_norm_(params, 1) == infinity);
  CHECK(params[1]->original().grad().item() == 0);
  CHECK_THAT(error_of([&] { clip_grad_norm_(params, 1, {.norm_type = 0}); }),
             ContainsSubstring("norm_type must be positive"));
}

TEST_CASE("clip_grad_value_ limits each element", "[nn][clip_grad]") {
  const auto params = three_four_twelve();
  clip_grad_value_(params, 3.5);
  CHECK(params[0]->original().grad().equal(tensor({3, -3.5})));
  CHECK(params[1]->original().grad().equal(tensor({{3.5}})));
  CHECK_THAT(error_of([&] { clip_grad_value_(params, -1); }), ContainsSubstring("negative"));
}
