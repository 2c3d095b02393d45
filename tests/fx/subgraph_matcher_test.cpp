#include "adze/fx/subgraph_matcher.h"

#include "adze/fx/subgraph_rewriter.h"
#include "adze/nn/activation.h"
#include "adze/nn/dropout.h"
#include "adze/nn/linear.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using fx::find_matches;
using fx::Graph;
using fx::Match;
using fx::Node;
using test::error_of;

std::string names(const std::vector<Node*>& nodes) {
  std::string text;
  for (const Node* n : nodes) text += (text.empty() ? "" : " ") + (n ? n->name() : "-");
  return text;
}

// The calls of each match: "relu add | relu_1 add_1".
std::string found(const std::vector<Match>& matches) {
  std::string text;
  for (const Match& m : matches) text += (text.empty() ? "" : " | ") + names(m.nodes);
  return text;
}

template <class F, class P>
std::string found_in(F function, P pattern) {
  const auto graph = fx::trace_function(function), wanted = fx::trace_function(pattern);
  return found(find_matches(graph->graph(), wanted->graph()));
}

TEST_CASE("Graphs are matched without modules, and a match tells what stands for what",
          "[fx][rewriter]") {
  Graph pattern;
  Node& p = pattern.placeholder("p");
  Node& q = pattern.placeholder("q");
  Node& unused = pattern.placeholder("unused");
  Node& inner = pattern.call_function(ops::relu, {p});
  Node& outer = pattern.call_function(ops::add, {inner, q});
  pattern.output(outer);
  Graph graph;
  Node& a = graph.placeholder("a");
  Node& r = graph.call_function(ops::relu, {a});
  Node& b = graph.call_function(ops::sigmoid, {a});
  Node& sum = graph.call_function(ops::add, {r, b});
  graph.output(sum);

  const std::vector<Match> matches = find_matches(graph, pattern);
  REQUIRE(matches.size() == 1);
  const Match& m = matches[0];
  CHECK(m.anchor == &sum);
  CHECK(names(m.inputs) == "a sigmoid -");
  CHECK(names(m.outputs) == "add");
  CHECK(names(m.nodes) == "relu add");
  CHECK(m.nodes_map.at(&inner) == &r);
  CHECK(m.nodes_map.at(&q) == &b);
  CHECK_FALSE(m.nodes_map.contains(&unused));
}

TEST_CASE("An input used twice stands for one node", "[fx][rewriter]") {
  const auto twice = [](Tensor x) { return relu(x) + x; };
  const auto f = [](Tensor a, Tensor b) {
    const Tensor same = relu(a) + a;
    return same * (relu(a) + b);
  };
  CHECK(found_in(f, twice) == "relu add");
}

TEST_CASE("Two inputs may stand for one node", "[fx][rewriter]") {
  CHECK(found_in([](Tensor a) { return a * a; }, [](Tensor x, Tensor y) { return x * y; }) ==
        "mul");
}

TEST_CASE("Constants must be the same, of the same kind", "[fx][rewriter]") {
  const auto f = [](Tensor x) {
    const Tensor a = x * 2.0, b = x * 2, c = x * 3.0;
    return a + b - c;
  };
  CHECK(found_in(f, [](Tensor x) { return x * 2.0; }) == "mul");
  CHECK(found_in(f, [](Tensor x) { return x * 2; }) == "mul_1");
  CHECK(found_in(f, [](Tensor x) { return x * 3.0; }) == "mul_2");
  CHECK(found_in(f, [](Tensor x) { return x * 4.0; }).empty());
  CHECK(found_in(f, [](Tensor x, Tensor y) { return x * y; }).empty());
}

TEST_CASE("Lists are matched element by element", "[fx][rewriter]") {
  const auto f = [](Tensor x, Tensor y) {
    const Tensor three = cat({relu(x), y, x}, 0);
    return three + cat({x, y}, 0);
  };
  CHECK(found_in(f, [](Tensor a, Tensor b) { return cat({a, b}, 0); }) == "cat_1");
  CHECK(found_in(f, [](Tensor a, Tensor b) { return cat({relu(a), b, a}, 0); }) == "relu cat");
  CHECK(found_in(f, [](Tensor a, Tensor b) { return cat({a, b}, 1); }).empty());
  CHECK(found_in(f, [](Tensor a) { return cat({a, a}, 0); }).empty());
}

TEST_CASE("Operands are not swapped", "[fx][rewriter]") {
  const auto f = [](Tensor a, Tensor b) { return relu(a) + b; };
  CHECK(found_in(f, [](Tensor x, Tensor y) { return relu(x) + y; }) == "relu add");
  CHECK(found_in(f, [](Tensor x, Tensor y) { return y + relu(x); }).empty());
}

TEST_CASE("What stands inside of a match has no users outside", "[fx][rewriter]") {
  const auto pattern = [](Tensor x) { return sigmoid(relu(x)); };
  CHECK(found_in([](Tensor x) { return sigmoid(relu(x)); }, pattern) == "relu sigmoid");
  const auto used_again = [](Tensor x) {
    const Tensor r = relu(x);
    return sigmoid(r) * r;
  };
  CHECK(found_in(used_again, pattern).empty());
  const auto returned = [](Tensor x) {
    const Tensor r = relu(x);
    return std::tuple(sigmoid(r), r);
  };
  CHECK(found_in(returned, pattern).empty());
  CHECK(found_in(returned, returned) == "relu sigmoid");
}

TEST_CASE("Outputs of a match may be used outside, more than once", "[fx][rewriter]") {
  const auto f = [](Tensor x) {
    const Tensor s = sigmoid(relu(x));
    return s * s + exp(s);
  };
  CHECK(found_in(f, [](Tensor x) { return sigmoid(relu(x)); }) == "relu sigmoid");
}

TEST_CASE("Of overlapping matches the first is taken", "[fx][rewriter]") {
  const auto two = [](Tensor x) { return relu(relu(x)); };
  CHECK(found_in([](Tensor x) { return relu(relu(relu(x))); }, two) == "relu relu_1");
  CHECK(found_in([](Tensor x) { return relu(relu(relu(relu(x)))); }, two) ==
        "relu relu_1 | relu_2 relu_3");
}

TEST_CASE("A match that the filter rejects leaves its nodes to others", "[fx][rewriter]") {
  const auto graph = fx::trace_function([](Tensor x) { return relu(relu(relu(x))); });
  const auto pattern = fx::trace_function([](Tensor x) { return relu(relu(x)); });
  const auto not_first = [](const Match& m) { return !m.inputs[0]->is_placeholder(); };
  CHECK(found(find_matches(*graph, *pattern, {.filter = not_first})) == "relu_1 relu_2");
}

TEST_CASE("An input of a match is not part of it", "[fx][rewriter]") {
  const auto same = [](Tensor x) {
    const Tensor r = relu(x);
    return r + r;
  };
  CHECK(found_in(same, [](Tensor x, Tensor y) { return relu(x) + y; }).empty());
  CHECK(found_in(same, [](Tensor x, Tensor y) { return relu(x) + relu(y); }).empty());
  CHECK(found_in(same, same) == "relu add");
}

TEST_CASE("Two calls of a pattern stand for two calls", "[fx][rewriter]") {
  const auto halves = [](Tensor x, Tensor y) { return std::tuple(relu(x), relu(y)); };
  CHECK(found_in([](Tensor x) { return relu(x); }, halves).empty());
  const auto three = [](Tensor x, Tensor y) {
    const Tensor a = relu(y), b = relu(x);
    return a * b + relu(x * y);
  };
  CHECK(found_in(three, halves) == "relu relu_1");
}

TEST_CASE("The second output of a pattern is looked for until it fits", "[fx][rewriter]") {
  const auto f = [](Tensor x) {
    const Tensor r = relu(x);
    return exp(r + 1.0) + (sigmoid(r + 2.0) + sigmoid(r + 3.0));
  };
  const auto pattern = [](Tensor x) {
    const Tensor r = relu(x);
    return std::tuple(r, sigmoid(r + 3.0));
  };
  const auto graph = fx::trace_function(f), wanted = fx::trace_function(pattern);
  const auto matches = find_matches(graph->graph(), wanted->graph());
  REQUIRE(matches.size() == 1);
  REQUIRE(matches[0].nodes.size() == 3);
  CHECK(matches[0].nodes[1]->arg(1) == fx::Argument(3.0));
  CHECK(matches[0].anchor->calls(ops::relu));
}

TEST_CASE("A match whose input depends on its output is none", "[fx][rewriter]") {
  const auto pattern = [](Tensor x, Tensor y) {
    const Tensor r = relu(x);
    return std::tuple(r, r + y);
  };
  CHECK(found_in([](Tensor a, Tensor b) { return relu(a) + exp(b); }, pattern) == "relu add");
  const auto feeds_itself = [](Tensor a, Tensor) {
    const Tensor r = relu(a);
    return r + exp(r);
  };
  CHECK(found_in(feeds_itself, pattern).empty());
}

struct Net : nn::ModuleOf<Net> {
  nn::Submodule fc{"fc", nn::Linear(4, 4)}, act{"act", nn::ReLU()}, drop{"drop", nn::Dropout(0.1)},
      last{"last", nn::Linear(4, 4)};
  nn::Parameter gain{"gain", ones({4})};
  nn::Buffer shift{"shift", full({4}, 2.0)};
  Tensor forward(const Tensor& x) { return last(drop(act(fc(x)))) * gain + shift; }

 protected:
  void fields(nn::FieldList& f) override { f(fc, act, drop, last, gain, shift); }
};

struct LinearThen : nn::ModuleOf<LinearThen> {
  explicit LinearThen(nn::ModulePtr then) : second("second", std::move(then)) {}
  nn::Submodule first{"first", nn::Linear(1, 7)}, second;
  Tensor forward(const Tensor& x) { return second(first(x)); }

 protected:
  void fields(nn::FieldList& f) override { f(first, second); }
};

TEST_CASE("Modules match modules of the same class", "[fx][rewriter]") {
  const auto net = fx::symbolic_trace(nn::make<Net>());
  const auto relu_pattern = fx::symbolic_trace(nn::make<LinearThen>(nn::make<nn::ReLU>()));
  CHECK(found(find_matches(*net, *relu_pattern)) == "fc act");
  const auto tanh_pattern = fx::symbolic_trace(nn::make<LinearThen>(nn::make<nn::Tanh>()));
  CHECK(find_matches(*net, *tanh_pattern).empty());
}

TEST_CASE("Without modules, module calls match those of the same path", "[fx][rewriter]") {
  const auto net = fx::symbolic_trace(nn::make<Net>());
  Graph pattern;
  Node& x = pattern.placeholder("x");
  pattern.output(pattern.call_module("act", {pattern.call_module("fc", {x})}));
  CHECK(found(find_matches(net->graph(), pattern)) == "fc act");
  Graph other;
  Node& y = other.placeholder("y");
  other.output(other.call_module("act", {other.call_module("last", {y})}));
  CHECK(find_matches(net->graph(), other).empty());
}

struct Scaled : nn::ModuleOf<Scaled> {
  nn::Parameter any{"any", zeros({1})};
  Tensor forward(const Tensor& x) { return x * any; }

 protected:
  void fields(nn::FieldList& f) override { f(any); }
};

TEST_CASE("Parameters match any parameter, buffers those with the same elements",
          "[fx][rewriter]") {
  const auto net = fx::symbolic_trace(nn::make<Net>());
  CHECK(found(find_matches(*net, *fx::symbolic_trace(nn::make<Scaled>()))) == "mul");
  const auto plus = [](Tensor constant) {
    return fx::trace_function([constant](Tensor x) { return x + constant; });
  };
  CHECK(found(find_matches(*net, *plus(full({4}, 2.0)))) == "add");
  CHECK(find_matches(*net, *plus(full({4}, 2.5))).empty());
  CHECK(find_matches(*net, *plus(full({1}, 2.0))).empty());
}

TEST_CASE("A tensor that others read too does not stand in the way", "[fx][rewriter]") {
  const Tensor c = full({2}, 3.0);
  const auto net = fx::trace_function([c](Tensor x) { return relu(x * c) + c; });
  const auto pattern = fx::trace_function([c](Tensor x) { return relu(x * c); });
  CHECK(found(find_matches(*net, *pattern)) == "mul relu");
}

TEST_CASE("Patterns that compute nothing are refused", "[fx][rewriter]") {
  const auto graph = fx::trace_function([](Tensor x) { return relu(x); });
  const auto error = [&](const auto& pattern) {
    return error_of([&] { find_matches(graph->graph(), fx::trace_function(pattern)->graph()); });
  };
  CHECK_THAT(error([](Tensor x) { return x; }),
             ContainsSubstring("returns 'x' without computing anything"));
  CHECK_THAT(error([](Tensor x) { return std::tuple(relu(x), x); }),
             ContainsSubstring("returns 'x' without computing anything"));
  CHECK_THAT(error([](Tensor x) {
               const Tensor r = relu(x);
               return std::tuple(r, r);
             }),
             ContainsSubstring("returns 'relu' twice"));
  CHECK_THAT(error([](Tensor x) { return std::tuple(relu(x), 3); }),
             ContainsSubstring("must return tensors that it computes, it returns 3"));
  CHECK_THAT(error_of([&] { find_matches(graph->graph(), Graph()); }),
             ContainsSubstring("the pattern: the graph has no output"));
  Graph empty;
  empty.output(fx::Argument::List{});
  CHECK_THAT(error_of([&] { find_matches(graph->graph(), empty); }),
             ContainsSubstring("the pattern returns nothing"));
}

}  // namespace
}  // namespace adze
