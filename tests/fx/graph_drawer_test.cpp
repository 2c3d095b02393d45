#include "adze/fx/graph_drawer.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>

#include "adze/ao/quantization/qconfig_mapping.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/linear.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using test::Block;

// ---- a parser of what to_svg writes -------------------------------------------------------------

struct Element {
  std::string tag, text;
  std::map<std::string, std::string> attributes;
};

std::string decoded(std::string text) {
  const std::pair<const char*, const char*> entities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}};
  for (const auto& [entity, character] : entities) {
    for (std::size_t at = text.find(entity); at != text.npos; at = text.find(entity, at + 1))
      text.replace(at, std::string(entity).size(), character);
  }
  return text;
}

// All elements in the order in which they open; fails when tags do not balance.
std::vector<Element> parse(const std::string& svg) {
  std::vector<Element> all;
  std::vector<std::string> open;
  for (std::size_t at = 0; at < svg.size();) {
    const std::size_t next = svg.find('<', at);
    const std::string text = svg.substr(at, next - at);
    for (std::size_t a = text.find('&'); a != text.npos; a = text.find('&', a + 1))
      REQUIRE(text.find(';', a) != text.npos);
    REQUIRE(text.find('>') == text.npos);
    if (!all.empty() && !open.empty() && all.back().tag == open.back())
      all.back().text += decoded(text);
    if (next == svg.npos) break;
    const std::size_t end = svg.find('>', next);
    REQUIRE(end != svg.npos);
    std::string tag = svg.substr(next + 1, end - next - 1);
    at = end + 1;
    if (tag[0] == '/') {
      REQUIRE_FALSE(open.empty());
      REQUIRE(open.back() == tag.substr(1));
      open.pop_back();
      continue;
    }
    const bool closed = tag.back() == '/';
    if (closed) tag.pop_back();
    Element element;
    std::size_t space = std::min(tag.find(' '), tag.size());
    element.tag = tag.substr(0, space);
    while (space < tag.size()) {
      const std::size_t equals = tag.find("=\"", space);
      REQUIRE(equals != tag.npos);
      const std::size_t quote = tag.find('"', equals + 2);
      REQUIRE(quote != tag.npos);
      const std::string key = tag.substr(space + 1, equals - space - 1);
      const std::string value = tag.substr(equals + 2, quote - equals - 2);
      REQUIRE(key.find(' ') == key.npos);
      REQUIRE(value.find('<') == value.npos);
      REQUIRE(element.attributes.emplace(key, decoded(value)).second);
      space = quote + 1;
    }
    if (!closed) open.push_back(element.tag);
    all.push_back(std::move(element));
  }
  REQUIRE(open.empty());
  return all;
}

struct Drawn {
  double x, y, width, height;
  std::string fill;
  std::vector<std::string> lines;
};

// The boxes by the name of their node.
std::map<std::string, Drawn> boxes_of(const std::string& svg) {
  std::map<std::string, Drawn> boxes;
  Drawn* current = nullptr;
  for (Element& e : parse(svg)) {
    if (e.attributes.contains("data-node")) {
      const auto [it, is_new] = boxes.emplace(e.attributes["data-node"], Drawn{});
      REQUIRE(is_new);
      current = &it->second;
    } else if (current && e.tag == "rect") {
      current->x = std::atof(e.attributes["x"].c_str());
      current->y = std::atof(e.attributes["y"].c_str());
      current->width = std::atof(e.attributes["width"].c_str());
      current->height = std::atof(e.attributes["height"].c_str());
      current->fill = e.attributes["fill"];
    } else if (current && e.tag == "text") {
      current->lines.push_back(e.text);
    }
  }
  return boxes;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

void check_apart(const std::string& svg) {
  const auto boxes = boxes_of(svg);
  const auto size = parse(svg)[0].attributes;
  for (const auto& [a_name, a] : boxes) {
    CAPTURE(a_name);
    CHECK(a.x >= 0);
    CHECK(a.y >= 0);
    CHECK(a.x + a.width <= std::atof(size.at("width").c_str()));
    CHECK(a.y + a.height <= std::atof(size.at("height").c_str()));
    for (const auto& [b_name, b] : boxes) {
      if (a_name >= b_name) continue;
      CAPTURE(b_name);
      CHECK((a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y ||
             b.y + b.height <= a.y));
    }
  }
}

// ---- networks -----------------------------------------------------------------------------------

fx::Graph residual_graph() {
  fx::Graph g;
  fx::Node& x = g.placeholder("x");
  fx::Node& a = g.call_function(ops::relu, {x});
  fx::Node& b = g.call_function(ops::sigmoid, {a});
  g.output(g.call_function(ops::add, {b, x}));
  return g;
}

std::shared_ptr<fx::GraphModule> int8_net() {
  manual_seed(3);
  auto net = nn::make<nn::Sequential>(nn::Linear(4, 4), nn::ReLU(), nn::Linear(4, 2));
  namespace tq = ao::quantization;
  const Tensor x = randn({8, 4});
  auto prepared = tq::prepare_fx(net, tq::get_default_qconfig_mapping(), {x});
  (*prepared)(x);
  return tq::convert_fx(prepared);
}

// An op-rich graph from a seed: many long and crossing edges.
fx::Graph random_graph(std::uint32_t seed) {
  fx::Graph g;
  std::vector<fx::Node*> all{&g.placeholder("x"), &g.placeholder("y")};
  const auto pick = [&] {
    seed = seed * 1664525u + 1013904223u;
    return all[(seed >> 8) % all.size()];
  };
  for (int i = 0; i < 60; ++i) {
    fx::Node* a = pick();
    all.push_back(i % 3 ? &g.call_function(ops::add, {a, pick()})
                        : &g.call_function(ops::relu, {a}));
  }
  g.output(all.back());
  return g;
}

// ---- tests --------------------------------------------------------------------------------------

TEST_CASE("A graph is drawn with each node once and an arrow for each use", "[fx][graph_drawer]") {
  fx::GraphModule gm(residual_graph(), "Residual");
  const std::string svg = fx::to_svg(gm);
  const auto boxes = boxes_of(svg);
  REQUIRE(boxes.size() == gm.graph().size());
  for (const fx::Node& n : gm.graph().nodes()) {
    REQUIRE(boxes.contains(n.name()));
    CHECK(boxes.at(n.name()).lines.at(0) == n.name());
  }
  CHECK(count(svg, "marker-end") == 5);
  CHECK(boxes.at("add").lines.at(1) == "add(sigmoid, x)");
  // Each below what it uses.
  CHECK(boxes.at("relu").y > boxes.at("x").y);
  CHECK(boxes.at("add").y > boxes.at("sigmoid").y);

  const std::string dot = fx::to_dot(gm);
  for (const fx::Node& n : gm.graph().nodes())
    CHECK(count(dot, "\"" + n.name() + "\" [label=") == 1);
  CHECK(count(dot, " -> ") == 5);
  CHECK(count(dot, "\"x\" -> \"add\";") == 1);
  CHECK_THAT(dot, ContainsSubstring("digraph \"Residual\" {"));
}

TEST_CASE("A drawing does not depend on addresses or on earlier drawings", "[fx][graph_drawer]") {
  fx::GraphModule a(random_graph(1)), b(random_graph(1)), other(random_graph(2));
  const std::string svg = fx::to_svg(a);
  CHECK(svg == fx::to_svg(a));
  CHECK(svg == fx::to_svg(b));
  CHECK(fx::to_dot(a) == fx::to_dot(b));
  CHECK(svg != fx::to_svg(other));
}

TEST_CASE("Boxes never overlap and stay inside the picture", "[fx][graph_drawer]") {
  for (std::uint32_t seed : {1u, 7u, 1234u}) {
    fx::GraphModule gm(random_graph(seed));
    check_apart(fx::to_svg(gm));
  }
  check_apart(fx::to_svg(*fx::symbolic_trace(nn::make<nn::Sequential>(Block(), Block()))));
}

TEST_CASE("Arrows of long edges lead around boxes", "[fx][graph_drawer]") {
  fx::GraphModule gm(residual_graph());
  const std::string svg = fx::to_svg(gm);
  const auto boxes = boxes_of(svg);
  // The edge x -> add passes the layers of relu and sigmoid in straight pieces.
  std::size_t longest = 0;
  std::string path;
  for (Element& e : parse(svg)) {
    if (e.tag != "path" || !e.attributes.contains("marker-end")) continue;
    if (e.attributes["d"].size() > longest) path = e.attributes["d"];
    longest = std::max(longest, e.attributes["d"].size());
  }
  std::vector<std::pair<double, double>> points;
  std::string numbers = path;
  std::replace_if(
      numbers.begin(), numbers.end(), [](char c) { return c == 'M' || c == 'L' || c == 'C'; }, ' ');
  std::istringstream stream(numbers);
  for (double x, y; stream >> x >> y;) points.emplace_back(x, y);
  REQUIRE(points.size() > 6);
  for (const auto& [x, y] : points) {
    for (const char* name : {"relu", "sigmoid"}) {
      const Drawn& box = boxes.at(name);
      CHECK_FALSE((x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height));
    }
  }
}

TEST_CASE("Text in a drawing is escaped", "[fx][graph_drawer]") {
  fx::GraphModule gm(residual_graph(), "Pair<\"A\" & B>");
  const fx::DrawOptions options{.describe = [](const fx::Node& n) -> fx::NodeNotes {
    if (n.name() != "relu") return {};
    return {.lines = {"a < b && \"c\" > '\\d'", "tab\there\x01"}, .fill = "\"><script>"};
  }};
  const std::string svg = fx::to_svg(gm, options);
  CHECK(svg.find("<script>") == svg.npos);
  const auto relu = boxes_of(svg).at("relu");
  REQUIRE(relu.lines.size() == 4);
  CHECK(relu.lines[2] == "a < b && \"c\" > '\\d'");
  CHECK(relu.lines[3] == "tab here ");
  CHECK(relu.fill == "\"><script>");
  CHECK(parse(svg).at(1).text == "Pair<\"A\" & B>");

  const std::string dot = fx::to_dot(gm, options);
  CHECK_THAT(dot, ContainsSubstring(R"(digraph "Pair<\"A\" & B>" {)"));
  CHECK_THAT(dot, ContainsSubstring(R"(\na < b && \"c\" > '\\d'\ntab here ")"));
  CHECK_THAT(dot, ContainsSubstring(R"(fillcolor="\"><script>")"));
}

TEST_CASE("The callback adds lines and colours to the nodes it picks", "[fx][graph_drawer]") {
  fx::GraphModule gm(residual_graph());
  int asked = 0;
  const auto boxes = boxes_of(
      fx::to_svg(gm, {.describe = [&](const fx::Node& n) -> fx::NodeNotes {
                   ++asked;
                   return n.calls(ops::add) ? fx::NodeNotes{{"12 us"}, "#ffe4e6"} : fx::NodeNotes{};
                 }}));
  CHECK(asked == 5);
  CHECK(boxes.at("add").lines.back() == "12 us");
  CHECK(boxes.at("add").fill == "#ffe4e6");
  CHECK(boxes.at("relu").lines.size() == 2);
  CHECK(boxes.at("relu").fill != "#ffe4e6");
}

TEST_CASE("Layers are drawn with their class, place, shape and dtype", "[fx][graph_drawer]") {
  auto gm = fx::symbolic_trace(nn::make<nn::Sequential>(nn::Linear(4, 2)),
                               {.example_inputs = {ones({3, 4})}});
  const auto boxes = boxes_of(fx::to_svg(*gm));
  const auto& lines = boxes.at("_0").lines;
  CHECK(lines.at(1) == "Linear");
  CHECK(std::count(lines.begin(), lines.end(), "at 0") == 1);
  CHECK(lines.back() == "float32 (3, 2)");
  CHECK(boxes.at("input_1").fill == boxes.at("output").fill);
  CHECK(boxes.at("_0").fill != boxes.at("output").fill);
}

TEST_CASE("Scales and zero points are written into the ops that use them", "[fx][graph_drawer]") {
  auto gm = int8_net();
  const auto scales = [](const std::map<std::string, Drawn>& boxes) {
    return std::count_if(boxes.begin(), boxes.end(), [](const auto& b) {
      return b.first.find("scale") != std::string::npos ||
             b.first.find("zero_point") != std::string::npos;
    });
  };
  const auto hidden = boxes_of(fx::to_svg(*gm)),
             shown = boxes_of(fx::to_svg(*gm, {.hide_scalars = false}));
  CHECK(scales(hidden) == 0);
  CHECK(scales(shown) == 2);
  CHECK(shown.size() == gm->graph().size());
  const auto& lines = hidden.at("quantize_per_tensor").lines;
  CHECK_THAT(lines.at(1), ContainsSubstring("quantize_per_tensor(input_1, 0."));
  CHECK(count(fx::to_dot(*gm), "input_scale_0\" [") == 0);
  // One colour for all that is quantized, another for what is float.
  CHECK(hidden.at("quantize_per_tensor").fill == hidden.at("_0").fill);
  const std::string last = gm->graph().output_node()->arg(0).node()->name();
  CHECK(hidden.at(last).lines.at(1) == "dequantize");
  CHECK(hidden.at(last).fill != hidden.at("_0").fill);
}

TEST_CASE("Long lists of arguments are broken into lines and cut off", "[fx][graph_drawer]") {
  fx::Graph g;
  fx::Node& x = g.placeholder("x");
  g.output(g.call_function(ops::cat, {fx::Argument::List(100, x), 0}));
  fx::GraphModule gm(std::move(g));
  const auto lines = boxes_of(fx::to_svg(gm)).at("cat").lines;
  REQUIRE(lines.size() == 5);
  CHECK(lines[1].starts_with("cat([x, x, "));
  for (const std::string& line : lines) CHECK(line.size() < 48);
  CHECK(lines.back().ends_with(", …"));
}

TEST_CASE("A graph of one node and an empty one can be drawn", "[fx][graph_drawer]") {
  fx::Graph g;
  fx::GraphModule empty(g);
  CHECK(boxes_of(fx::to_svg(empty)).empty());
  g.placeholder("x");
  fx::GraphModule one(g);
  CHECK(boxes_of(fx::to_svg(one)).size() == 1);
}

}  // namespace
}  // namespace adze
