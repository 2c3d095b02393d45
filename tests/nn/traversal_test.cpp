#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::Affine;
using adze::test::Block;
using adze::test::Mask;

namespace {

class Tied : public nn::ModuleOf<Tied> {
 public:
  Tied() {
    b.as<Affine>().weight.rebind(a.as<Affine>().weight.slot());
    again.set(a.ptr());
  }
  nn::Submodule a{"a", Affine(3, 3)}, b{"b", Affine(3, 3)}, again{"again", Affine(1, 1)};
  Tensor forward(const Tensor& x) { return again(b(a(x))); }

 protected:
  void fields(nn::FieldList& f) override { f(a, b, again); }
};

class Piece : public nn::ModuleOf<Piece, Affine> {
 public:
  Piece() : ModuleOf(2, 2) {}
  bool is_fused_piece() const override { return true; }
};

class Container : public nn::ModuleOf<Container> {
 public:
  nn::Submodule first{"0", Affine(2, 2)};
  Tensor forward(const Tensor& x) { return first(x); }
  Module& slot_holder() override { return *first; }

 protected:
  void fields(nn::FieldList& f) override { f(first); }
};

template <class T>
std::vector<std::string> names(const std::vector<std::pair<std::string, T>>& items) {
  std::vector<std::string> out;
  for (const auto& [name, item] : items) out.push_back(name);
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("Walks list parents first and shared modules once", "[nn][traversal]") {
  Tied net;
  CHECK(names(nn::named_modules(net)) == Names{"", "a", "b"});
  CHECK(names(nn::named_children(net)) == Names{"a", "b", "again"});
  CHECK(names(nn::named_parameters(net)) == Names{"a.weight", "a.bias", "b.bias"});
  CHECK(nn::parameters(net).size() == 3);
  Names positions;
  nn::for_each_child(net, [&](const std::string& path, nn::Submodule&) {
    positions.push_back(path);
    return true;
  });
  CHECK(positions == Names{"a", "b", "again"});
}

TEST_CASE("Parametrized tensors are listed under the field's names", "[nn][traversal]") {
  Block block;
  block.fc.as<Affine>().weight.slot()->push(std::make_shared<Mask>(ones({4, 4})));
  CHECK(names(nn::named_parameters(block)) ==
        Names{"gain", "fc.parametrizations.weight.original", "fc.bias"});
  CHECK(names(nn::named_buffers(block)) == Names{"fc.parametrizations.weight.0.mask"});
}

TEST_CASE("Paths find modules, handles and parameters", "[nn][traversal]") {
  Block block;
  CHECK(nn::find_module(block, "") == &block);
  CHECK(nn::find_module(block, "fc") == block.fc.ptr().get());
  CHECK(nn::find_module(block, "nope") == nullptr);
  CHECK(nn::find_module(block, "fc.0") == nullptr);
  CHECK(nn::find_submodule(block, "act") == &block.act);
  CHECK(nn::find_submodule(block, "act.deeper") == nullptr);
  CHECK(nn::find_parameter(block, "gain") == &block.gain);
  CHECK(nn::find_parameter(block, "fc.weight") == &block.fc.as<Affine>().weight);
  CHECK(nn::find_parameter(block, "fc.scale") == nullptr);
  CHECK(nn::find_parameter(block, "") == nullptr);
  CHECK(nn::fqn_of(block, *block.fc) == "fc");
  CHECK(nn::fqn_of(block, block) == "");
  Block other;
  CHECK_FALSE(nn::fqn_of(block, *other.fc).has_value());
  CHECK(nn::fqn_of(block, *block.fc.as<Affine>().bias.slot()) == "fc.bias");
  CHECK(nn::fqn_of(block, *other.gain.slot()).empty());
}

TEST_CASE("A parameter is found under the names that fusing gives it", "[nn][traversal]") {
  Block block;
  block.fc.set(nn::make<Container>());
  CHECK(nn::find_parameter(block, "fc.0.weight") == nn::find_parameter(block, "fc.weight"));
  CHECK(nn::find_parameter(block, "fc.weight") != nullptr);
  block.fc.set(nn::make<Piece>());
  CHECK(nn::find_parameter(block, "fc.0.weight") == nn::find_parameter(block, "fc.weight"));
  CHECK(nn::find_parameter(block, "fc.0.weight") != nullptr);
  CHECK(nn::find_parameter(block, "fc.1.weight") == nullptr);
}

TEST_CASE("zero_grad clears every gradient", "[nn][traversal][autograd]") {
  Block block;
  block(ones({1, 4})).sum().backward();
  CHECK(block.gain.slot()->original().grad().defined());
  nn::zero_grad(block);
  for (const auto& [name, p] : nn::named_parameters(block)) CHECK_FALSE(p.grad().defined());
}
