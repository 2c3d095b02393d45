#include "adze/fx/passes/const_fold.h"

#include "adze/fx/tracer.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using test::error_of;

std::string names_of(const fx::GraphModule& m) {
  std::string text;
  for (const fx::Node& n : m.graph().nodes()) text += (text.empty() ? "" : " ") + n.name();
  return text;
}

std::string members_of(nn::Module& m) {
  std::string text;
  nn::for_each_parameter(m, [&](const std::string& path, nn::Parameter& p) {
    text += (text.empty() ? "" : " ") + nn::join_path(path, p.name());
  });
  return text;
}

class Scaled : public nn::ModuleOf<Scaled> {
 public:
  nn::Buffer mean{"mean", randn({4})}, var{"var", ones({4})};
  nn::Parameter gain{"gain", randn({4})}, w{"w", randn({4, 4})};
  Tensor forward(const Tensor& x) {
    const Tensor scale = (var.value() + 1e-5).sqrt();
    const Tensor y = (x - mean.value() * 2.0) / scale;
    return (y * (gain.value() * 3.0)).matmul(w.value().t()) + scale;
  }

 protected:
  void fields(nn::FieldList& f) override { f(mean, var, gain, w); }
};

TEST_CASE("What depends on buffers only becomes one buffer for each use", "[fx][passes]") {
  const auto net = nn::make<Scaled>();
  const auto gm = fx::symbolic_trace(net);
  const Tensor x = randn({3, 4});
  const Tensor expected = (*net)(x);
  CHECK(fx::fold_constants(*gm));
  gm->graph().lint(gm.get());
  CHECK((*gm)(x).equal(expected));
  CHECK(gm->graph().find_nodes(fx::Opcode::call_function, "sqrt").empty());
  CHECK(gm->graph().find_nodes(fx::Opcode::get_attr, "_folded_0").size() == 1);
  CHECK(members_of(*gm) == "gain w _folded_0 _folded_1");
  CHECK(gm->find_parameter("_folded_0")->is_buffer());
  CHECK_FALSE(fx::fold_constants(*gm));

  // The network it came from has its members still, and does not follow.
  CHECK(members_of(*net) == "mean var gain w");
  CHECK((*net)(x).equal(expected));
}

TEST_CASE("Parameters are folded on demand and take no more gradient", "[fx][passes]") {
  const auto net = nn::make<Scaled>();
  const auto gm = fx::symbolic_trace(net);
  const Tensor x = randn({3, 4}), expected = (*net)(x);
  CHECK(fx::fold_constants(*gm, {.fold_parameters = true}));
  CHECK((*gm)(x).equal(expected));
  CHECK_FALSE((*gm)(x).requires_grad());
  CHECK(members_of(*gm) == "_folded_0 _folded_1 _folded_2 _folded_3");
}

TEST_CASE("Masked tensors stay live, whatever the options", "[fx][passes]") {
  const auto net = nn::make<Scaled>();
  const auto mask = std::make_shared<test::Mask>(ones({4}));
  net->mean.slot()->push(mask);
  net->gain.slot()->push(std::make_shared<test::Mask>(ones({4})));
  const auto gm = fx::symbolic_trace(net);
  CHECK(fx::fold_constants(*gm, {.fold_parameters = true}));
  CHECK(members_of(*gm) == "mean gain _folded_0 _folded_1");
  mask->mask().fill_(0.0);
  const Tensor x = randn({3, 4});
  CHECK((*gm)(x).equal((*net)(x)));
}

class Counting : public nn::ModuleOf<Counting> {
 public:
  nn::Buffer calls{"calls", zeros({1})};
  Tensor forward(const Tensor& x) {
    calls.set(calls.value() + 1.0);
    return x;
  }

 protected:
  void fields(nn::FieldList& f) override { f(calls); }
};

TEST_CASE("Buffers of a module that the graph calls are not folded", "[fx][passes]") {
  class Root : public nn::ModuleOf<Root> {
   public:
    nn::Submodule counter{"counter", Counting()};
    Tensor forward(const Tensor& x) { return x; }

   protected:
    void fields(nn::FieldList& f) override { f(counter); }
  };
  Root root;
  fx::Graph graph;
  fx::Node& y = graph.call_module("counter", {graph.placeholder("x")});
  fx::Node& twice = graph.call_function(ops::mul, {graph.get_attr("counter.calls"), 2.0});
  graph.output(graph.call_function(ops::add, {y, twice}));
  fx::GraphModule gm(root, std::move(graph));
  CHECK_FALSE(fx::fold_constants(gm));
  CHECK(names_of(gm) == "x counter counter_calls mul add output");
  CHECK(gm(zeros({1})).item<float>() == 2.0f);

  fx::Graph reading;
  reading.output(reading.call_function(ops::mul, {reading.get_attr("calls"), 2.0}));
  fx::GraphModule alone(*root.counter, std::move(reading));
  CHECK(fx::fold_constants(alone));
  CHECK(names_of(alone) == "_folded_0 output");
}

TEST_CASE("A tensor that is only read is no constant to fold", "[fx][passes]") {
  Counting root;
  fx::Graph graph;
  graph.output(graph.get_attr("calls"));
  fx::GraphModule gm(root, std::move(graph));
  CHECK_FALSE(fx::fold_constants(gm));
  CHECK(names_of(gm) == "calls output");
}

TEST_CASE("A result that is no tensor is kept; what is taken out of it is folded", "[fx][passes]") {
  class Root : public nn::ModuleOf<Root> {
   public:
    nn::Buffer table{"table", randn({4, 2})};
    Tensor forward(const Tensor& x) { return x; }

   protected:
    void fields(nn::FieldList& f) override { f(table); }
  };
  Root root;
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  fx::Node& table = graph.get_attr("table");
  fx::Node& parts = graph.call_function(ops::chunk, {table, 2, 0});
  fx::Node& first = graph.call_function(ops::getitem, {parts, 0});
  fx::Node& sum = graph.call_function(ops::add, {x, first});
  fx::Node& rows = graph.call_function(ops::size, {table, 0});
  graph.output(fx::Argument::List{sum, rows});
  fx::GraphModule gm(root, std::move(graph));
  const Tensor in = randn({2, 2});
  const Tensor expected = gm.call({in}).to_list()[0].to_tensor();
  CHECK(fx::fold_constants(gm));
  CHECK(names_of(gm) == "x table _folded_0 add size output");
  const Value::List out = gm.call({in}).to_list();
  CHECK(out[0].to_tensor().equal(expected));
  CHECK(out[1].to_int() == 4);
  // The part is a copy: writing the table does not reach it.
  root.table.slot()->write(zeros({4, 2}));
  CHECK(gm.call({in}).to_list()[0].to_tensor().equal(expected));
}

TEST_CASE("Random ops are not folded, and what is in the way of a name is stepped over",
          "[fx][passes]") {
  class Root : public nn::ModuleOf<Root> {
   public:
    nn::Buffer taken{"_folded_0", ones({8})};
    Tensor forward(const Tensor& x) { return x; }

   protected:
    void fields(nn::FieldList& f) override { f(taken); }
  };
  Root root;
  fx::Graph graph;
  fx::Node& noise = graph.call_function(ops::native_dropout, {graph.get_attr("_folded_0"), 0.5});
  fx::Node& read = graph.get_attr("_folded_0");
  fx::Node& sum = graph.call_function(ops::add, {read, read});
  graph.output(fx::Argument::List{graph.call_function(ops::getitem, {noise, 0}), sum});
  fx::GraphModule gm(root, std::move(graph));
  CHECK(fx::fold_constants(gm));
  CHECK(gm.graph().find_nodes(fx::Opcode::call_function, "native_dropout").size() == 1);
  CHECK(members_of(gm) == "_folded_0 _folded_1");
  CHECK(gm.call({}).to_list()[1].to_tensor().equal(full({8}, 2.0)));
}

TEST_CASE("An op that fails is named and nothing is changed", "[fx][passes]") {
  class Root : public nn::ModuleOf<Root> {
   public:
    nn::Buffer a{"a", ones({2})}, b{"b", ones({3})};
    Tensor forward(const Tensor& x) { return x; }

   protected:
    void fields(nn::FieldList& f) override { f(a, b); }
  };
  Root root;
  fx::Graph graph;
  fx::Node& a = graph.get_attr("a");
  fx::Node& good = graph.call_function(ops::neg, {a});
  fx::Node& bad = graph.call_function(ops::add, {a, graph.get_attr("b")});
  graph.output(fx::Argument::List{good, bad});
  fx::GraphModule gm(root, std::move(graph));
  const std::string before = gm.graph().str();
  CHECK_THAT(error_of([&] { fx::fold_constants(gm); }), ContainsSubstring("add"));
  CHECK(gm.graph().str() == before);
  CHECK(members_of(gm) == "a b");
}

}  // namespace
}  // namespace adze
