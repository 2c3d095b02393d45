// How GraphModule runs its steps.
#include "adze/fx/graph_module.h"
#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/linear.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using test::error_of;

// Notes whether a value that was made earlier is still there.
class Watcher : public nn::ModuleOf<Watcher> {
 public:
  std::weak_ptr<TensorImpl>* watched = nullptr;
  std::vector<bool>* gone = nullptr;
  Tensor forward(const Tensor& x) {
    if (gone) gone->push_back(watched->expired());
    if (watched) *watched = x.impl_ptr();
    return x + 1;
  }
};

TEST_CASE("A value is gone once the step that used it last has run", "[fx][plan]") {
  std::weak_ptr<TensorImpl> watched;
  std::vector<bool> gone;
  Watcher watcher;
  watcher.watched = &watched;
  watcher.gone = &gone;
  auto net = nn::make<nn::Sequential>(watcher, nn::ReLU(), watcher, watcher);
  fx::Graph g;
  fx::Node* at = &g.call_function(ops::relu, {g.placeholder("x")});
  for (const char* path : {"0", "1", "2", "3"}) at = &g.call_module(path, {at});
  g.output(at);
  fx::GraphModule gm(*net, std::move(g));
  CHECK(gm(zeros({2})).equal(full({2}, 3)));
  CHECK(gone == std::vector<bool>{true, true, true});
  CHECK(watched.expired());
}

TEST_CASE("A value that is used twice, or returned, is kept", "[fx][plan]") {
  fx::Graph g;
  fx::Node& x = g.placeholder("x");
  fx::Node& a = g.call_function(ops::neg, {x});
  fx::Node& b = g.call_function(ops::relu, {a});
  fx::Node& c = g.call_function(ops::add, {a, a});
  g.output(fx::Argument::List{g.call_function(ops::add, {c, b}), a, x, x});
  fx::GraphModule gm(std::move(g));
  const Tensor in = full({2}, -3);
  for (int i = 0; i < 2; ++i) {
    const TensorList out = gm.call({in}).to_tensor_list();
    REQUIRE(out.size() == 4);
    CHECK(out[0].equal(full({2}, 9)));
    CHECK(out[1].equal(full({2}, 3)));
    CHECK(out[2].is_same(in));
    CHECK(out[3].is_same(in));
  }
  CHECK(in.equal(full({2}, -3)));
}

TEST_CASE("Hooks put on and taken off a module in a graph are obeyed at the next run",
          "[fx][plan]") {
  auto gm = fx::symbolic_trace(nn::make<nn::Sequential>(nn::ReLU()));
  const Tensor x = ones({2});
  CHECK((*gm)(x).equal(x));
  nn::Module& layer = *gm->submodule(*gm->graph().find("_0"));
  auto pre = layer.register_forward_pre_hook(
      [](nn::Module&, std::vector<Value>& args) { args[0] = args[0].to_tensor() * 2; });
  CHECK((*gm)(x).equal(full({2}, 2)));
  layer.set_internal_hook(
      [](nn::Module&, std::span<const Value>, Value& out) { out = out.to_tensor() + 1; });
  CHECK((*gm)(x).equal(full({2}, 3)));
  pre.remove();
  CHECK((*gm)(x).equal(full({2}, 2)));
  layer.drop_internal_hooks();
  CHECK((*gm)(x).equal(x));
  CHECK(x.equal(ones({2})));
}

TEST_CASE("A module with children that never ran before runs first inside a graph", "[fx][plan]") {
  manual_seed(2);
  auto net = nn::make<nn::Sequential>(test::Block(4));
  fx::Graph g;
  g.output(g.call_module("0", {g.placeholder("x")}));
  fx::GraphModule gm(*net, std::move(g));
  const Tensor x = randn({3, 4});
  const Tensor y = gm(x);
  CHECK(y.equal((*net)(x)));
}

TEST_CASE("An error inside a step names the module", "[fx][plan]") {
  auto gm = fx::symbolic_trace(nn::make<nn::Sequential>(nn::ReLU(), nn::Linear(4, 2)));
  CHECK(error_of([&] { (*gm)(ones({3, 5})); }).starts_with("1: "));
  CHECK((*gm)(ones({3, 4})).sizes() == Shape{3, 2});
}

// x * 3, and in one step 3 * neg(x) and relu(3 * x); counts both ways.
class Triple : public nn::ModuleOf<Triple> {
 public:
  int* plain = nullptr;
  int* joined = nullptr;
  bool fails = false;
  Tensor forward(const Tensor& x) {
    ++*plain;
    return x * 3;
  }
  std::optional<Value> fused(const OpBase& op, nn::Fused place, std::span<const Value> args) {
    const OpBase& fitting = place == nn::Fused::before ? static_cast<const OpBase&>(ops::neg)
                                                       : static_cast<const OpBase&>(ops::relu);
    if (&op != &fitting) return std::nullopt;
    check(!fails, "the message of a fused step");
    ++*joined;
    const Tensor x = args[0].to_tensor();
    return place == nn::Fused::before ? -x * 3 : relu(x * 3);
  }
};

// Has a forward of its own, of which the fused step of its base knows nothing.
class Quadruple : public nn::ModuleOf<Quadruple, Triple> {
 public:
  Tensor forward(const Tensor& x) {
    ++*plain;
    return x * 4;
  }
};

struct Counts {
  int plain = 0, joined = 0;

  // before -> M -> after
  template <class M>
  std::shared_ptr<fx::GraphModule> net(const OpBase* before, const OpBase* after,
                                       bool returns_between = false) {
    M layer;
    layer.plain = &plain;
    layer.joined = &joined;
    auto root = nn::make<nn::Sequential>(layer);
    fx::Graph g;
    fx::Node* first = &g.placeholder("x");
    if (before) first = &g.call_function(*before, {*first});
    fx::Node* last = &g.call_module("0", {*first});
    if (after) last = &g.call_function(*after, {*last});
    if (returns_between) {
      g.output(fx::Argument::List{*last, *first});
    } else {
      g.output(*last);
    }
    return nn::make<fx::GraphModule>(*root, std::move(g));
  }
};

TEST_CASE("An op and a module that can do both run in one step", "[fx][plan]") {
  Counts counts;
  const Tensor x = full({2}, -5);
  SECTION("the op before") {
    CHECK((*counts.net<Triple>(&ops::neg, nullptr))(x).equal(full({2}, 15)));
    CHECK(counts.joined == 1);
  }
  SECTION("the op behind") {
    CHECK((*counts.net<Triple>(nullptr, &ops::relu))(x).equal(zeros({2})));
    CHECK(counts.joined == 1);
  }
  SECTION("both: the first") {
    CHECK((*counts.net<Triple>(&ops::neg, &ops::relu))(x).equal(full({2}, 15)));
    CHECK(counts.joined == 1);
  }
  SECTION("other ops") {
    CHECK((*counts.net<Triple>(&ops::relu, &ops::neg))(x).equal(zeros({2})));
    CHECK(counts.joined == 0);
  }
  CHECK(counts.plain + counts.joined == 1);
}

TEST_CASE("What lies between an op and a module is kept for others who use it", "[fx][plan]") {
  Counts counts;
  const auto gm = counts.net<Triple>(&ops::neg, nullptr, /*returns_between=*/true);
  const TensorList out = gm->call({full({2}, -5)}).to_tensor_list();
  CHECK(out[0].equal(full({2}, 15)));
  CHECK(out[1].equal(full({2}, 5)));
  CHECK(counts.joined == 0);
}

TEST_CASE("A module with hooks, or a forward of its own, is called as ever", "[fx][plan]") {
  Counts counts;
  const Tensor x = full({2}, -5);
  CHECK((*counts.net<Quadruple>(&ops::neg, nullptr))(x).equal(full({2}, 20)));
  CHECK(counts.joined == 0);

  const auto gm = counts.net<Triple>(&ops::neg, nullptr);
  int seen = 0;
  auto handle = nn::find_module(*gm, "0")->register_forward_hook(
      [&](nn::Module&, const std::vector<Value>&, Value&) { ++seen; });
  CHECK((*gm)(x).equal(full({2}, 15)));
  CHECK(seen == 1);
  CHECK(counts.joined == 0);
  handle.remove();
  CHECK((*gm)(x).equal(full({2}, 15)));
  CHECK(counts.joined == 1);
}

TEST_CASE("Where a fused step fails, the steps run one by one", "[fx][plan][errors]") {
  Counts counts;
  const auto gm = counts.net<Triple>(&ops::neg, nullptr);
  nn::find_module(*gm, "0")->as<Triple>().fails = true;
  CHECK((*gm)(full({2}, -5)).equal(full({2}, 15)));
  CHECK(counts.plain == 1);
  CHECK(error_of([&] {
          (*gm)(quantize_per_tensor(ones({2}), 0.1, 0, quint8));
        }).starts_with("neg: "));
}

}  // namespace
}  // namespace adze
