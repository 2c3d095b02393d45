#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "adze/fx/graph.h"

namespace adze::fx {
namespace {

using nlohmann::json;

constexpr int max_depth = 32;  // of lists in lists
constexpr std::size_t max_nodes = 1 << 20;

std::string clipped(const std::string& text, std::size_t width) {
  return text.size() <= width ? text + std::string(width - text.size(), ' ') : text;
}

json to_json(const Value& v) {
  if (v.is_none()) return nullptr;
  if (v.is_bool()) return v.to_bool();
  if (v.is_int()) return v.to_int();
  if (v.is_string()) return v.to_string();
  if (v.is_dtype()) return {{"dtype", std::string(name(v.to_dtype()))}};
  if (v.is_double()) {
    const double d = v.to_double();
    if (std::isfinite(d)) return d;
    return {{"double", std::isnan(d) ? "nan" : d > 0 ? "inf" : "-inf"}};
  }
  if (v.is_shape()) {
    const Shape s = v.to_shape();
    return {{"shape", std::vector<std::int64_t>(s.begin(), s.end())}};
  }
  json list = json::array();
  for (const Value& e : v.to_list()) list.push_back(to_json(e));
  return {{"list", list}};
}

json to_json(const Argument& a) {
  if (a.is_node()) return {{"node", a.node()->name()}};
  if (a.is_constant()) return to_json(a.constant());
  json list = json::array();
  for (const Argument& e : a.list()) list.push_back(to_json(e));
  return list;
}

[[noreturn]] void broken(const std::string& what) {
  fail("graph: the description is broken: ", what);
}

std::int64_t integer_from(const json& j) {
  if (j.is_number_unsigned() && j.get<std::uint64_t>() > INT64_MAX)
    broken("the integer " + j.dump() + " is too large");
  return j.get<std::int64_t>();
}

Value tagged_value(const json& j, int depth);

Value value_from(const json& j, int depth) {
  if (j.is_null()) return {};
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_number_integer()) return integer_from(j);
  if (j.is_number()) return j.get<double>();
  if (j.is_string()) return j.get<std::string>();
  if (j.is_object()) return tagged_value(j, depth);
  broken("a constant is a list");
}

Value tagged_value(const json& j, int depth) {
  if (depth > max_depth) broken("lists are nested too deeply");
  if (j.size() != 1) broken("a constant has not one kind");
  const std::string kind = j.begin().key();
  const json& content = j.begin().value();
  if (kind == "dtype" && content.is_string()) {
    for (int i = 0; i <= static_cast<int>(DType::qint32); ++i)
      if (name(static_cast<DType>(i)) == content.get<std::string>()) return static_cast<DType>(i);
    broken("there is no dtype " + detail::in_quotes(content.get<std::string>()));
  }
  if (kind == "double" && content.is_string()) {
    const std::string text = content.get<std::string>();
    if (text == "nan") return std::nan("");
    if (text == "inf" || text == "-inf") return text == "inf" ? INFINITY : -INFINITY;
  }
  if (kind == "shape" && content.is_array() && content.size() <= max_dims) {
    Shape shape;
    for (const json& d : content) {
      if (!d.is_number_integer()) broken("a shape is not made of integers");
      shape.push_back(integer_from(d));
    }
    return shape;
  }
  if (kind == "list" && content.is_array()) {
    Value::List list;
    for (const json& e : content) list.push_back(value_from(e, depth + 1));
    return list;
  }
  broken("a constant of kind " + detail::in_quotes(kind));
}

using NodeMap = std::unordered_map<std::string, Node*>;

Argument argument_from(const json& j, const NodeMap& known, int depth) {
  if (depth > max_depth) broken("lists are nested too deeply");
  if (j.is_array()) {
    Argument::List list;
    for (const json& e : j) list.push_back(argument_from(e, known, depth + 1));
    return list;
  }
  if (j.is_object() && j.contains("node")) {
    if (!j["node"].is_string()) broken("the name of a node is no text");
    const std::string name = j["node"].get<std::string>();
    const auto node = known.find(name);
    if (node == known.end())
      broken("node " + detail::in_quotes(name) + " is used before it is made");
    return node->second;
  }
  return value_from(j, depth);
}

std::string text_at(const json& j, const char* key) {
  const auto it = j.find(key);
  if (it == j.end() || !it->is_string()) broken(std::string("a node without ") + key);
  return it->get<std::string>();
}

}  // namespace

std::string Graph::str() const {
  std::string text = "graph():";
  for (const Node& n : nodes_) text += "\n    " + n.str();
  return text;
}

std::ostream& operator<<(std::ostream& os, const Graph& graph) {
  return os << graph.str();
}

std::string Graph::tabular() const {
  std::vector<std::array<std::string, 4>> rows{{"opcode", "name", "target", "args"}};
  for (const Node& n : nodes_) {
    std::string args = "(";
    for (const Argument& a : n.args()) args += (args.size() > 1 ? ", " : "") + a.str();
    args += n.args().size() == 1 ? ",)" : ")";
    rows.push_back({std::string(fx::name(n.op())), n.name(), n.target(), args});
  }
  std::array<std::size_t, 4> width{};
  for (const auto& row : rows)
    for (std::size_t c = 0; c < 3; ++c) width[c] = std::max(width[c], row[c].size());
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < 3; ++c) text += clipped(rows[r][c], width[c]) + "  ";
    text += rows[r][3] + "\n";
    if (r > 0) continue;
    for (std::size_t c = 0; c < 3; ++c) text += std::string(width[c], '-') + "  ";
    text += "----\n";
  }
  return text;
}

std::string Graph::to_text() const {
  json nodes = json::array();
  for (const Node& n : nodes_) {
    json args = json::array();
    for (const Argument& a : n.args()) args.push_back(to_json(a));
    json node{{"op", std::string(fx::name(n.op()))},
              {"name", n.name()},
              {"target", n.target()},
              {"args", args}};
    if (!n.meta.module_path.empty()) node["path"] = n.meta.module_path;
    if (!n.meta.module_type.empty()) node["type"] = n.meta.module_type;
    nodes.push_back(std::move(node));
  }
  try {
    return nodes.dump();
  } catch (const json::exception&) {
    fail("graph: a text in it is not UTF-8 and cannot be written");
  }
}

Graph Graph::from_text(const std::string& text,
                       const std::function<const OpBase*(std::string_view)>& find) {
  const json nodes = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!nodes.is_array() || nodes.size() > max_nodes) broken("not a list of nodes");
  Graph graph;
  NodeMap known;
  for (const json& j : nodes) {
    if (!j.is_object()) broken("a node is no object");
    const std::string op = text_at(j, "op"), name = text_at(j, "name"),
                      target = text_at(j, "target");
    const auto list = j.find("args");
    if (list == j.end() || !list->is_array())
      broken("node '" + name + "' has no list of arguments");
    std::vector<Argument> args;
    for (const json& a : *list) args.push_back(argument_from(a, known, 0));

    Node* node = nullptr;
    if (op == "placeholder") {
      node = &graph.insert(Opcode::placeholder, name, target, nullptr, std::move(args));
    } else if (op == "get_attr") {
      node = &graph.get_attr(target, name);
    } else if (op == "call_module") {
      node = &graph.call_module(target, std::move(args), name);
    } else if (op == "output") {
      if (args.size() != 1) broken("the output has not one argument");
      node = &graph.output(std::move(args[0]));
    } else if (op == "call_function") {
      const OpBase* function = find(target);
      check(function != nullptr, "graph: node '", name, "' calls the op ",
            detail::in_quotes(target), ", which is not known here");
      node = &graph.call_function(*function, std::move(args), name);
    } else {
      broken("there is no opcode " + detail::in_quotes(op));
    }
    if (node->name() != name) broken("the name " + detail::in_quotes(name) + " is taken or none");
    known[name] = node;
    if (j.contains("path")) node->meta.module_path = text_at(j, "path");
    if (j.contains("type")) node->meta.module_type = text_at(j, "type");
  }
  graph.lint();
  return graph;
}

}  // namespace adze::fx
