#include "adze/fx/graph.h"

#include <cmath>
#include <random>

#include "adze/core/ops.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using fx::Argument;
using fx::Graph;
using fx::Node;
using test::error_of;

std::string names_of(const Graph& g) {
  std::string text;
  for (const Node& n : g.nodes()) text += (text.empty() ? "" : " ") + n.name();
  return text;
}

// x -> relu -> neg -> output, with a parameter and a module on the way.
Graph sample() {
  Graph g;
  Node& x = g.placeholder("x");
  Node& s = g.placeholder("scale", {2.5});
  Node& w = g.get_attr("fc.weight");
  Node& y = g.call_module("fc", {x});
  y.meta.module_path = "block";
  y.meta.module_type = "Block";
  Node& z = g.call_function(ops::mul, {y, s});
  Node& c = g.call_function(ops::cat, {Argument::List{z, w}, 0});
  g.output(Argument::List{c, Argument::List{x, 1, Argument()}});
  return g;
}

// Users as they follow from the arguments.
void check_users(Graph& g) {
  std::map<const Node*, std::set<const Node*>> expected;
  for (const Node& n : g.nodes())
    for (const Node* input : n.all_input_nodes()) expected[input].insert(&n);
  for (const Node& n : g.nodes()) {
    const std::set<const Node*> users(n.users().begin(), n.users().end());
    if (users.size() != n.users().size() || users != expected[&n]) {
      CAPTURE(n.name(), g.str());
      CHECK(users.size() == n.users().size());
      CHECK(users == expected[&n]);
    }
  }
}

// ---- names --------------------------------------------------------------------------------------

TEST_CASE("Nodes get the names that the field gives them", "[fx][graph]") {
  Graph g;
  const std::vector<std::pair<const char*, const char*>> rows{{"x", "x"},
                                                              {"x", "x_1"},
                                                              {"x_1", "x_2"},
                                                              {"x_1", "x_3"},
                                                              {"max", "max_1"},
                                                              {"input", "input_1"},
                                                              {"0", "_0"},
                                                              {"0", "_1"},
                                                              {"foo.bar", "foo_bar"},
                                                              {"_a", "_a"},
                                                              {"1_2", "_1_2"},
                                                              {"self", "self"},
                                                              {"forward", "forward"},
                                                              {"torch", "torch_1"},
                                                              {"inf", "inf_1"},
                                                              {"nan", "nan_1"},
                                                              {"None", "none"},
                                                              {"lambda", "lambda_1"},
                                                              {"print", "print_1"},
                                                              {"linear1", "linear1"},
                                                              {"linear", "linear"},
                                                              {"linear", "linear_1"},
                                                              {"linear_2", "linear_2"},
                                                              {"relu_", "relu_"},
                                                              {"conv-1", "conv_1"},
                                                              {"X", "x_4"},
                                                              {"camelCase", "camel_case"},
                                                              {"ReLU", "re_lu"},
                                                              {"device", "device_1"}};
  for (const auto& [given, expected] : rows) {
    CAPTURE(given);
    CHECK(g.placeholder(given).name() == expected);
  }
}

TEST_CASE("Names of paths, ops and odd texts are identifiers", "[fx][graph]") {
  Graph g;
  Node& x = g.placeholder("x");
  CHECK(g.call_module("seq.0", {x}).name() == "seq_0");
  CHECK(g.call_module("seq.0", {x}).name() == "seq_1");
  CHECK(g.get_attr("a.b").name() == "a_b");
  CHECK(g.get_attr("a.b", "mine").name() == "mine");
  CHECK(g.call_function(ops::quantized::add, {x, x, 1.0, 0}).name() == "add");
  CHECK(g.call_function(ops::add, {x, x}).name() == "add_1");
  CHECK(g.call_function(ops::max, {x}).name() == "max_1");
  CHECK(g.placeholder("").name() == "_unnamed");
  CHECK(g.placeholder("\xff\xfe").name() == "_");
  CHECK(g.placeholder("a_99999999999999999999").name() == "a_99999999999999999999");
  CHECK(g.placeholder("a_99999999999999999999").name() == "a_99999999999999999999_1");
}

TEST_CASE("Names of erased nodes stay taken, but for copies", "[fx][graph]") {
  Graph g;
  Node& x = g.placeholder("x");
  g.erase_node(g.call_function(ops::relu, {x}));
  Graph copy = g;
  CHECK(g.call_function(ops::relu, {g.nodes().front()}).name() == "relu_1");
  CHECK(copy.call_function(ops::relu, {copy.nodes().front()}).name() == "relu");
}

// ---- changes ------------------------------------------------------------------------------------

TEST_CASE("Nodes are put at the insert point, which nests", "[fx][graph]") {
  Graph g;
  Node& x = g.placeholder("x");
  Node& out = g.output(x);
  {
    const auto before = g.inserting_before(out);
    g.call_function(ops::relu, {x}, "a");
    {
      const auto after = g.inserting_after(x);
      g.call_function(ops::relu, {x}, "b");
      g.call_function(ops::relu, {x}, "c");
    }
    g.call_function(ops::relu, {x}, "d");
  }
  CHECK(names_of(g) == "x b c a d output");
  g.call_function(ops::relu, {x}, "e");
  CHECK(names_of(g) == "x b c a d output e");
}

TEST_CASE("Insert points outlive the node at which they stand", "[fx][graph]") {
  Graph g;
  Node& x = g.placeholder("x");
  Node& a = g.call_function(ops::relu, {x}, "a");
  Node& b = g.call_function(ops::relu, {x}, "b");
  {
    const auto outer = g.inserting_before(a);
    {
      const auto inner = g.inserting_before(b);
      g.erase_node(a);
      g.call_function(ops::relu, {x}, "c");
    }
    g.call_function(ops::relu, {x}, "d");
    g = Graph();
    g.placeholder("y");
  }
  g.placeholder("z");
  CHECK(names_of(g) == "y z");
}

TEST_CASE("A node with users cannot be erased, nor one of another graph", "[fx][graph]") {
  Graph g, other;
  Node& x = g.placeholder("x");
  Node& a = g.call_function(ops::relu, {x}, "a");
  g.call_function(ops::relu, {x}, "b");
  CHECK(error_of([&] { g.erase_node(x); }) ==
        "fx: node 'x' cannot be erased, it still has 2 user(s): 'a', 'b'");
  CHECK(error_of([&] { other.erase_node(a); }) == "fx: 'a' is of another graph");
  CHECK(names_of(g) == "x a b");
  g.erase_node(a);
  CHECK(names_of(g) == "x b");
  CHECK(x.users().size() == 1);
}

TEST_CASE("Nodes of another graph are no arguments, and paths are not empty", "[fx][graph]") {
  Graph g, other;
  Node& far = other.placeholder("far");
  CHECK(error_of([&] { g.call_function(ops::relu, {far}); }) ==
        "fx: 'far', an argument of 'relu', is a node of another graph");
  CHECK(error_of([&] { g.output(Argument::List{far}); }) ==
        "fx: 'far', an argument of 'output', is a node of another graph");
  CHECK(error_of([&] { g.get_attr(""); }) == "fx: get_attr needs the path of a parameter");
  CHECK(error_of([&] { g.call_module("", {}); }) == "fx: call_module needs the path of a module");
  CHECK(g.size() == 0);
  CHECK(far.users().empty());
}

TEST_CASE("Dead code goes, whole chains of it, unless it is impure", "[fx][graph]") {
  Graph g;
  Node& x = g.placeholder("x");
  g.placeholder("unused");
  Node& a = g.call_function(ops::relu, {x}, "a");
  Node& b = g.call_function(ops::neg, {a}, "b");
  g.call_function(ops::exp, {b}, "c");
  g.call_module("log", {a}, "log");
  g.output(x);
  CHECK(g.eliminate_dead_code([](const Node& n) { return n.is_module_call(); }));
  CHECK(names_of(g) == "x unused a log output");
  CHECK(g.eliminate_dead_code());
  CHECK(names_of(g) == "x unused output");
  CHECK_FALSE(g.eliminate_dead_code());
}

TEST_CASE("Users stay right and graphs valid under random edits", "[fx][graph]") {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    CAPTURE(seed);
    std::mt19937 rng(seed);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(rng() % n); };
    Graph g;
    g.placeholder("x");
    g.output(g.nodes().front());
    for (int step = 0; step < 300; ++step) {
      const std::vector<Node*> all = g.node_list();
      const std::size_t at = 1 + below(all.size() - 1);  // not the input
      Node& node = *all[at];
      const auto earlier = [&] { return Argument(*all[below(at)]); };
      const std::size_t kind = below(6);
      if (kind <= 1) {
        const auto point = g.inserting_before(node);
        if (kind == 0)
          g.call_function(ops::add, {earlier(), earlier()});
        else
          g.call_function(ops::cat, {Argument::List{earlier(), earlier(), 1}, 0});
      } else if (kind == 2) {
        Argument list(Argument::List{earlier(), Argument::List{earlier()}});
        node.update_arg(0, below(2) ? earlier() : list);
      } else if (kind == 3 && !node.is_output()) {
        node.replace_all_uses_with(*all[below(at)]);
        g.erase_node(node);
      } else if (kind == 4 && !node.is_output()) {
        if (node.users().empty()) g.output_node()->prepend(node);
      } else if (step % 50 == 0) {
        g.eliminate_dead_code();
      }
      g.lint();
      check_users(g);
    }
    Graph copy = g;
    CHECK(copy.str() == g.str());
    CHECK(Graph::from_text(g.to_text()).str() == g.str());
  }
}

// ---- copies -------------------------------------------------------------------------------------

TEST_CASE("A copy of a graph has nodes of its own", "[fx][graph]") {
  Graph g = sample();
  g.find("mul")->meta.tensor = fx::TensorMetadata{Shape{2}, float64, true, nullptr};
  g.find("mul")->meta.custom["seen"] = 7;
  Graph copy = g;
  CHECK(copy.str() == g.str());
  copy.lint();
  check_users(copy);
  const Node& mul = *copy.find("mul");
  CHECK(&mul.graph() == &copy);
  CHECK(mul.meta.tensor->dtype == float64);
  CHECK(std::any_cast<int>(mul.meta.custom.at("seen")) == 7);
  CHECK(copy.find("fc")->meta.module_path == "block");
  copy.find("cat")->update_arg(1, 1);
  CHECK(g.find("cat")->arg(1).str() == "0");
  copy = copy;
  CHECK(copy.size() == g.size());
}

TEST_CASE("A graph that is moved keeps its nodes; the other is empty and can be used",
          "[fx][graph]") {
  Graph g = sample();
  const std::string text = g.str();
  Node* mul = g.find("mul");
  Graph moved = std::move(g);
  CHECK(moved.find("mul") == mul);
  CHECK(&mul->graph() == &moved);
  CHECK(moved.str() == text);
  CHECK(g.size() == 0);
  CHECK(g.placeholder("x").name() == "x");
  const std::uint64_t before = g.version();
  g = std::move(moved);
  CHECK(g.version() > before);
  CHECK(g.str() == text);
  CHECK(&mul->graph() == &g);
  g.call_function(ops::relu, {*mul});
  CHECK(g.nodes().back().name() == "relu");
}

TEST_CASE("A graph on its way to another order can be copied", "[fx][graph]") {
  Graph g = sample();
  g.find("cat")->append(*g.find("mul"));
  Graph copy = g;
  CHECK(copy.str() == g.str());
  CHECK(error_of([&] { copy.lint(); }) != "");
}

TEST_CASE("A graph is copied into another at its insert point", "[fx][graph]") {
  Graph inner;
  Node& a = inner.placeholder("a");
  inner.output(inner.call_function(ops::relu, {inner.call_function(ops::neg, {a})}));
  Graph g;
  Node& x = g.placeholder("x");
  Node& out = g.output(x);
  std::unordered_map<const Node*, Node*> map{{&a, &x}};
  {
    const auto at = g.inserting_before(out);
    out.update_arg(0, g.graph_copy(inner, map));
  }
  g.lint();
  CHECK(names_of(g) == "x neg relu output");
  CHECK(out.arg(0).node() == map.at(inner.find("relu")));

  inner.find("neg")->prepend(*inner.find("relu"));
  map = {{&a, &x}};
  CHECK(error_of([&] { g.graph_copy(inner, map); }) ==
        "fx: graph_copy: 'neg' is used before it is made, and nothing stands for it");
}

// ---- lint ---------------------------------------------------------------------------------------

TEST_CASE("Lint names the first fault of a graph", "[fx][graph]") {
  test::Block root;
  Graph g;
  Node& x = g.placeholder("x");
  Node& y = g.call_module("fc", {x});
  Node& z = g.call_function(ops::add, {y, g.get_attr("gain")});
  CHECK(error_of([&] { g.lint(); }) == "fx: the graph has no output");
  Node& out = g.output(z);
  g.lint(&root);

  z.append(y);
  CHECK_THAT(error_of([&] { g.lint(); }),
             ContainsSubstring("argument 'fc' of node 'add' is used before it is made") &&
                 ContainsSubstring("graph():"));
  x.append(y);
  g.lint(&root);

  z.set_args({y});
  CHECK(error_of([&] { g.lint(); }) == "fx: node 'add': add takes 2 arguments, got 1");
  z.set_args({y, *g.find("gain")});

  out.set_args({});
  CHECK(error_of([&] { g.lint(); }) == "fx: the output takes 1 argument, got 0");
  out.set_args({z});

  Node& late = g.call_function(ops::relu, {z});
  CHECK(error_of([&] { g.lint(); }) == "fx: node 'relu' stands behind the output");
  g.erase_node(late);
  Node& second = g.output(z);
  CHECK(error_of([&] { g.lint(); }) == "fx: node 'output_1' stands behind the output");
  g.erase_node(second);

  x.set_args({1, true});
  g.lint();
  {
    const auto at = g.inserting_after(x);
    Node& odd = g.placeholder("odd", {x});
    CHECK(error_of([&] { g.lint(); }) ==
          "fx: the default of placeholder 'odd' is no constant but "
          "%x");
    g.erase_node(odd);
  }

  y.set_target("fc2");
  g.lint();
  CHECK(error_of([&] { g.lint(&root); }) ==
        "fx: node 'fc' calls module 'fc2', which Block does not have");
  y.set_target("fc");
  g.find("gain")->set_target("fc.gain");
  CHECK(error_of([&] { g.lint(&root); }) ==
        "fx: node 'gain' reads 'fc.gain', which Block does not have");
}

// ---- text ---------------------------------------------------------------------------------------

TEST_CASE("A graph is printed with a line for each node, and as a table", "[fx][graph]") {
  Graph g;
  Node& x = g.placeholder("x");
  g.output(g.call_function(ops::relu, {x}));
  CHECK(g.str() ==
        "graph():\n"
        "    %x : [num_users=1] = placeholder[target=x]\n"
        "    %relu : [num_users=1] = call_function[target=relu](args = (%x,))\n"
        "    return %relu");
  CHECK(g.tabular() ==
        "opcode         name    target  args\n"
        "-------------  ------  ------  ----\n"
        "placeholder    x       x       ()\n"
        "call_function  relu    relu    (%x,)\n"
        "output         output  output  (%relu,)\n");
  CHECK(Graph().str() == "graph():");
}

TEST_CASE("Lookups find nodes by name, kind and target", "[fx][graph]") {
  Graph g = sample();
  CHECK(g.find("nope") == nullptr);
  CHECK(g.placeholders().size() == 2);
  CHECK(g.find_nodes(fx::Opcode::call_function).size() == 2);
  CHECK(g.find_nodes(fx::Opcode::call_function, "cat").front() == g.find("cat"));
  CHECK(g.output_node()->is_output());
  CHECK(Graph().output_node() == nullptr);
}

TEST_CASE("Graphs come back from text with every kind of constant", "[fx][graph]") {
  Graph g = sample();
  Node& x = *g.find("x");
  {
    const auto at = g.inserting_before(*g.output_node());
    g.call_function(ops::to, {x, qint8});
    g.call_function(ops::reshape, {x, Shape{-1, 0, INT64_MAX}});
    for (const double d : {0.0, -0.0, 0.1, 1e300, -double{INFINITY}, std::nan(""), 5e-324, 3.0})
      g.call_function(ops::add, {x, d});
    for (const std::int64_t i : {INT64_MIN, INT64_MAX}) g.call_function(ops::add, {x, i});
    g.call_function(ops::add, {x, true});
    g.call_function(ops::add, {x, "a \"quoted\"\ntext"});
    g.call_function(ops::add, {x, Value(Value::List{1, Value(), Value::List{2.5, Shape{}}})});
    g.call_function(ops::add, {x, Argument()});
  }
  const Graph back = Graph::from_text(g.to_text());
  CHECK(back.str() == g.str());
  CHECK(back.to_text() == g.to_text());
  auto a = g.nodes().begin();
  for (const Node& b : back.nodes()) {
    CHECK(b.meta.module_path == a->meta.module_path);
    for (std::size_t i = 0; i < b.args().size(); ++i)
      if (b.arg(i).is_constant()) CHECK(b.arg(i) == a->arg(i));
    ++a;
  }
}

TEST_CASE("Text that is no graph is refused with the fault", "[fx][graph]") {
  const auto refused = [](const std::string& text) {
    return error_of([&] { Graph::from_text(text); });
  };
  const std::string in = R"({"op":"placeholder","name":"x","target":"x","args":[]})";
  const auto with = [&](const std::string& more) { return "[" + in + "," + more + "]"; };
  CHECK_THAT(refused(""), ContainsSubstring("not a list of nodes"));
  CHECK_THAT(refused("{}"), ContainsSubstring("not a list of nodes"));
  CHECK_THAT(refused("[1]"), ContainsSubstring("a node is no object"));
  CHECK_THAT(refused(R"([{"name":"x"}])"), ContainsSubstring("a node without op"));
  CHECK_THAT(refused(R"([{"op":"output","name":"o","target":"o"}])"),
             ContainsSubstring("node 'o' has no list of arguments"));
  CHECK_THAT(refused("[" + in + "]"), ContainsSubstring("no output"));
  CHECK_THAT(refused(with(in)), ContainsSubstring("the name 'x' is taken"));
  const auto call = [&](const std::string& op, const std::string& args) {
    return with(R"({"op":"call_function","name":"f","target":")" + op + R"(","args":)" + args +
                "}");
  };
  CHECK_THAT(refused(call("nothing", "[]")), ContainsSubstring("calls the op 'nothing', which"));
  CHECK_THAT(refused(call("relu", R"([{"node":"y"}])")),
             ContainsSubstring("node 'y' is used before it is made"));
  CHECK_THAT(refused(call("relu", R"([{"node":"f"}])")), ContainsSubstring("before it is made"));
  CHECK_THAT(refused(call("relu", R"([{"node":3}])")), ContainsSubstring("no text"));
  CHECK_THAT(refused(call("relu", R"([{"dtype":"int3"}])")),
             ContainsSubstring("there is no dtype 'int3'"));
  CHECK_THAT(refused(call("relu", R"([{"shape":[1.5]}])")), ContainsSubstring("integers"));
  CHECK_THAT(refused(call("relu", R"([{"shape":[18446744073709551615]}])")),
             ContainsSubstring("18446744073709551615 is too large"));
  CHECK_THAT(refused(call("relu", "[9223372036854775808]")), ContainsSubstring("too large"));
  CHECK_THAT(refused(call("relu", R"([{"what":1}])")), ContainsSubstring("of kind 'what'"));
  CHECK_THAT(refused(call("relu", R"([{"double":"1"}])")), ContainsSubstring("kind 'double'"));
  CHECK_THAT(refused(call("relu", "[{}]")), ContainsSubstring("not one kind"));
  CHECK_THAT(refused(call("relu", std::string(40, '[') + std::string(40, ']'))),
             ContainsSubstring("too deeply"));
  CHECK_THAT(refused(with(R"({"op":"jump","name":"f","target":"","args":[]})")),
             ContainsSubstring("there is no opcode 'jump'"));
  CHECK_THAT(refused(with(R"({"op":"output","name":"output","target":"","args":[]})")),
             ContainsSubstring("not one argument"));
  CHECK_THAT(refused(std::string(100000, '[')), ContainsSubstring("not a list of nodes"));
}

TEST_CASE("A text that is not UTF-8 cannot be written", "[fx][graph]") {
  Graph g;
  g.output("\xff");
  CHECK(error_of([&] { g.to_text(); }) == "graph: a text in it is not UTF-8 and cannot be written");
}

TEST_CASE("Any change of a text gives an Error or a valid graph", "[fx][graph]") {
  const std::string text = sample().to_text();
  std::mt19937 rng(11);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(rng() % n); };
  const std::string parts[] = {"[",
                               "]",
                               "{",
                               "}",
                               "\"",
                               ",",
                               ":",
                               "0",
                               "-1",
                               "1e999",
                               "null",
                               "{\"node\":\"x\"}",
                               "{\"list\":[]}",
                               "\\u0000",
                               "\xff",
                               "add"};
  int valid = 0, refused = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string mutated = text;
    for (std::size_t edits = 1 + below(3); edits > 0 && !mutated.empty(); --edits) {
      const std::size_t at = below(mutated.size());
      switch (below(4)) {
        case 0:
          mutated[at] = static_cast<char>(below(256));
          break;
        case 1:
          mutated.erase(at, 1 + below(8));
          break;
        case 2:
          mutated.insert(at, parts[below(std::size(parts))]);
          break;
        default:
          mutated.insert(at, mutated.substr(below(mutated.size()), below(40)));
      }
    }
    try {
      Graph g = Graph::from_text(mutated);
      g.lint();
      check_users(g);
      if (Graph::from_text(g.to_text()).str() != g.str()) FAIL(mutated);
      ++valid;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(valid > 50);
  CHECK(refused > 1000);
}

}  // namespace
}  // namespace adze
