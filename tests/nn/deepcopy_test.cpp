#include "adze/nn/deepcopy.h"

#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::Affine;
using adze::test::Block;
using adze::test::Mask;
using adze::test::Rectify;

namespace {

class Siblings : public nn::ModuleOf<Siblings> {
 public:
  nn::Submodule a{"a", Affine(3, 3)}, b{"b", Affine(3, 3)}, c{"c", Affine(3, 3)};
  Tensor forward(const Tensor& x) { return c(b(a(x))); }

 protected:
  void fields(nn::FieldList& f) override { f(a, b, c); }
};

}  // namespace

TEST_CASE("A deepcopy computes the same and shares nothing", "[nn][deepcopy]") {
  auto block = nn::make<Block>(4);
  const Tensor x = randn({2, 4});
  auto copy = nn::deepcopy(block);
  const Tensor before = (*block)(x);
  CHECK((*copy)(x).equal(before));
  for (const auto& slot : nn::parameters(*copy)) slot->write(zeros(slot->original().sizes()));
  CHECK((*block)(x).equal(before));
  CHECK(copy->as<Block>().fc.ptr() != block->fc.ptr());
}

TEST_CASE("Slots, tensors and modules that are tied stay tied in a deepcopy", "[nn][deepcopy]") {
  auto net = nn::make<Siblings>();
  net->b.as<Affine>().weight.rebind(net->a.as<Affine>().weight.slot());  // one slot
  net->b.as<Affine>().bias.slot()->reset(net->a.as<Affine>().bias.slot()->original());
  net->c.set(net->a.ptr());  // one module
  auto copy = nn::deepcopy(net);
  auto& n = copy->as<Siblings>();
  CHECK(n.a.as<Affine>().weight.slot() == n.b.as<Affine>().weight.slot());
  CHECK(n.c.ptr() == n.a.ptr());
  CHECK(n.a.ptr() != net->a.ptr());
  CHECK(n.a.as<Affine>().weight.slot() != net->a.as<Affine>().weight.slot());
}

TEST_CASE("Masks, pinned zeros, gradients and mode travel with a deepcopy", "[nn][deepcopy]") {
  auto block = nn::make<Block>(2);
  auto mask = std::make_shared<Mask>(tensor({{1, 0}, {0, 1}}));
  auto& fc = block->fc.as<Affine>();
  fc.weight.slot()->push(mask);
  fc.bias.slot()->pin_zeros(tensor({0, 1}));
  (*block)(ones({1, 2})).sum().backward();
  block->eval();
  auto copy = nn::deepcopy(block);
  auto& c = copy->as<Block>().fc.as<Affine>();
  CHECK(c.weight.slot()->is_parametrized());
  CHECK(c.weight.value().equal(fc.weight.value()));
  CHECK(c.weight.slot()->original().requires_grad());
  CHECK(c.weight.slot()->original().grad().equal(fc.weight.slot()->original().grad()));
  CHECK_FALSE(copy->training());
  mask->mask().fill_(1);
  CHECK(c.weight.value().index({0, 1}).item() == 0);
  c.bias.slot()->write(ones({2}));
  CHECK(c.bias.value().equal(tensor({0, 1})));
}

TEST_CASE("Hooks are copied, their handles stay with the source", "[nn][deepcopy][hooks]") {
  auto act = nn::make<Rectify>();
  const auto handle = act->register_forward_hook(
      [](nn::Module&, const std::vector<Value>&, Value& out) { out = out.to_tensor() + 1.0; });
  auto copy = nn::deepcopy(act);
  handle.remove();
  CHECK((*act)(ones({1})).item() == 1);
  CHECK((*copy)(ones({1})).item() == 2);
}

TEST_CASE("Children added at run time are copied", "[nn][deepcopy]") {
  auto act = nn::make<Rectify>();
  act->add_module("probe", nn::make<Affine>(2, 2));
  auto copy = nn::deepcopy(act);
  REQUIRE(copy->find_child("probe") != nullptr);
  CHECK(copy->find_child("probe")->ptr() != act->find_child("probe")->ptr());
}
