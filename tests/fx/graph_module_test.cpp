#include "adze/fx/graph_module.h"

#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using test::error_of;

TEST_CASE("A graph module holds what its graph names, shared with the root", "[fx][graph_module]") {
  test::Block root;
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  graph.output(
      graph.call_function(ops::mul, {graph.call_module("fc", {x}), graph.get_attr("gain")}));
  fx::GraphModule gm(root, graph, "Small");
  CHECK(gm.class_name() == "Small");
  CHECK(gm.find_child("fc")->ptr() == root.fc.ptr());
  CHECK(gm.find_child("act") == nullptr);
  CHECK(gm.find_parameter("gain")->slot() == root.gain.slot());
  const Tensor in = randn({2, 4});
  CHECK(gm(in).equal(root.fc(in) * root.gain.value()));

  graph.find("fc")->set_target("nope");
  CHECK(error_of([&] { fx::GraphModule(root, graph); }) ==
        "GraphModule: node 'fc' calls module 'nope', which Block does not have");
  graph.find("fc")->set_target("fc");
  graph.find("gain")->set_target("pain");
  CHECK(error_of([&] { fx::GraphModule(root, graph); }) ==
        "GraphModule: node 'gain' reads 'pain', which Block does not have");
}

TEST_CASE("A changed graph runs changed, and is checked first", "[fx][graph_module]") {
  const auto gm = fx::symbolic_trace(nn::make<test::Block>());
  const Tensor x = randn({2, 4});
  const Tensor before = (*gm)(x);
  fx::Node& add = *gm->graph().find("add");
  add.set_function(ops::sub);
  CHECK_FALSE((*gm)(x).equal(before));
  add.set_args({add.arg(0)});
  CHECK_THAT(error_of([&] { (*gm)(x); }), ContainsSubstring("sub takes 2 arguments, got 1"));
  CHECK_THAT(error_of([&] { gm->recompile(); }), ContainsSubstring("sub takes 2 arguments"));
  add.insert_arg(1, 0.0);
  CHECK_NOTHROW((*gm)(x));
  CHECK(gm->remove_member("gain"));
  CHECK_FALSE(gm->remove_member("gain"));
  CHECK_THAT(error_of([&] { (*gm)(x); }), ContainsSubstring("reads 'gain'"));
}

TEST_CASE("A module that is swapped is the one that runs", "[fx][graph_module]") {
  const auto gm = fx::symbolic_trace(nn::make<nn::Sequential>(nn::ReLU(), nn::ReLU()));
  const Tensor x = full({2}, -1.0);
  CHECK((*gm)(x).equal(zeros({2})));
  for (nn::Submodule* m : gm->list().modules) m->set(nn::make<nn::Sigmoid>());
  CHECK((*gm)(x).equal(sigmoid(sigmoid(x))));
}

TEST_CASE("Members are added under paths and removed when unused", "[fx][graph_module]") {
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  graph.output(graph.call_module("a.b.act", {x}));
  fx::GraphModule gm(graph);
  gm.add_submodule("a.b.act", nn::make<nn::ReLU>());
  gm.add_submodule("a.c", nn::make<nn::ReLU>());
  gm.add_parameter("a.w", nn::Parameter("w", ones({1})));
  CHECK(error_of([&] { gm.add_submodule("a.w", nn::make<nn::ReLU>()); }) ==
        "Scope: 'w' is a tensor");
  CHECK_THAT(error_of([&] { gm.add_submodule("a.c.d", nn::make<nn::ReLU>()); }),
             ContainsSubstring("'c' on the way is a ReLU"));
  CHECK_THAT(error_of([&] { gm.add_parameter("a.v", nn::Parameter("w", ones({1}))); }),
             ContainsSubstring("'a.v' does not end with 'w'"));
  gm.delete_all_unused_submodules();
  CHECK(nn::find_module(gm, "a.c") == nullptr);
  CHECK(nn::find_parameter(gm, "a.w") == nullptr);
  CHECK(nn::find_module(gm, "a.b.act") != nullptr);
  CHECK(gm(full({1}, -1.0)).equal(zeros({1})));
}

TEST_CASE("A tensor is read beside the module that holds it, in any order", "[fx][graph_module]") {
  test::Block root;
  for (const bool read_first : {false, true}) {
    fx::Graph graph;
    fx::Node& x = graph.placeholder("x");
    fx::Node* w = read_first ? &graph.get_attr("fc.weight") : nullptr;
    fx::Node& y = graph.call_module("fc", {x});
    if (!w) w = &graph.get_attr("fc.weight");
    graph.output(graph.call_function(ops::matmul, {y, *w}));
    fx::GraphModule gm(root, std::move(graph));
    const Tensor in = randn({2, 4});
    CHECK(gm(in).equal(root.fc(in).matmul(nn::find_parameter(root, "fc.weight")->value())));
    CHECK(nn::parameters(gm).size() == 2);
  }
}

TEST_CASE("Copies of graph modules are independent", "[fx][graph_module]") {
  const auto gm = fx::symbolic_trace(nn::make<test::Block>());
  gm->notes["k"] = 1;
  const Tensor x = randn({2, 4});
  const Tensor before = (*gm)(x);
  const auto copy = std::static_pointer_cast<fx::GraphModule>(nn::deepcopy(gm));
  gm->graph().find("add")->set_function(ops::sub);
  gm->find_parameter("gain")->set(zeros({4}));
  CHECK((*copy)(x).equal(before));
  CHECK(copy->notes.at("k").to_int() == 1);
  gm->set_graph(copy->graph());
  CHECK((*gm)(x).equal(x));
}

TEST_CASE("Dead calls go unless their module has hooks", "[fx][graph_module]") {
  test::Block root;
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  graph.call_module("act", {x});
  graph.call_module("fc", {x});
  graph.output(x);
  fx::GraphModule gm(root, graph);
  const auto handle =
      root.act->register_forward_hook([](nn::Module&, const std::vector<Value>&, Value&) {});
  CHECK(gm.eliminate_dead_code());
  CHECK(gm.graph().find("act") != nullptr);
  CHECK(gm.graph().find("fc") == nullptr);
  handle.remove();
  CHECK(gm.eliminate_dead_code());
  CHECK(gm.graph().find("act") == nullptr);
}

TEST_CASE("An error in a graph names the node's place in the network", "[fx][graph_module]") {
  const auto net = nn::make<nn::Sequential>(nn::ReLU(), test::Block());
  const auto gm = fx::symbolic_trace(net);
  CHECK_THAT(error_of([&] { (*gm)(randn({2, 5})); }), ContainsSubstring("1.fc.linear"));
  const fx::Node& relu = *gm->graph().find("_0");
  CHECK(error_of([&] { gm->parameter(relu); }) == "GraphModule: '_0' reads no tensor");
  const fx::Node& gain = *gm->graph().find("_1_gain");
  CHECK(error_of([&] { gm->submodule(gain); }) == "GraphModule: '_1_gain' calls no module");
}

}  // namespace
}  // namespace adze
