// How GraphModule runs its steps.
#include "adze/fx/graph_module.h"
#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/linear.h"

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

}  // namespace
}  // namespace adze
