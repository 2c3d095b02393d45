#include "adze/nn/swap.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::Affine;
using adze::test::Block;
using adze::test::Mask;
using adze::test::Rectify;
using adze::test::Warnings;

namespace {

nn::ForwardHook add(double amount) {
  return [amount](nn::Module&, const std::vector<Value>&, Value& out) {
    out = out.to_tensor() + amount;
  };
}

class Both : public nn::ModuleOf<Both> {
 public:
  Both(nn::ModulePtr a, nn::ModulePtr b) : first("0", std::move(a)), second("1", std::move(b)) {}
  nn::Submodule first, second;
  Tensor forward(const Tensor& x) { return second(first(x)); }
  Module& slot_holder() override { return first->slot_holder(); }

 protected:
  void fields(nn::FieldList& f) override { f(first, second); }
};

}  // namespace

TEST_CASE("A moving swap hands over slots: identity, mask, pins", "[nn][swap]") {
  Block block(2);
  auto& old = block.fc.as<Affine>();
  const nn::SlotPtr weight = old.weight.slot();
  weight->push(std::make_shared<Mask>(tensor({{1, 0}, {1, 1}})));
  nn::ModulePtr first = block.fc.ptr();
  auto to = nn::make<Affine>(2, 2);
  nn::swap(block.fc, *first, *first, to, nn::Slots::move);
  CHECK(block.fc.ptr() == to);
  CHECK(to->weight.slot() == weight);
  CHECK(to->weight.value().index({0, 1}).item() == 0);
}

TEST_CASE("Hooks move: pre-hooks of the first, hooks of the last; handles still remove them",
          "[nn][swap][hooks]") {
  Block block(2);
  nn::ModulePtr fc = block.fc.ptr(), act = block.act.ptr();
  fc->register_forward_pre_hook([](nn::Module&, std::vector<Value>& a) { a[0] = zeros({1, 2}); });
  const auto handle = act->register_forward_hook(add(5));
  auto to = nn::make<Rectify>();
  nn::swap(block.fc, *fc, *act, to, nn::Slots::baked);
  CHECK((*to)(ones({1, 2})).equal(full({1, 2}, 5.0)));
  handle.remove();
  CHECK((*to)(ones({1, 2})).equal(zeros({1, 2})));
  CHECK(fc->user_hooks() == 0);
}

TEST_CASE("Hooks between modules that become one piece end with a warning", "[nn][swap][hooks]") {
  Block block(2);
  nn::ModulePtr fc = block.fc.ptr(), act = block.act.ptr();
  fc->register_forward_hook(add(1));
  {
    Warnings warnings;
    auto pair = nn::make<Both>(fc, act);
    nn::swap(block.fc, *fc, *act, pair, nn::Slots::inside);
    CHECK(warnings.all.empty());
  }
  // Inside a container nothing ends: pre-hooks of the first move out, its own hooks stay.
  Warnings warnings;
  nn::ModulePtr pair = block.fc.ptr();
  pair->as<Both>().second->register_forward_pre_hook([](nn::Module&, std::vector<Value>&) {});
  nn::swap(block.fc, *pair, *pair, nn::make<Rectify>(), nn::Slots::baked);
  CHECK(warnings.mention("1 hook(s) of 'fc.1' end here: Rectify has no such point"));
}

TEST_CASE("A swap keeps mode and qconfig and drops the library's hooks", "[nn][swap]") {
  Block block(2);
  block.eval();
  nn::ModulePtr fc = block.fc.ptr();
  fc->qconfig = 7;
  fc->set_internal_hook(add(1));
  auto to = nn::make<Rectify>();
  nn::swap(block.fc, *fc, *fc, to, nn::Slots::baked);
  CHECK_FALSE(to->training());
  CHECK(std::any_cast<int>(to->qconfig) == 7);
  CHECK_FALSE(fc->qconfig.has_value());
  CHECK_FALSE(to->has_internal_hook());
}

TEST_CASE("What a user added to a module moves on with it", "[nn][swap]") {
  Block block(2);
  nn::ModulePtr fc = block.fc.ptr(), probe = nn::make<Rectify>();
  fc->add_module("probe", probe);
  auto to = nn::make<Rectify>();
  nn::swap(block.fc, *fc, *fc, to, nn::Slots::baked);
  REQUIRE(to->find_child("probe") != nullptr);
  CHECK(to->find_child("probe")->ptr() == probe);
}
