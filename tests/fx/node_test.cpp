#include "adze/fx/node.h"

#include <cmath>

#include "adze/core/ops.h"
#include "adze/fx/graph.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using fx::Argument;
using fx::Node;
using test::error_of;

std::string users_of(const Node& node) {
  std::string text;
  for (const Node* u : node.users()) text += (text.empty() ? "" : " ") + u->name();
  return text;
}

TEST_CASE("Arguments tell what they are and refuse to be something else", "[fx][node]") {
  fx::Graph g;
  Node& x = g.placeholder("x");
  const Argument node(x), list(Argument::List{x, 2, Argument::List{}}), number(3), none;
  CHECK(node.str() == "%x");
  CHECK(list.str() == "[%x, 2, []]");
  CHECK(Argument(2.0).str() == "2.0");
  CHECK(Argument("a").str() == "\"a\"");
  CHECK(none.is_none());
  CHECK(none.str() == "None");
  CHECK(Argument(static_cast<Node*>(nullptr)).is_none());
  CHECK(Argument(Tensor()).is_none());
  CHECK(error_of([&] { number.node(); }) == "fx: a node was expected as argument, got 3");
  CHECK(error_of([&] { node.list(); }) == "fx: a list was expected as argument, got %x");
  CHECK(error_of([&] { list.constant(); }) ==
        "fx: a constant was expected as argument, got [%x, 2, []]");
  CHECK_THAT(error_of([] { Argument(ones({2})); }), ContainsSubstring("use get_attr"));
}

TEST_CASE("Arguments are equal when nothing tells them apart", "[fx][node]") {
  fx::Graph g;
  Node& x = g.placeholder("x");
  Node& y = g.placeholder("y");
  CHECK(Argument(x) == Argument(x));
  CHECK_FALSE(Argument(x) == Argument(y));
  CHECK(Argument(Argument::List{x, 1}) == Argument(Argument::List{x, 1}));
  CHECK_FALSE(Argument(Argument::List{x, 1}) == Argument(Argument::List{x, 1, 1}));
  CHECK_FALSE(Argument(1) == Argument(1.0));
  CHECK_FALSE(Argument(1) == Argument(true));
  CHECK_FALSE(Argument() == Argument(0));
  CHECK(Argument(Shape{1, 2}) == Argument(Shape{1, 2}));
  CHECK_FALSE(Argument(float32) == Argument(float64));
  CHECK_FALSE(Argument("a") == Argument("b"));
  CHECK(Argument(std::nan("")) == Argument(std::nan("")));
  CHECK_FALSE(Argument(0.0) == Argument(-0.0));
  const Tensor t = ones({1});
  CHECK(fx::same_value(t, t));
  CHECK_FALSE(fx::same_value(t, ones({1})));
}

TEST_CASE("Nodes print as the field prints them", "[fx][node]") {
  fx::Graph g;
  Node& x = g.placeholder("x");
  Node& y = g.placeholder("y", {Argument()});
  Node& z = g.placeholder("z", {2, true});
  Node& w = g.get_attr("fc.weight");
  Node& m = g.call_module("fc", {x});
  Node& f = g.call_function(ops::add, {m, 1.5});
  Node& out = g.output(Argument::List{f, y});
  CHECK(x.str() == "%x : [num_users=1] = placeholder[target=x]");
  CHECK(y.str() == "%y : [num_users=1] = placeholder[target=y](default=None)");
  CHECK(z.str() == "%z : [num_users=0] = placeholder[target=z](default=2, only)");
  CHECK(w.str() == "%fc_weight : [num_users=0] = get_attr[target=fc.weight]");
  CHECK(m.str() == "%fc : [num_users=1] = call_module[target=fc](args = (%x,))");
  CHECK(f.str() == "%add : [num_users=1] = call_function[target=add](args = (%fc, 1.5))");
  CHECK(out.str() == "return [%add, %y]");
}

TEST_CASE("Users are kept, each once and in order, by every change of arguments", "[fx][node]") {
  fx::Graph g;
  Node& x = g.placeholder("x");
  Node& y = g.placeholder("y");
  Node& a = g.call_function(ops::add, {x, x});
  Node& b = g.call_function(ops::cat, {Argument::List{x, y, x}, 0});
  CHECK(users_of(x) == "add cat");
  CHECK(b.all_input_nodes() == std::vector<Node*>{&x, &y});

  a.update_arg(0, y);
  CHECK(users_of(x) == "add cat");
  CHECK(users_of(y) == "cat add");
  a.update_arg(1, y);
  CHECK(users_of(x) == "cat");
  a.insert_arg(2, Argument::List{Argument::List{x}});
  CHECK(users_of(x) == "cat add");
  a.set_args({y, 1});
  CHECK(users_of(x) == "cat");
  b.replace_input_with(x, y);
  CHECK(users_of(x).empty());
  CHECK(users_of(y) == "cat add");
  CHECK(b.arg(0).str() == "[%y, %y, %y]");
}

TEST_CASE("Changes that cannot be say why and change nothing", "[fx][node]") {
  fx::Graph g, other;
  Node& x = g.placeholder("x");
  Node& a = g.call_function(ops::relu, {x});
  Node& m = g.call_module("fc", {x});
  Node& far = other.placeholder("far");
  const std::string before = g.str();
  const std::uint64_t version = g.version();
  CHECK(error_of([&] { a.arg(1); }) == "fx: node 'relu' has no argument 1, it has 1");
  CHECK(error_of([&] { a.update_arg(1, x); }) == "fx: node 'relu' has no argument 1, it has 1");
  CHECK(error_of([&] { a.insert_arg(2, x); }) ==
        "fx: node 'relu' has 1 arguments, none can be inserted at 2");
  CHECK(error_of([&] { a.set_args({far}); }) ==
        "fx: 'far', an argument of 'relu', is a node of another graph");
  CHECK(error_of([&] {
          a.update_arg(0, Argument::List{x, far});
        }) == "fx: 'far', an argument of 'relu', is a node of another graph");
  CHECK(error_of([&] { x.replace_all_uses_with(far); }) ==
        "fx: 'far' is of another graph than 'x'");
  CHECK(error_of([&] { x.append(far); }) == "fx: 'far' is of another graph than 'x'");
  CHECK(error_of([&] { x.prepend(far); }) == "fx: 'far' is of another graph than 'x'");
  CHECK(error_of([&] { a.set_target("fc"); }) ==
        "fx: the target of call_function 'relu' is no path; use set_function for ops");
  CHECK(error_of([&] { m.set_function(ops::relu); }) == "fx: call_module 'fc' calls no op");
  CHECK(g.str() == before);
  CHECK(g.version() == version);
  CHECK(far.users().empty());
}

TEST_CASE("All uses move to another node, but its own and those that are kept", "[fx][node]") {
  fx::Graph g;
  Node& x = g.placeholder("x");
  Node& a = g.call_function(ops::relu, {x});
  Node& b = g.call_function(ops::neg, {a});
  Node& c = g.call_function(ops::exp, {a});
  Node& d = g.call_function(ops::add, {a, a});
  g.output(d);
  const auto changed =
      a.replace_all_uses_with(b, [](const Node& user) { return user.calls(ops::exp); });
  CHECK(changed == std::vector<Node*>{&d});
  CHECK(users_of(a) == "neg exp");
  CHECK(c.arg(0).node() == &a);
  CHECK(d.arg(1).node() == &b);
  CHECK(a.replace_all_uses_with(a).empty());
}

TEST_CASE("Nodes are moved in their graph and know their neighbours", "[fx][node]") {
  fx::Graph g;
  Node& x = g.placeholder("x");
  Node& a = g.call_function(ops::relu, {x});
  Node& b = g.call_function(ops::neg, {x});
  CHECK(x.prev() == nullptr);
  CHECK(b.next() == nullptr);
  x.append(b);
  CHECK(x.next() == &b);
  CHECK(b.next() == &a);
  b.prepend(a);
  CHECK(x.next() == &a);
  CHECK(a.next() == &b);
  a.append(a);
  a.append(b);
  b.prepend(b);
  CHECK(a.next() == &b);
  CHECK(g.size() == 3);
}

TEST_CASE("Targets and ops of nodes can be changed", "[fx][node]") {
  fx::Graph g;
  Node& x = g.placeholder("x");
  Node& f = g.call_function(ops::relu, {x});
  Node& m = g.call_module("fc", {f});
  Node& w = g.get_attr("w");
  const std::uint64_t version = g.version();
  f.set_function(ops::tanh);
  m.set_target("fc2");
  w.set_target("v");
  CHECK(f.calls(ops::tanh));
  CHECK(f.target() == "tanh");
  CHECK(f.name() == "relu");
  CHECK(m.target() == "fc2");
  CHECK(w.target() == "v");
  CHECK(g.version() > version);
}

}  // namespace
}  // namespace adze
