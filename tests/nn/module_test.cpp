#include "adze/nn/module.h"

#include <tuple>

#include "adze/core/tensor_impl.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using adze::test::Affine;
using adze::test::Block;
using adze::test::error_of;
using adze::test::Rectify;

namespace {

class Pair : public nn::ModuleOf<Pair> {
 public:
  std::tuple<Tensor, Tensor> forward(const Tensor& a, const Tensor& b) { return {a + b, a - b}; }
};

class Forgetful : public nn::ModuleOf<Forgetful> {
 public:
  nn::Submodule fc{"fc", Affine(2, 2)}, lost{"lost", Rectify()};
  Tensor forward(const Tensor& x) { return lost(fc(x)); }

 protected:
  void fields(nn::FieldList& f) override { f(fc); }
};

class Outer : public nn::ModuleOf<Outer> {
 public:
  nn::Submodule block{"block", Block(4)};
  Tensor forward(const Tensor& x) { return block(x); }

 protected:
  void fields(nn::FieldList& f) override { f(block); }
};

}  // namespace

TEST_CASE("A module knows its type with and without namespaces", "[nn][module]") {
  Block block;
  CHECK(block.type() == "Block");
  CHECK(block.qualified_type() == "adze::test::Block");
}

TEST_CASE("A call runs forward and reaches children and parameters", "[nn][module]") {
  Block block(3);
  block.fc.as<Affine>().weight.set(eye(3));
  block.fc.as<Affine>().bias.set(zeros({3}));
  block.gain.set(tensor({1, 10, 100}));
  CHECK(block(tensor({{1, -1, 2}})).equal(tensor({{2, -1, 202}})));
}

TEST_CASE("Forward may take and return several values", "[nn][module]") {
  Pair pair;
  const Value out = pair.call({tensor({3, 4}), tensor({1, 2})});
  REQUIRE(out.to_list().size() == 2);
  CHECK(out.to_list()[0].to_tensor().equal(tensor({4, 6})));
  CHECK(out.to_list()[1].to_tensor().equal(tensor({2, 2})));
  CHECK(error_of([&] { pair.call({tensor({1})}); }) ==
        "forward takes 2 arguments, got 1; 'y' is missing");
}

TEST_CASE("A child that fields() does not list is named at the first call",
          "[nn][module][errors]") {
  Forgetful net;
  const std::string message = error_of([&] { net(ones({1, 2})); });
  CHECK(message.find("lost: called, but fields() of its module does not list it") == 0);
}

TEST_CASE("An error inside a network starts with the path of the module", "[nn][module][errors]") {
  Outer outer;
  const std::string message = error_of([&] { outer(ones({2, 3})); });
  CHECK(message.find("block.fc: linear: weight expects 4 input features, input has 3") == 0);
}

TEST_CASE("as() gives the concrete type or says what the module is", "[nn][module][errors]") {
  Block block;
  CHECK(&block.fc.as<Affine>() == block.fc.ptr().get());
  CHECK(error_of([&] { block.fc.as<Rectify>(); }) ==
        "module is a adze::test::Affine, not a adze::test::Rectify");
}

TEST_CASE("Replacing a child changes what forward computes", "[nn][module]") {
  Block block(2);
  block.fc.set(nn::make<Rectify>());
  CHECK(block(tensor({{-1, 2}})).equal(tensor({{-1, 4}})));
}

TEST_CASE("Hooks may replace arguments and output, and are removed by their handle",
          "[nn][module][hooks]") {
  Rectify act;
  const auto pre = act.register_forward_pre_hook(
      [](nn::Module&, std::vector<Value>& args) { args[0] = args[0].to_tensor() + 1.0; });
  const auto post =
      act.register_forward_hook([](nn::Module&, const std::vector<Value>& args, Value& out) {
        out = out.to_tensor() * 10.0 + args[0].to_tensor();
      });
  CHECK(act.user_hooks() == 2);
  CHECK(act(tensor({1, -3})).equal(tensor({22, -2})));
  post.remove();
  CHECK(act(tensor({1, -3})).equal(tensor({2, 0})));
  pre.remove();
  CHECK(act.user_hooks() == 0);
  CHECK(act(tensor({1, -3})).equal(tensor({1, 0})));
}

TEST_CASE("Hooks of the library run before those of users", "[nn][module][hooks]") {
  Rectify act;
  std::string order;
  act.register_forward_hook([&](nn::Module&, const std::vector<Value>&, Value&) { order += "u"; });
  act.set_internal_hook([&](nn::Module&, const std::vector<Value>&, Value&) { order += "i"; });
  act.set_internal_hook([&](nn::Module&, const std::vector<Value>&, Value&) { order += "I"; });
  act(ones({1}));
  CHECK(order == "Iu");
  CHECK(act.has_internal_hook());
  act.drop_internal_hooks();
  act(ones({1}));
  CHECK(order == "Iuu");
}

TEST_CASE("A hook may remove itself and add others while the module runs", "[nn][module][hooks]") {
  Rectify act;
  nn::HookHandle self;
  int calls = 0, later = 0;
  self = act.register_forward_hook([&](nn::Module& m, const std::vector<Value>&, Value&) {
    ++calls;
    self.remove();
    m.register_forward_hook([&](nn::Module&, const std::vector<Value>&, Value&) { ++later; });
  });
  act(ones({1}));
  act(ones({1}));
  CHECK(calls == 1);
  CHECK(later == 1);
}

TEST_CASE("train and eval reach every module below", "[nn][module]") {
  Outer outer;
  CHECK(outer.training());
  outer.eval();
  for (const auto& [name, m] : nn::named_modules(outer)) CHECK_FALSE(m->training());
  outer.train();
  for (const auto& [name, m] : nn::named_modules(outer)) CHECK(m->training());
}

TEST_CASE("Children may be added at run time under a free name", "[nn][module][errors]") {
  Block block;
  block.add_module("probe", nn::make<Rectify>());
  CHECK(block.find_child("probe") != nullptr);
  CHECK(error_of([&] { block.add_module("fc", nn::make<Rectify>()); }) ==
        "add_module: Block already has a member 'fc'");
  CHECK(error_of([&] { block.add_module("a.b", nn::make<Rectify>()); }).find("is not a name") !=
        std::string::npos);
  block.remove_module("probe");
  CHECK(block.find_child("probe") == nullptr);
}

TEST_CASE("A network prints as a tree with its parametrizations", "[nn][module][print]") {
  Block block;
  block.gain.slot()->push(std::make_shared<adze::test::Mask>(ones({4})));
  CHECK(nn::to_string(block) ==
        "Block(\n"
        "  (parametrizations.gain): Mask\n"
        "  (fc): Affine()\n"
        "  (act): Rectify()\n"
        ")");
}

namespace {

// Turns calls of one class into a constant, as a tracer turns leaves into nodes.
class Leaves : public nn::CallInterceptor {
 public:
  explicit Leaves(std::string type)
      : type_(std::move(type)), previous_(nn::CallInterceptor::set_active(this)) {}
  ~Leaves() override { nn::CallInterceptor::set_active(previous_); }
  std::optional<Value> call_module(nn::Module& m, std::span<const Value> args) override {
    seen.push_back(m.type());
    if (m.type() != type_) return std::nullopt;
    return Value(args[0].to_tensor());
  }
  std::vector<std::string> seen;

 private:
  std::string type_;
  nn::CallInterceptor* previous_;
};

struct Placeholder : Interceptor {
  Value record(const OpBase&, std::vector<Value> args) override {
    for (Value& a : args)
      if (a.is_tensor() && a.to_tensor().is_symbolic()) return a;
    return {};
  }
};

}  // namespace

TEST_CASE("A call interceptor sees module calls on symbols and may make them leaves",
          "[nn][module][trace]") {
  Placeholder interceptor;
  auto symbol = std::make_shared<Symbol>();
  symbol->interceptor = &interceptor;
  const Tensor x = make_symbolic(symbol, Shape{1, 4});
  Block block(4);
  Leaves leaves("Affine");
  CHECK(block(x).is_symbolic());
  CHECK(leaves.seen == std::vector<std::string>{"Block", "Affine", "Rectify"});
}
