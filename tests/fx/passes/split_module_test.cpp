#include "adze/fx/passes/split_module.h"

#include "adze/fx/interpreter.h"
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

nn::ModulePtr network() {
  return nn::make<nn::Sequential>(nn::Linear(4, 8), nn::ReLU(), test::Block(8), nn::Linear(8, 2));
}

std::string names_of(fx::GraphModule& m) {
  std::string text;
  for (const fx::Node& n : m.graph().nodes()) text += (text.empty() ? "" : " ") + n.name();
  return text;
}

fx::GraphModule& part(fx::GraphModule& m, const char* name) {
  return m.find_child(name)->as<fx::GraphModule>();
}

TEST_CASE("Parts compute together what the network computes, with its tensors", "[fx][passes]") {
  const auto net = network();
  const auto gm = fx::symbolic_trace(net);
  const std::string before = gm->graph().str();
  int calls = 0;
  const auto split = fx::split_module(*gm, [&](const fx::Node&) { return calls++ < 3 ? 0 : 1; });
  CHECK(gm->graph().str() == before);
  CHECK(names_of(*split) == "input_1 submod_0 getitem getitem_1 submod_1 output");
  CHECK(split->class_name() == "Sequential");
  const Tensor x = randn({3, 4});
  CHECK((*split)(x).equal((*net)(x)));

  // Trained as one network: the gradients reach the same slots.
  (*split)(x).sum().backward();
  const Tensor& stored = nn::find_parameter(*net, "2.fc.weight")->slot()->original();
  REQUIRE(stored.grad().defined());
  const Tensor grad = stored.grad().clone();
  nn::zero_grad(*net);
  (*net)(x).sum().backward();
  CHECK(stored.grad().equal(grad));
}

TEST_CASE("Inputs and outputs of a part come in the order of their first use", "[fx][passes]") {
  fx::Graph graph;
  fx::Node& a = graph.placeholder("a");
  fx::Node& b = graph.placeholder("b");
  fx::Node& c = graph.placeholder("c");
  fx::Node& early = graph.call_function(ops::neg, {b}, "early");
  fx::Node& late = graph.call_function(ops::mul, {a, b}, "late");
  fx::Node& sum = graph.call_function(ops::add, {late, c}, "sum");
  fx::Node& all = graph.call_function(ops::sub, {sum, early}, "all");
  graph.output(fx::Argument::List{all, early, c});
  fx::GraphModule gm(std::move(graph));
  const auto split = fx::split_module(
      gm, [](const fx::Node& n) { return n.name() == "early" || n.name() == "late" ? 4 : 7; });
  CHECK(names_of(part(*split, "submod_4")) == "b a early late output");
  CHECK(part(*split, "submod_4").graph().output_node()->arg(0).str() == "[%late, %early]");
  CHECK(names_of(part(*split, "submod_7")) == "late c early sum_1 all_1 output");
  const std::vector<Value> in{randn({2}), randn({2}), randn({2})};
  const Value::List expected = gm.call(in).to_list(), got = split->call(in).to_list();
  REQUIRE(got.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(got[i].to_tensor().equal(expected[i].to_tensor()));
}

TEST_CASE("Parts need not be runs: they are called in an order in which they can run",
          "[fx][passes]") {
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  fx::Node& a = graph.call_function(ops::neg, {x}, "a");
  fx::Node& b = graph.call_function(ops::exp, {x}, "b");
  fx::Node& c = graph.call_function(ops::add, {a, b}, "c");
  graph.output(c);
  fx::GraphModule gm(std::move(graph));
  const auto split =
      fx::split_module(gm, [](const fx::Node& n) { return n.name() == "b" ? 1 : 0; });
  CHECK(names_of(*split) == "x submod_1 submod_0 output");
  const Tensor in = randn({3});
  CHECK((*split)(in).equal(gm(in)));
}

TEST_CASE("Parts that need each other are refused, with the cycle", "[fx][passes]") {
  const auto gm = fx::symbolic_trace(network());
  int calls = 0;
  CHECK_THAT(error_of([&] { fx::split_module(*gm, [&](const fx::Node&) { return calls++ % 3; }); }),
             ContainsSubstring("in a cycle: submod_0 needs submod_"));
  CHECK_THAT(error_of([&] { fx::split_module(*gm, [](const fx::Node&) { return -1; }); }),
             ContainsSubstring("node '_0' is in part -1"));
}

TEST_CASE("A predicate splits into runs of equal answers", "[fx][passes]") {
  const auto net = network();
  net->eval();
  const auto gm = fx::symbolic_trace(net);
  const auto split = fx::split_by(*gm, [](const fx::Node& n) { return n.is_module_call(); });
  CHECK_FALSE(split->training());
  CHECK(names_of(part(*split, "submod_0")) == "input_1 _0 _1 output");
  CHECK(split->find_child("submod_2") != nullptr);
  CHECK(split->find_child("submod_3") == nullptr);
  const Tensor x = randn({3, 4});
  CHECK((*split)(x).equal((*net)(x)));
}

TEST_CASE("Lists and numbers pass between parts; what nobody uses still runs", "[fx][passes]") {
  int runs = 0;
  const auto net = nn::make<nn::Sequential>(nn::ReLU());
  net->find_child("0")->ptr()->register_forward_hook(
      [&](nn::Module&, const std::vector<Value>&, Value&) { ++runs; });
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  fx::Node& parts = graph.call_function(ops::chunk, {x, 2, 0});
  fx::Node& rows = graph.call_function(ops::size, {x, 0});
  graph.call_module("0", {x});
  fx::Node& first = graph.call_function(ops::getitem, {parts, 0});
  fx::Node& sum = graph.call_function(ops::add, {first, rows});
  graph.output(sum);
  fx::GraphModule gm(*net, std::move(graph));
  for (const int layout : {0, 1}) {
    const auto split = fx::split_module(gm, [&](const fx::Node& n) {
      if (n.is_module_call()) return 1;
      return n.calls(ops::chunk) || (layout == 1 && n.calls(ops::size)) ? 0 : 2;
    });
    runs = 0;
    CHECK((*split)(ones({4})).equal(full({2}, 5.0)));
    CHECK(runs == 1);
  }
}

TEST_CASE("Inputs and parameters that are returned as they are, defaults and hooks are kept",
          "[fx][passes]") {
  test::Affine root(2, 2);
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  fx::Node& scale = graph.placeholder("scale", {2.0});
  fx::Node& w = graph.get_attr("weight");
  fx::Node& y = graph.call_function(ops::mul, {w, scale});
  graph.output(fx::Argument::List{x, w, y});
  fx::GraphModule gm(root, std::move(graph));
  gm.notes["who"] = "test";
  int runs = 0;
  gm.register_forward_hook([&](nn::Module&, const std::vector<Value>&, Value&) { ++runs; });
  const auto split = fx::split_module(gm, [](const fx::Node&) { return 0; });
  const Value::List out = split->call({ones({1})}).to_list();
  CHECK(runs == 1);
  CHECK(split->notes.at("who").to_string() == "test");
  CHECK(out[0].to_tensor().equal(ones({1})));
  CHECK(out[1].to_tensor().is_same(root.weight.value()));
  CHECK(out[2].to_tensor().equal(root.weight.value() * 2.0));
}

TEST_CASE("A split network leaves frozen modules in their mode", "[fx][passes]") {
  const auto net = network();
  nn::find_module(*net, "1")->eval();
  const auto gm = fx::symbolic_trace(net);
  gm->Module::train(true);
  nn::find_module(*net, "1")->eval();
  const auto split = fx::split_module(*gm, [](const fx::Node&) { return 0; });
  CHECK(split->training());
  CHECK_FALSE(nn::find_module(*net, "1")->training());
}

}  // namespace
}  // namespace adze
