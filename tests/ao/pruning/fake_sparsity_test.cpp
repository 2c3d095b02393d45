#include "adze/ao/pruning/fake_sparsity.h"

#include <cmath>
#include <limits>

#include "adze/core/autograd.h"

#include "pruning_test_support.h"

using namespace adze;
using namespace adze::ao::pruning;
using adze::test::error_of;
using adze::test::SimpleLinear;
using adze::test::slot_at;

namespace {
std::shared_ptr<FakeSparsity> mask_of(const Tensor& mask) {
  return std::make_shared<FakeSparsity>(mask);
}
}  // namespace

TEST_CASE("A mask of ones lets a layer compute what it computes, a mask of zeros gives zeros",
          "[ao][pruning][upstream]") {
  nn::Linear layer(eye(16));
  const Tensor x = randn({3, 16});
  nn::register_parametrization(layer, "weight", mask_of(ones({16, 16})));
  CHECK(layer(x).allclose(x));
  layer.weight.slot()->drop_parametrizations();
  nn::register_parametrization(layer, "weight", mask_of(zeros({16, 16})));
  CHECK(layer(x).equal(zeros({3, 16})));
}

TEST_CASE("A masked tensor counts as parametrized under the field's names",
          "[ao][pruning][upstream]") {
  SimpleLinear net;
  for (nn::Module* m : {&net.seq->as<nn::Sequential>().at(0), &*net.linear1, &*net.linear2}) {
    CHECK_FALSE(nn::is_parametrized(*m, "weight"));
    nn::register_parametrization(*m, "weight",
                                 mask_of(ones(m->find_parameter("weight")->value().sizes())));
    CHECK(nn::is_parametrized(*m, "weight"));
  }
  const nn::StateDict state = nn::state_dict(net);
  CHECK(state.contains("linear1.parametrizations.weight.original"));
  CHECK(state.contains("linear1.parametrizations.weight.0.mask"));
  CHECK_FALSE(state.contains("linear1.weight"));
}

TEST_CASE("Saving and loading keeps originals and masks", "[ao][pruning][upstream]") {
  SimpleLinear a, b;
  const auto put = [](SimpleLinear& net, const Tensor& mask) {
    nn::register_parametrization(*net.linear1, "weight", mask_of(mask));
  };
  put(a, eye(4));
  put(b, zeros({4, 4}));
  nn::load_state_dict(b, nn::state_dict(a));
  CHECK(nn::is_parametrized(*b.linear1, "weight"));
  nn::Slot &from = slot_at(a, "linear1.weight"), &to = slot_at(b, "linear1.weight");
  CHECK(to.original().equal(from.original()));
  CHECK(to.value().equal(from.value()));
  CHECK(adze::test::zeros_in(to.value()) == 12);
}

TEST_CASE("A mask selects: what is masked is +0, whatever was stored", "[ao][pruning]") {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor x = tensor({-1, std::nan(""), inf, 2});
  const Tensor y = FakeSparsity(tensor({0, 0, 0, 1})).forward(x);
  for (int i = 0; i < 3; ++i) {
    CHECK(y.data<float>()[i] == 0);
    CHECK_FALSE(std::signbit(y.data<float>()[i]));
  }
  CHECK(y[3].item() == 2);
}

TEST_CASE("A mask may be boolean or an integer, and keeps the tensor's dtype", "[ao][pruning]") {
  for (const DType mask_dtype : {boolean, int64, uint8, float64, float32}) {
    const FakeSparsity mask(tensor({1, 0}).to(mask_dtype));
    CHECK(mask.mask().dtype() == float32);
    for (const DType dtype : {float32, float64, float16, bfloat16}) {
      const Tensor y = mask.forward(tensor({3, 4}).to(dtype));
      CHECK(y.dtype() == dtype);
      CHECK(y.to(float32).equal(tensor({3, 0})));
    }
  }
}

TEST_CASE("A mask of anything but zeros and ones, or of another shape, is refused",
          "[ao][pruning][errors]") {
  CHECK(error_of([] {
          FakeSparsity(tensor({0, 0.5}));
        }) == "FakeSparsity: a mask holds zeros and ones, got 0.5");
  CHECK(error_of([] { FakeSparsity{Tensor()}; }) ==
        "FakeSparsity: a mask holds zeros and ones, got no tensor");
  // (4) would broadcast; a mask has the shape of its tensor all the same.
  nn::Slot slot(ones({4, 4}));
  CHECK(error_of([&] { slot.push(mask_of(ones({4}))); }) ==
        "FakeSparsity: mask is (4,), the tensor (4, 4)");
  CHECK_FALSE(slot.is_parametrized());
}

TEST_CASE("Masked elements get no gradient, and keep what is stored", "[ao][pruning][autograd]") {
  Tensor w = tensor({{1, 2}, {3, 4}});
  w.requires_grad_();
  nn::Slot slot(w);
  slot.push(mask_of(eye(2)));
  (slot.value() * 5.0).sum().backward();
  CHECK(w.grad().equal(eye(2) * 5.0));
  CHECK(slot.original().equal(tensor({{1, 2}, {3, 4}})));
}

TEST_CASE("Writing into a mask changes the effective value; the mask stays the same object",
          "[ao][pruning]") {
  nn::Slot slot(ones({2}));
  auto mask = mask_of(ones({2}));
  slot.push(mask);
  const void* id = mask->mask().id();
  CHECK(slot.value().equal(ones({2})));
  mask->mask().copy_(tensor({0, 1}));
  CHECK(slot.value().equal(tensor({0, 1})));
  CHECK(mask->mask().id() == id);
}

TEST_CASE("What is assigned to a masked tensor is stored, and masked when it is read",
          "[ao][pruning]") {
  nn::Slot slot(ones({2}));
  auto mask = mask_of(tensor({0, 1}));
  slot.push(mask);
  slot.assign(tensor({7, 8}));
  CHECK(slot.value().equal(tensor({0, 8})));
  mask->mask().fill_(1);
  CHECK(slot.value().equal(tensor({7, 8})));
}

TEST_CASE("A copy of a mask has contents of its own and the same owner and key", "[ao][pruning]") {
  const FakeSparsity mask(tensor({0, 1}), "me", "fc.weight");
  const auto copy = std::dynamic_pointer_cast<FakeSparsity>(mask.clone());
  REQUIRE(copy);
  CHECK(copy->owner() == "me");
  CHECK(copy->key() == "fc.weight");
  copy->mask().fill_(1);
  CHECK(mask.mask().equal(tensor({0, 1})));
}
