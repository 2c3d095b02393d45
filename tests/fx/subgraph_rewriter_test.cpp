#include "adze/fx/subgraph_rewriter.h"

#include <random>

#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/linear.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using fx::GraphModule;
using fx::Match;
using fx::replace_pattern;
using fx::trace_function;
using test::error_of;

std::string nodes_of(const GraphModule& m) {
  std::string text;
  for (const fx::Node& n : m.graph().nodes()) text += (text.empty() ? "" : " ") + n.name();
  return text;
}

// Both give the same, to the bit, on random inputs of that number.
bool same_results(GraphModule& a, GraphModule& b, std::size_t inputs) {
  std::vector<Value> args;
  for (std::size_t i = 0; i < inputs; ++i) args.emplace_back(randn({3, 4}));
  const Value x = a.call(args), y = b.call(args);
  if (!x.is_list()) return x.to_tensor().equal(y.to_tensor());
  for (std::size_t i = 0; i < x.to_list().size(); ++i)
    if (!x.to_list()[i].to_tensor().equal(y.to_list().at(i).to_tensor())) return false;
  return x.to_list().size() == y.to_list().size();
}

TEST_CASE("trace_function gives the graph of a function", "[fx][rewriter]") {
  const Tensor held = full({4}, 2.0);
  const auto gm = trace_function(
      [held](const Tensor& a, Tensor b, Tensor c, Tensor d) { return relu(a + b) * c - d + held; });
  CHECK(nodes_of(*gm) == "x y z arg3 add relu mul sub _tensor_constant0 add_1 output");
  const Tensor a = randn({4}), b = randn({4}), c = randn({4}), d = randn({4});
  CHECK(gm->call({a, b, c, d}).to_tensor().equal(relu(a + b) * c - d + held));
}

TEST_CASE("trace_function returns tuples and lists, and takes example inputs", "[fx][rewriter]") {
  const auto tuple = trace_function([](Tensor x) { return std::tuple(relu(x), exp(x)); });
  CHECK(tuple->call({ones({2})}).to_list().size() == 2);
  const auto list = trace_function([](Tensor x) { return TensorList{relu(x), x, exp(x)}; });
  CHECK(list->call({ones({2})}).to_list().size() == 3);
  const auto flat = [](Tensor x) { return x.reshape({x.size(0), -1}); };
  CHECK(trace_function(flat, {.example_inputs = {ones({2, 3, 4})}})
            ->call({ones({5, 3, 4})})
            .to_tensor()
            .sizes() == Shape{5, 12});
  CHECK_THAT(error_of([&] { trace_function(flat); }), ContainsSubstring("example inputs"));
}

TEST_CASE("trace_function refuses arguments that are no tensors", "[fx][rewriter]") {
  CHECK_THAT(error_of([] { trace_function([](Tensor x, double f) { return x * f; }); }),
             ContainsSubstring("the argument 'y' of forward is not a tensor"));
}

TEST_CASE("Every match is replaced, and the rest stays", "[fx][rewriter]") {
  const auto net =
      trace_function([](Tensor a, Tensor b) { return relu(relu(a) + b) * relu(a + b) - exp(a); });
  const auto done = replace_pattern(
      *net, [](Tensor x, Tensor y) { return relu(x + y); },
      [](Tensor x, Tensor y) { return sigmoid(y) - x; });
  REQUIRE(done.size() == 2);
  const auto wanted = trace_function(
      [](Tensor a, Tensor b) { return (sigmoid(b) - relu(a)) * (sigmoid(b) - a) - exp(a); });
  CHECK(net->graph().size() == wanted->graph().size());
  CHECK(same_results(*net, *wanted, 2));
  net->graph().lint(net.get());
  for (const fx::ReplacedPattern& r : done) {
    CHECK(r.added.size() == 2);
    REQUIRE(r.outputs.size() == 1);
    CHECK(r.outputs[0] == r.added[1]);
    CHECK(net->graph().find(r.outputs[0]->name()) == r.outputs[0]);
  }
}

TEST_CASE("Matches one behind the other are all replaced", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) { return relu(relu(relu(relu(relu(x))))); });
  const auto done = replace_pattern(
      *net, [](Tensor x) { return relu(relu(x)); }, [](Tensor x) { return exp(x); });
  CHECK(done.size() == 2);
  CHECK(nodes_of(*net) == "x exp exp_1 relu_4 output");
  CHECK(same_results(*net, *trace_function([](Tensor x) { return relu(exp(exp(x))); }), 1));
}

TEST_CASE("What was put in place is not matched again", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) { return relu(x); });
  CHECK(replace_pattern(
            *net, [](Tensor x) { return relu(x); }, [](Tensor x) { return relu(relu(x)); })
            .size() == 1);
  CHECK(nodes_of(*net) == "x relu_1 relu_2 output");
}

TEST_CASE("A replacement may be one of its inputs", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) { return exp(relu(relu(relu(x)))); });
  const auto done = replace_pattern(
      *net, [](Tensor x) { return relu(x); }, [](Tensor x) { return x; });
  CHECK(done.size() == 3);
  CHECK(nodes_of(*net) == "x exp output");
  for (const fx::ReplacedPattern& r : done) {
    CHECK(r.added.empty());
    CHECK(r.outputs[0]->is_placeholder());
  }
  const auto whole = trace_function([](Tensor x) { return relu(relu(x)); });
  replace_pattern(
      *whole, [](Tensor x) { return relu(x); }, [](Tensor x) { return x; });
  CHECK(nodes_of(*whole) == "x output");
}

TEST_CASE("Users of an output outside of the match get the new one", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) {
    const Tensor s = sigmoid(relu(x));
    return std::tuple(s, s * s, exp(s));
  });
  replace_pattern(
      *net, [](Tensor x) { return sigmoid(relu(x)); }, [](Tensor x) { return tanh(x); });
  const auto wanted = trace_function([](Tensor x) {
    const Tensor s = tanh(x);
    return std::tuple(s, s * s, exp(s));
  });
  CHECK(net->graph().size() == wanted->graph().size());
  CHECK(same_results(*net, *wanted, 1));
}

TEST_CASE("Several outputs are replaced at once, steps between them move behind",
          "[fx][rewriter]") {
  // exp(r) uses the first output before the second can be computed.
  const auto net = trace_function([](Tensor a, Tensor b) {
    const Tensor r = relu(a);
    const Tensor early = exp(exp(r));
    const Tensor other = sigmoid(b);
    return std::tuple(r + other, early, r);
  });
  const auto done = replace_pattern(
      *net,
      [](Tensor x, Tensor y) {
        const Tensor r = relu(x);
        return std::tuple(r, r + y);
      },
      [](Tensor x, Tensor y) {
        const Tensor both = x * y;
        return TensorList{both, tanh(both)};
      });
  REQUIRE(done.size() == 1);
  net->graph().lint(net.get());
  const auto wanted = trace_function([](Tensor a, Tensor b) {
    const Tensor both = a * sigmoid(b);
    return std::tuple(tanh(both), exp(exp(both)), both);
  });
  CHECK(same_results(*net, *wanted, 2));
}

TEST_CASE("Results of an op with several are replaced", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) {
    const auto [low, high] = aminmax(relu(x), 1);
    return high - low;
  });
  const auto pattern = [](Tensor x) { return aminmax(x, 1); };
  CHECK(replace_pattern(*net, pattern, [](Tensor x) {
          const auto [low, high] = aminmax(x + x, 1);
          return std::tuple(high, exp(low));
        }).size() == 1);
  const auto wanted = trace_function([](Tensor x) {
    const Tensor r = relu(x);
    const auto [low, high] = aminmax(r + r, 1);
    return exp(low) - high;
  });
  CHECK(same_results(*net, *wanted, 1));
}

TEST_CASE("Matches that depend on each other crosswise: one of them stays", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor a, Tensor b) {
    const Tensor r = relu(a), s = relu(b);
    return std::tuple(r + s, s + r);
  });
  const auto reference = trace_function([](Tensor a, Tensor b) {
    const Tensor r = relu(a), s = relu(b);
    return std::tuple(r + s, s + r);
  });
  const auto step = [](Tensor x, Tensor y) {
    const Tensor r = relu(x);
    return std::tuple(r, r + y);
  };
  const auto coupled = [](Tensor x, Tensor y) {
    const Tensor none = (y - y) * 0.0;
    return std::tuple(relu(x) + none, relu(x) + y);
  };
  CHECK(replace_pattern(*net, step, coupled).size() == 1);
  net->graph().lint(net.get());
  CHECK(same_results(*net, *reference, 2));
}

TEST_CASE("Outputs that nobody uses are reported as gone", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) {
    const Tensor r = relu(x);
    exp(r);
    return r;
  });
  const auto done = replace_pattern(
      *net,
      [](Tensor x) {
        const Tensor r = relu(x);
        return std::tuple(r, exp(r));
      },
      [](Tensor x) { return std::tuple(sigmoid(x), tanh(x)); });
  REQUIRE(done.size() == 1);
  CHECK(done[0].outputs[0]->name() == "sigmoid");
  CHECK(done[0].outputs[1] == nullptr);
  CHECK(done[0].added.size() == 1);
  CHECK(nodes_of(*net) == "x sigmoid output");
}

TEST_CASE("The filter decides what is replaced", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) { return relu(exp(relu(x))); });
  const auto behind_exp = [](const Match& m) { return m.inputs[0]->calls(ops::exp); };
  CHECK(replace_pattern(
            *net, [](Tensor x) { return relu(x); }, [](Tensor x) { return tanh(x); },
            {.filter = behind_exp})
            .size() == 1);
  CHECK(nodes_of(*net) == "x relu exp tanh output");
}

TEST_CASE("Without a match nothing changes", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) {
    exp(x);
    return relu(x);
  });
  const std::string before = net->graph().str();
  const auto version = net->graph().version();
  CHECK(replace_pattern(
            *net, [](Tensor x) { return sigmoid(x); }, [](Tensor x) { return tanh(x); })
            .empty());
  CHECK(net->graph().str() == before);
  CHECK(net->graph().version() == version);
}

// A network of relu, sigmoid and add, each on results that the generator picks.
fx::Graph random_graph(std::mt19937& random, int steps) {
  fx::Graph graph;
  std::vector<fx::Node*> nodes{&graph.placeholder("a"), &graph.placeholder("b")};
  const auto any = [&]() -> fx::Node& {
    const std::size_t recent = std::min<std::size_t>(nodes.size(), 4);
    return *nodes[nodes.size() - 1 - random() % recent];
  };
  for (int i = 0; i < steps; ++i) {
    const auto kind = random() % 4;
    nodes.push_back(kind == 0   ? &graph.call_function(ops::relu, {any()})
                    : kind == 1 ? &graph.call_function(ops::sigmoid, {any()})
                                : &graph.call_function(ops::add, {any(), any()}));
  }
  graph.output(fx::Argument::List{any(), any(), any()});
  return graph;
}

TEST_CASE("Random networks compute the same after replacing patterns by equal ones",
          "[fx][rewriter]") {
  const auto zero = [](const Tensor& t) { return (t - t) * 0.0; };
  const std::vector<std::pair<fx::Pattern, fx::Pattern>> rules{
      {[](Tensor x, Tensor y) { return relu(x) + y; },
       [zero](Tensor x, Tensor y) { return (relu(x) + zero(y)) + y; }},
      {[](Tensor x, Tensor y) {
         const Tensor r = relu(x);
         return std::tuple(r, r + y);
       },
       [zero](Tensor x, Tensor y) {
         const Tensor r = relu(x) + zero(y);
         return std::tuple(r, r + y);
       }},
      {[](Tensor x, Tensor y, Tensor z) {
         const Tensor s = x + y;
         return std::tuple(s, s + z, sigmoid(s));
       },
       [zero](Tensor x, Tensor y, Tensor z) {
         const Tensor s = (x + y) + zero(z);
         return std::tuple(s, s + z, sigmoid(s));
       }},
      {[](Tensor x, Tensor y) { return std::tuple(sigmoid(x), relu(y)); },
       [zero](Tensor x, Tensor y) { return std::tuple(sigmoid(x) + zero(y), relu(y) + zero(x)); }},
      {[](Tensor x) { return relu(relu(x)); }, [](Tensor x) { return relu(x); }},
  };
  std::mt19937 random(7);
  std::vector<std::size_t> replaced(rules.size());
  for (int round = 0; round < 150; ++round) {
    const GraphModule original(random_graph(random, 24));
    GraphModule reference(original), net(original);
    for (std::size_t i = 0; i < rules.size(); ++i) {
      CAPTURE(round, i, net.graph().str());
      replaced[i] += replace_pattern(net, rules[i].first, rules[i].second).size();
      net.graph().lint(&net);
      REQUIRE(same_results(net, reference, 2));
    }
  }
  for (const std::size_t count : replaced) CHECK(count > 0);
}

// ---- modules ------------------------------------------------------------------------------------

nn::ModulePtr two_layers() {
  return nn::make<nn::Sequential>(nn::Linear(4, 4), nn::ReLU(), nn::Linear(4, 4), nn::ReLU(),
                                  nn::Linear(4, 4));
}

TEST_CASE("Modules of a pattern are replaced and leave the network", "[fx][rewriter]") {
  const auto net = fx::symbolic_trace(two_layers());
  const auto pattern = fx::symbolic_trace(nn::make<nn::Sequential>(nn::Linear(1, 1), nn::ReLU()));
  const auto done = replace_pattern(*net, *pattern, [](Tensor x) { return exp(x); });
  CHECK(done.size() == 2);
  CHECK(nodes_of(*net) == "input_1 exp exp_1 _4 output");
  CHECK(nn::find_module(*net, "0") == nullptr);
  CHECK(nn::find_module(*net, "1") == nullptr);
  REQUIRE(nn::find_module(*net, "4") != nullptr);
  const Tensor x = randn({2, 4});
  CHECK((*net)(x).equal((*nn::find_module(*net, "4"))(exp(exp(x)))));
}

TEST_CASE("Modules and tensors of a replacement get free names", "[fx][rewriter]") {
  const auto net = fx::symbolic_trace(two_layers());
  const auto scaled = nn::make<test::Block>(4);  // fc.weight, fc.bias, gain
  const auto replacement = fx::symbolic_trace(scaled);
  CHECK(
      replace_pattern(*net, *fx::symbolic_trace(nn::make<nn::Sequential>(nn::ReLU())), replacement)
          .size() == 2);
  REQUIRE(nn::find_parameter(*net, "gain") != nullptr);
  CHECK(nn::find_parameter(*net, "gain")->slot() == scaled->gain.slot());
  CHECK(nn::find_module(*net, "replacement") == nullptr);
  const Tensor x = randn({2, 4});
  const auto layer = [&](const char* path, const Tensor& t) {
    return (*nn::find_module(*net, path))(t);
  };
  CHECK((*net)(x).equal(layer("4", (*scaled)(layer("2", (*scaled)(layer("0", x)))))));

  const auto last = fx::symbolic_trace(
      nn::make<nn::Sequential>(nn::Sequential(nn::Linear(4, 4)), nn::Tanh(), nn::Linear(4, 4)));
  const nn::ModulePtr third = nn::find_submodule(*last, "2")->ptr();
  const auto only_last = [](const Match& m) { return m.anchor->target() == "4"; };
  CHECK(replace_pattern(*net, *fx::symbolic_trace(nn::make<nn::Sequential>(nn::Linear(1, 1))), last,
                        {.filter = only_last})
            .size() == 1);
  CHECK(nn::find_module(*net, "replacement.2") == third.get());
  CHECK(nn::find_module(*net, "replacement.0.0") != nullptr);  // "0" is a layer
  CHECK(nn::find_module(*net, "1")->type() == "Tanh");         // free
  CHECK(nn::find_module(*net, "4") == nullptr);
  net->graph().lint(net.get());
}

TEST_CASE("Tensors that a replacement holds do not displace those of the network",
          "[fx][rewriter]") {
  const Tensor two = full({4}, 2.0), three = full({4}, 3.0);
  const auto net = trace_function([two](Tensor x) { return relu(x) * two; });
  for (int round = 0; round < 2; ++round)
    replace_pattern(
        *net, [](Tensor x) { return relu(x); }, [three](Tensor x) { return relu(x + three); });
  const auto wanted =
      trace_function([two, three](Tensor x) { return relu(x + three + three) * two; });
  CHECK(nn::find_parameter(*net, "replacement._tensor_constant0") != nullptr);
  CHECK(nn::find_parameter(*net, "replacement_1._tensor_constant0") != nullptr);
  CHECK(same_results(*net, *wanted, 1));
}

TEST_CASE("New nodes count as calls of the module that held the match", "[fx][rewriter]") {
  const auto net = fx::symbolic_trace(nn::make<nn::Sequential>(test::Rectify(), nn::Tanh()));
  const auto done = replace_pattern(
      *net, [](Tensor x) { return relu(x); }, [](Tensor x) { return exp(x); });
  REQUIRE(done.size() == 1);
  CHECK(done[0].added[0]->meta.module_path == "0");
  CHECK(done[0].added[0]->meta.module_type == "Rectify");
}

// ---- errors -------------------------------------------------------------------------------------

TEST_CASE("Patterns and replacements that do not fit are refused and change nothing",
          "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) { return relu(x); });
  const std::string before = net->graph().str();
  const auto error = [&](const fx::Pattern& pattern, const fx::Pattern& replacement) {
    return error_of([&] { replace_pattern(*net, pattern, replacement); });
  };
  const auto one = [](Tensor x) { return relu(x); };
  const auto two = [](Tensor x, Tensor y) { return relu(x) + y; };
  const auto pair = [](Tensor x) { return std::tuple(relu(x), exp(x)); };
  const auto ignores = [](Tensor x, Tensor) { return relu(x); };
  CHECK_THAT(error(one, two), ContainsSubstring("the pattern has 1 inputs, the replacement 2"));
  CHECK_THAT(error(one, pair), ContainsSubstring("the pattern has 1 outputs, the replacement 2"));
  CHECK_THAT(error(ignores, two),
             ContainsSubstring("uses its input 'y', but the pattern does not use 'y'"));
  CHECK_THAT(error([](Tensor x) { return x; }, one),
             ContainsSubstring("returns 'x' without computing anything"));
  CHECK_THAT(error(one, [](Tensor) { return Value(2.0); }),
             ContainsSubstring("the replacement: must return tensors that it computes"));
  CHECK_THAT(error(one, *net), ContainsSubstring("the replacement is the network itself"));
  CHECK_THAT(error_of([&] { fx::Pattern(std::shared_ptr<GraphModule>()); }),
             ContainsSubstring("needs a graph module, got none"));
  CHECK(net->graph().str() == before);
  CHECK(replace_pattern(*net, ignores, ignores).size() == 1);
}

TEST_CASE("Broken graphs are refused before anything changes", "[fx][rewriter]") {
  const auto net = trace_function([](Tensor x) { return relu(x); });
  const std::string before = net->graph().str();
  fx::Graph broken;
  fx::Node& x = broken.placeholder("x");
  broken.output(broken.call_module("missing", {x}));
  GraphModule replacement(broken);
  CHECK_THAT(error_of([&] {
               replace_pattern(
                   *net, [](Tensor t) { return relu(t); }, replacement);
             }),
             ContainsSubstring("calls module 'missing'"));
  CHECK(net->graph().str() == before);
}

}  // namespace
}  // namespace adze
