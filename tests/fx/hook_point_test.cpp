#include "adze/fx/hook_point.h"

#include "adze/nn/deepcopy.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using test::error_of;
using When = fx::HookPoint::When;

TEST_CASE("A hook point passes values on when nobody listens", "[fx][hook_point]") {
  fx::HookPoint before(When::before_forward), after(When::after_forward);
  const Tensor x = ones({2}), y = zeros({2});
  CHECK(before(x).is_same(x));
  const Value::List both = before.call({x, y}).to_list();
  REQUIRE(both.size() == 2);
  CHECK(both[1].to_tensor().is_same(y));
  CHECK(after.call({x, y}).to_tensor().is_same(y));
  CHECK(before.extra_repr() == "before_forward");
  CHECK(after.extra_repr() == "after_forward");
  CHECK_THAT(error_of([&] { after.call({}); }), ContainsSubstring("an output was expected"));
}

TEST_CASE("A hook point runs the hooks of its side, as long as their handles let it",
          "[fx][hook_point]") {
  test::Rectify module;
  int runs = 0;
  const auto pre = module.register_forward_pre_hook(
      [&](nn::Module&, std::vector<Value>& args) { args[0] = args[0].to_tensor() + 1.0; });
  const auto post =
      module.register_forward_hook([&](nn::Module&, const std::vector<Value>& args, Value& out) {
        ++runs;
        out = out.to_tensor() + args[0].to_tensor();
      });
  fx::HookPoint before(module, When::before_forward), after(module, When::after_forward);
  CHECK(before(zeros({1})).item<float>() == 1.0f);
  CHECK(after.call({ones({1}), full({1}, 4.0)}).to_tensor().item<float>() == 5.0f);
  CHECK(runs == 1);

  const auto copy = nn::deepcopy(nn::make<fx::HookPoint>(module, When::before_forward));
  pre.remove();
  post.remove();
  CHECK(before(zeros({1})).item<float>() == 0.0f);
  CHECK(after.call({ones({1}), full({1}, 4.0)}).to_tensor().item<float>() == 4.0f);
  CHECK((*copy)(zeros({1})).item<float>() == 1.0f);
}

}  // namespace
}  // namespace adze
