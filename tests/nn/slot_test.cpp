#include "adze/nn/slot.h"

#include "adze/core/autograd.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::Doubled;
using adze::test::error_of;
using adze::test::Mask;

namespace {
Tensor sample() {
  return tensor({{1, -2, 3}, {-4, 5, -6}});
}
Tensor checkers() {
  return tensor({{1, 0, 1}, {0, 1, 0}});
}
}  // namespace

TEST_CASE("A slot without parametrizations gives the stored tensor itself", "[nn][slot]") {
  nn::Slot slot(sample());
  CHECK(slot.value().is_same(slot.original()));
  CHECK_FALSE(slot.is_parametrized());
}

TEST_CASE("A slot evaluates its chain again only after a change", "[nn][slot]") {
  nn::Slot slot(sample());
  auto mask = std::make_shared<Mask>(checkers());
  slot.push(mask);
  const Tensor first = slot.value();
  CHECK(first.equal(tensor({{1, 0, 3}, {0, 5, 0}})));
  CHECK(slot.value().is_same(first));

  mask->mask().copy_(tensor({{0, 1, 1}, {1, 1, 1}}));
  CHECK(slot.value().equal(tensor({{0, -2, 3}, {-4, 5, -6}})));

  slot.original().fill_(7);
  CHECK(slot.value().equal(tensor({{0, 7, 7}, {7, 7, 7}})));
}

TEST_CASE("The version of a slot grows with every change of its value", "[nn][slot]") {
  nn::Slot slot(sample());
  auto mask = std::make_shared<Mask>(checkers());
  std::uint64_t last = slot.version();
  const auto grew = [&] { return std::exchange(last, slot.version()) < slot.version(); };
  slot.push(mask);
  CHECK(grew());
  for (int i = 0; i < 3; ++i) mask->mask().fill_(1);
  CHECK(grew());
  slot.bake(mask.get());
  CHECK(grew());
  slot.write(sample());
  CHECK(grew());
  slot.reset(sample());
  CHECK(grew());
}

TEST_CASE("Gradients pass a mask to the stored tensor and stop at masked elements",
          "[nn][slot][autograd]") {
  Tensor w = sample();
  w.requires_grad_();
  nn::Slot slot(w);
  slot.push(std::make_shared<Mask>(checkers()));
  for (int pass = 1; pass <= 2; ++pass) {  // the cached value serves several passes
    (slot.value() * 3.0).sum().backward();
    CHECK(slot.original().grad().equal(checkers() * (3.0 * pass)));
  }
}

TEST_CASE("A value first read without gradients is evaluated again when they are wanted",
          "[nn][slot][autograd]") {
  Tensor w = sample();
  w.requires_grad_();
  nn::Slot slot(w);
  slot.push(std::make_shared<Mask>(checkers()));
  {
    NoGrad guard;
    CHECK_FALSE(slot.value().requires_grad());
  }
  CHECK(slot.value().requires_grad());
}

TEST_CASE("Baking one of two masks keeps the value and the other mask", "[nn][slot]") {
  nn::Slot slot(sample());
  auto a = std::make_shared<Mask>(checkers(), "a");
  auto b = std::make_shared<Mask>(tensor({{1, 1, 1}, {1, 0, 0}}), "b");
  slot.push(a);
  slot.push(b);
  const Tensor before = slot.value().clone();
  slot.bake(b.get());
  CHECK(slot.value().equal(before));
  REQUIRE(slot.chain().size() == 1);
  CHECK(slot.chain()[0] == a);
  CHECK(slot.original().equal(tensor({{1, -2, 3}, {-4, 0, 0}})));
}

TEST_CASE("Baking a mask behind another parametrization bakes what stands before it",
          "[nn][slot]") {
  nn::Slot slot(sample());
  auto mask = std::make_shared<Mask>(checkers());
  slot.push(std::make_shared<Doubled>());
  slot.push(mask);
  const Tensor before = slot.value().clone();
  slot.bake(mask.get());
  CHECK(slot.chain().empty());
  CHECK(slot.original().equal(before));
}

TEST_CASE("Baking writes a new tensor, so one tied by tensor is not touched", "[nn][slot]") {
  Tensor shared = sample();
  nn::Slot masked(shared), partner(shared);
  masked.push(std::make_shared<Mask>(checkers()));
  masked.bake_all();
  CHECK(partner.value().equal(sample()));
  CHECK(masked.value().equal(tensor({{1, 0, 3}, {0, 5, 0}})));
}

TEST_CASE("Baking keeps requires_grad and the gradient so far", "[nn][slot][autograd]") {
  Tensor w = sample();
  w.requires_grad_();
  nn::Slot slot(w);
  slot.push(std::make_shared<Mask>(checkers()));
  slot.value().sum().backward();
  slot.bake_all();
  CHECK(slot.original().requires_grad());
  CHECK(slot.original().is_leaf());
  CHECK(slot.original().grad().equal(checkers()));
}

TEST_CASE("Dropping parametrizations shows the stored tensor again", "[nn][slot]") {
  nn::Slot slot(sample());
  slot.push(std::make_shared<Mask>(checkers()));
  slot.drop_parametrizations();
  CHECK(slot.value().equal(sample()));
}

TEST_CASE("Assigning goes back through the right inverses", "[nn][slot]") {
  nn::Slot slot(sample());
  slot.push(std::make_shared<Doubled>());
  slot.assign(full({2, 3}, 8.0));
  CHECK(slot.original().equal(full({2, 3}, 4.0)));
  CHECK(slot.value().equal(full({2, 3}, 8.0)));
}

namespace {
class NoInverse : public Doubled {
 public:
  std::optional<Tensor> right_inverse(const Tensor&) const override { return std::nullopt; }
  std::string type() const override { return "NoInverse"; }
};
class Widen : public Doubled {
 public:
  Tensor forward(const Tensor& x) const override { return cat({x, x}, 1); }
  std::string type() const override { return "Widen"; }
};
class ToDouble : public Doubled {
 public:
  Tensor forward(const Tensor& x) const override { return x.to(float64); }
  std::string type() const override { return "ToDouble"; }
};
}  // namespace

TEST_CASE("A slot refuses what it cannot do and stays as it was", "[nn][slot][errors]") {
  nn::Slot slot(sample());
  CHECK(error_of([&] { slot.push(std::make_shared<Widen>()); }) ==
        "parametrization Widen: it may not change the shape of the tensor, (2, 3) became (2, 6)");
  CHECK(error_of([&] { slot.push(std::make_shared<ToDouble>()); }) ==
        "parametrization ToDouble: it may not change the dtype of the tensor, float32 became "
        "float64");
  CHECK(slot.chain().empty());
  CHECK(error_of([&] {
          slot.write(ones({3, 2}));
        }) == "write: the parameter is (2, 3), the value (3, 2)");
  slot.push(std::make_shared<NoInverse>());
  CHECK(error_of([&] { slot.assign(sample()); }).find("does not implement right_inverse") !=
        std::string::npos);
  CHECK(error_of([&] { slot.reset(ones({1})); }).find("keeps its shape (2, 3)") !=
        std::string::npos);
  CHECK(slot.original().equal(sample()));
}

TEST_CASE("Pinned zeros survive every kind of write", "[nn][slot]") {
  nn::Slot slot(sample());
  slot.pin_zeros(checkers());
  CHECK(slot.value().equal(tensor({{1, 0, 3}, {0, 5, 0}})));
  CHECK_FALSE(slot.is_parametrized());
  slot.write(ones({2, 3}));
  CHECK(slot.value().equal(checkers()));
  slot.assign(full({2, 3}, 2.0));
  CHECK(slot.value().equal(checkers() * 2.0));
  slot.reset(full({2, 3}, 3.0));
  CHECK(slot.value().equal(checkers() * 3.0));
  slot.original().fill_(4);
  slot.constrain();
  CHECK(slot.value().equal(checkers() * 4.0));

  slot.pin_zeros(tensor({{0, 1, 1}, {1, 1, 1}}));
  slot.write(ones({2, 3}));
  CHECK(slot.value().equal(tensor({{0, 0, 1}, {0, 1, 0}})));
}

TEST_CASE("A clone of a slot is independent and counted", "[nn][slot]") {
  nn::Slot slot(sample());
  auto plain = slot.clone(slot.original().clone());
  CHECK(slot.copies() == 0);
  auto mask = std::make_shared<Mask>(checkers());
  slot.push(mask);
  slot.sparse_params["sparse_block_shape"] = Shape{1, 4};
  auto copy = slot.clone(slot.original().clone());
  CHECK(slot.copies() == 1);
  mask->mask().fill_(0);
  CHECK(copy->value().equal(tensor({{1, 0, 3}, {0, 5, 0}})));
  CHECK(copy->sparse_params.at("sparse_block_shape").to_shape() == Shape{1, 4});
  CHECK(plain->chain().empty());
}
