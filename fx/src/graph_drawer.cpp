#include "adze/fx/graph_drawer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <unordered_map>
#include <unordered_set>

#include "graph_drawer_layout.h"

namespace adze::fx {
namespace {

using drawing::Box;
using drawing::Edge;

constexpr std::size_t wrap_at = 40;  // characters of a line
constexpr std::size_t clip_at = 72;
constexpr std::size_t most_pieces = 4;  // lines that one text is broken into
// Of the picture, in pixels. Monospaced digits and letters are .602 em wide.
constexpr double font_size = 12, character = 7.25, line_height = 16, padding = 10;

enum class Kind : std::uint8_t { boundary, parameter, layer, op, quantized };
struct Colours {
  const char *fill, *line;
};
constexpr std::array<Colours, 5> colours{{{"#dbeafe", "#3b82f6"},
                                          {"#e5e7eb", "#6b7280"},
                                          {"#dcfce7", "#22a355"},
                                          {"#fef3c7", "#d19a0b"},
                                          {"#f3e8ff", "#a15cf0"}}};

struct DrawnNode {
  const Node* node = nullptr;
  Kind kind = Kind::op;
  std::vector<std::string> lines = {};  // the first is its name
  bool needs_input = true;              // false: a parameter, or computed from such alone
  std::string fill = {};
};

// What is to be seen, before it has a place.
struct Picture {
  std::vector<DrawnNode> nodes;
  std::vector<Edge> edges;
};

std::size_t length(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string clip(const std::string& text) {
  if (length(text) <= clip_at) return text;
  std::string kept;
  std::size_t count = 0;
  for (const char c : text) {
    if ((c & 0xc0) != 0x80 && ++count == clip_at) break;
    kept += c;
  }
  return kept + "…";
}

// Breaks behind ", " where a line gets too long; lines after the first are indented.
void add_wrapped(std::vector<std::string>& lines, const std::string& text) {
  const std::size_t limit = lines.size() + most_pieces;
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t comma = text.find(", ", at);
    const std::size_t end = comma == text.npos ? text.size() : comma + 2;
    const std::string piece = text.substr(at, end - at);
    if (!line.empty() && length(line) + length(piece) > wrap_at) {
      line.pop_back();
      if (lines.size() + 1 == limit) {
        lines.push_back(clip(line) + " …");
        return;
      }
      lines.push_back(clip(line));
      line = "  ";
    }
    line += piece;
    at = end;
  }
  if (!line.empty()) lines.push_back(clip(line));
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

class Reader {
 public:
  Reader(GraphModule& module, const DrawOptions& options) : module_(module), options_(options) {}

  Picture read() {
    NoGrad guard;
    Picture picture;
    std::unordered_map<const Node*, std::size_t> place;
    for (const Node& n : module_.graph().nodes()) {
      if (hide(n)) continue;
      if (is_quantized_value(n)) quantized_.insert(&n);
      place[&n] = picture.nodes.size();
      DrawnNode drawn = draw(n);
      drawn.needs_input = n.is_placeholder() || n.is_output();
      for (const Node* input : n.all_input_nodes()) {
        if (hidden_.contains(input)) continue;
        picture.edges.push_back({place.at(input), place.at(&n)});
        drawn.needs_input |= picture.nodes[place.at(input)].needs_input;
      }
      picture.nodes.push_back(std::move(drawn));
    }
    return picture;
  }

 private:
  bool hide(const Node& n) {
    if (!options_.hide_scalars || !n.is_get_attr()) return false;
    const nn::Parameter& p = module_.parameter(n);
    if (!p.is_buffer()) return false;
    const Tensor value = p.value();
    const bool returned = std::any_of(n.users().begin(), n.users().end(),
                                      [](const Node* user) { return user->is_output(); });
    if (value.numel() != 1 || n.users().empty() || returned || is_quantized(value.dtype()))
      return false;
    hidden_[&n] = number(Value(value).to_double());
    return true;
  }

  // Whether a node gives integers with a scale, from what it calls: passes that put quantized ops
  // in place need not keep `meta.tensor` right.
  bool is_quantized_value(const Node& n) const {
    const auto given = [&] {
      const auto inputs = n.all_input_nodes();
      return !inputs.empty() && quantized_.contains(inputs[0]);
    };
    if (n.is_get_attr()) return is_quantized(module_.parameter(n).value().dtype());
    if (n.op() == Opcode::call_function) {
      const std::string_view op = n.function()->name();
      if (op == "dequantize" || op.find("dynamic") != op.npos) return false;
      return op.starts_with("quantized::") || op.starts_with("quantize_per_") ||
             (n.function()->traits().shares_qparams && given());
    }
    if (n.is_module_call()) {
      const nn::Module& called = *module_.submodule(n);
      const std::string type = called.qualified_type();
      const auto within = [&](const char* space) { return type.find(space) != type.npos; };
      if (called.type() == "DeQuantize" || within("::dynamic::") || within("::reference::"))
        return false;
      return within("::quantized::") || given();
    }
    return n.is_placeholder() && n.meta.tensor && is_quantized(n.meta.tensor->dtype);
  }

  Kind kind_of(const Node& n) const {
    if (n.is_placeholder() || n.is_output()) return Kind::boundary;
    if (quantized_.contains(&n)) return Kind::quantized;
    if (n.is_get_attr()) return Kind::parameter;
    return n.is_module_call() ? Kind::layer : Kind::op;
  }

  std::string text_of(const Argument& a) const {
    if (a.is_node()) {
      const auto value = hidden_.find(a.node());
      return value == hidden_.end() ? a.node()->name() : value->second;
    }
    if (a.is_constant()) return a.constant().str();
    std::string text = "[";
    for (const Argument& e : a.list()) text += (text.size() > 1 ? ", " : "") + text_of(e);
    return text + "]";
  }

  std::string call_text(const Node& n) const {
    if (n.args().size() < 2 && std::all_of(n.args().begin(), n.args().end(),
                                           [](const Argument& a) { return a.is_node(); }))
      return n.target();
    std::string text;
    for (const Argument& a : n.args()) text += (text.empty() ? "" : ", ") + text_of(a);
    return n.target() + "(" + text + ")";
  }

  std::string tensor_text(const Node& n) const {
    if (n.is_get_attr()) {
      const Tensor value = module_.parameter(n).value();
      return std::string(name(value.dtype())) + " " + to_string(value.sizes());
    }
    if (!n.meta.tensor) return "";
    const std::string shape = to_string(n.meta.tensor->shape);
    if (quantized_.contains(&n) != is_quantized(n.meta.tensor->dtype)) return shape;
    return std::string(name(n.meta.tensor->dtype)) + " " + shape;
  }

  DrawnNode draw(const Node& n) const {
    DrawnNode drawn{&n, kind_of(n), {n.name()}};
    std::vector<std::string>& lines = drawn.lines;
    switch (n.op()) {
      case Opcode::placeholder:
        lines.push_back(n.args().empty() ? "input" : "input = " + text_of(n.arg(0)));
        break;
      case Opcode::get_attr:
        lines.push_back(
            clip((module_.parameter(n).is_buffer() ? "buffer " : "parameter ") + n.target()));
        break;
      case Opcode::call_function:
        add_wrapped(lines, call_text(n));
        break;
      case Opcode::call_module: {
        nn::Module& called = *module_.submodule(n);
        lines.push_back(clip(called.type()));
        add_wrapped(lines, called.extra_repr());
        if (n.target() != n.name()) lines.push_back(clip("at " + n.target()));
        break;
      }
      case Opcode::output:
        if (!n.arg(0).is_node()) add_wrapped(lines, text_of(n.arg(0)));
        break;
    }
    if (const std::string text = tensor_text(n); !text.empty()) lines.push_back(text);
    drawn.fill = colours[static_cast<std::size_t>(drawn.kind)].fill;
    if (options_.describe) {
      const NodeNotes notes = options_.describe(n);
      for (const std::string& line : notes.lines) lines.push_back(clip(line));
      if (!notes.fill.empty()) drawn.fill = notes.fill;
    }
    return drawn;
  }

  GraphModule& module_;
  const DrawOptions& options_;
  std::unordered_map<const Node*, std::string> hidden_;  // and their values
  std::unordered_set<const Node*> quantized_;
};

std::string xml(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&') {
      safe += "&amp;";
    } else if (c == '<') {
      safe += "&lt;";
    } else if (c == '>') {
      safe += "&gt;";
    } else if (c == '"') {
      safe += "&quot;";
    } else {
      safe += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return safe;
}

std::string dot(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '"' || c == '\\') safe += '\\';
    safe += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return safe;
}

std::string pixels(double value) {
  return std::to_string(std::lround(value));
}

std::string path_of(const Edge& e) {
  const auto point = [](double x, double y) { return pixels(x) + " " + pixels(y); };
  std::string path = "M" + point(e.points[0].first, e.points[0].second);
  for (std::size_t i = 1; i < e.points.size(); ++i) {
    const auto [x0, y0] = e.points[i - 1];
    const auto [x, y] = e.points[i];
    const double middle = (y0 + y) / 2;
    if (i % 2 == 1 || std::lround(x0) == std::lround(x)) {
      if (i + 1 == e.points.size() || std::lround(y0) != std::lround(y)) path += " L" + point(x, y);
    } else {
      path += " C" + point(x0, middle) + " " + point(x, middle) + " " + point(x, y);
    }
  }
  return path;
}

std::string box_of(const DrawnNode& n, const Box& box) {
  const Colours& c = colours[static_cast<std::size_t>(n.kind)];
  std::string text = "<g data-node=\"" + xml(n.node->name()) + "\">\n<rect x=\"" + pixels(box.x) +
                     "\" y=\"" + pixels(box.y) + "\" width=\"" + pixels(box.width) +
                     "\" height=\"" + pixels(box.height) + "\" rx=\"" +
                     (n.kind == Kind::boundary ? "16" : "5") + "\" fill=\"" + xml(n.fill) +
                     "\" stroke=\"" + c.line + "\"/>\n";
  double y = box.y + padding + font_size - 2;
  for (std::size_t i = 0; i < n.lines.size(); ++i, y += line_height) {
    text += "<text x=\"" + pixels(box.x + box.width / 2) + "\" y=\"" + pixels(y) + "\"" +
            (i == 0 ? " font-weight=\"bold\"" : "") + ">" + xml(n.lines[i]) + "</text>\n";
  }
  return text + "</g>\n";
}

}  // namespace

std::string to_dot(GraphModule& module, const DrawOptions& options) {
  const Picture picture = Reader(module, options).read();
  std::string text = "digraph \"" + dot(module.class_name()) +
                     "\" {\n  node [shape=box, style=\"rounded,filled\", fontname=monospace, "
                     "fontsize=11];\n";
  for (const DrawnNode& n : picture.nodes) {
    text += "  \"" + dot(n.node->name()) + "\" [label=\"";
    for (std::size_t i = 0; i < n.lines.size(); ++i)
      text += (i == 0 ? "" : "\\n") + dot(n.lines[i]);
    text += "\", fillcolor=\"" + dot(n.fill) + "\", color=\"" +
            colours[static_cast<std::size_t>(n.kind)].line + "\"];\n";
  }
  for (const Edge& e : picture.edges) {
    text += "  \"" + dot(picture.nodes[e.from].node->name()) + "\" -> \"" +
            dot(picture.nodes[e.to].node->name()) + "\";\n";
  }
  return text + "}\n";
}

std::string to_svg(GraphModule& module, const DrawOptions& options) {
  Picture picture = Reader(module, options).read();
  std::vector<Box> boxes;
  for (const DrawnNode& n : picture.nodes) {
    std::size_t widest = 0;
    for (const std::string& line : n.lines) widest = std::max(widest, length(line));
    boxes.push_back({.width = 2 * std::ceil(static_cast<double>(widest) * character / 2 + padding),
                     .height = static_cast<double>(n.lines.size()) * line_height + 2 * padding - 4,
                     .leads = n.needs_input,
                     .floats = !n.needs_input});
  }
  const drawing::Size size = lay_out(boxes, picture.edges);
  const std::string width = pixels(size.width), height = pixels(size.height);
  std::string text = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + width + "\" height=\"" +
                     height + "\" viewBox=\"0 0 " + width + " " + height +
                     "\" font-family=\"Menlo, Consolas, 'DejaVu Sans Mono', monospace\" "
                     "font-size=\"" +
                     pixels(font_size) + "\" text-anchor=\"middle\" fill=\"#111827\">\n<title>" +
                     xml(module.class_name()) +
                     "</title>\n<defs><marker id=\"adze-arrow\" viewBox=\"0 0 8 8\" refX=\"7\" "
                     "refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">"
                     "<path d=\"M0 0 L8 4 L0 8 z\" fill=\"#8490a0\"/></marker></defs>\n"
                     "<g fill=\"none\" stroke=\"#8490a0\" stroke-width=\"1.5\">\n";
  for (const Edge& e : picture.edges)
    text += "<path d=\"" + path_of(e) + "\" marker-end=\"url(#adze-arrow)\"/>\n";
  text += "</g>\n<g stroke-width=\"1.3\">\n";
  for (std::size_t i = 0; i < boxes.size(); ++i) text += box_of(picture.nodes[i], boxes[i]);
  return text + "</g>\n</svg>\n";
}

}  // namespace adze::fx
