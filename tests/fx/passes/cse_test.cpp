#include "adze/fx/passes/cse.h"

#include <cmath>

#include "adze/fx/tracer.h"

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

class Repeats : public nn::ModuleOf<Repeats> {
 public:
  nn::Submodule act{"act", test::Rectify()};
  nn::Parameter w{"w", randn({4, 4})};
  Tensor forward(const Tensor& x) {
    const Tensor a = relu(x.matmul(w.value().t())), b = relu(x.matmul(w.value().t()));
    return cat({a, b, a + 1.0, b + 1.0, b + 1}, 1);
  }

 protected:
  void fields(nn::FieldList& f) override { f(act, w); }
};

TEST_CASE("Equal calls share the result of the first, also those of equal calls", "[fx][passes]") {
  const auto net = nn::make<Repeats>();
  const auto gm = fx::symbolic_trace(net);
  const Tensor x = randn({3, 4});
  CHECK(fx::eliminate_common_subexpressions(*gm));
  gm->graph().lint(gm.get());
  // 1 and 1.0 differ: on integers they give other dtypes.
  CHECK(names_of(*gm) == "x w transpose matmul relu add add_2 cat output");
  CHECK((*gm)(x).equal((*net)(x)));
  CHECK_FALSE(fx::eliminate_common_subexpressions(*gm));
}

TEST_CASE("Reads of one tensor are merged", "[fx][passes]") {
  test::Affine root(2, 2);
  fx::Graph graph;
  fx::Node& a = graph.get_attr("weight");
  fx::Node& b = graph.get_attr("weight");
  fx::Node& c = graph.get_attr("bias");
  graph.output(fx::Argument::List{a, b, c, graph.call_function(ops::add, {b, a})});
  fx::GraphModule gm(root, std::move(graph));
  CHECK(fx::eliminate_common_subexpressions(gm));
  CHECK(names_of(gm) == "weight bias add output");
  CHECK(gm.graph().output_node()->arg(0).str() == "[%weight, %weight, %bias, %add]");
}

TEST_CASE("Random ops and calls of modules are never merged", "[fx][passes]") {
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  fx::Node& y = graph.placeholder("x");
  fx::Argument::List results;
  for (int i = 0; i < 2; ++i) {
    results.emplace_back(graph.call_function(ops::native_dropout, {x, 0.5}));
    results.emplace_back(graph.call_module("act", {x}));
  }
  results.emplace_back(y);
  graph.output(results);
  Repeats root;
  fx::GraphModule gm(root, std::move(graph));
  const std::string before = gm.graph().str();
  CHECK_FALSE(fx::eliminate_common_subexpressions(gm));
  CHECK(gm.graph().str() == before);
}

TEST_CASE("Zeros of different signs are different arguments, NaNs are equal ones", "[fx][passes]") {
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  fx::Argument::List results;
  for (const double d : {0.0, -0.0, std::nan(""), std::nan("")})
    results.emplace_back(graph.call_function(ops::div, {x, d}));
  graph.output(results);
  fx::GraphModule gm(std::move(graph));
  CHECK(fx::eliminate_common_subexpressions(gm));
  CHECK(names_of(gm) == "x div div_1 div_2 output");
  const Value::List out = gm.call({ones({1})}).to_list();
  CHECK(out[0].to_tensor().item<float>() == INFINITY);
  CHECK(out[1].to_tensor().item<float>() == -INFINITY);
}

TEST_CASE("Order of arguments and of list elements matters", "[fx][passes]") {
  fx::Graph graph;
  fx::Node& a = graph.placeholder("a");
  fx::Node& b = graph.placeholder("b");
  fx::Node& one = graph.call_function(ops::sub, {a, b});
  fx::Node& two = graph.call_function(ops::sub, {b, a});
  fx::Node& three = graph.call_function(ops::cat, {fx::Argument::List{one, two}, 0});
  fx::Node& four = graph.call_function(ops::cat, {fx::Argument::List{two, one}, 0});
  fx::Node& five = graph.call_function(ops::cat, {fx::Argument::List{one, two}, 0});
  graph.output(fx::Argument::List{three, four, five});
  fx::GraphModule gm(std::move(graph));
  CHECK(fx::eliminate_common_subexpressions(gm));
  CHECK(names_of(gm) == "a b sub sub_1 cat cat_1 output");
}

TEST_CASE("A graph that is none is refused unchanged", "[fx][passes]") {
  fx::Graph graph;
  graph.placeholder("x");
  fx::GraphModule gm(std::move(graph));
  CHECK_THAT(error_of([&] { fx::eliminate_common_subexpressions(gm); }),
             ContainsSubstring("no output"));
}

}  // namespace
}  // namespace adze
