#include "adze/fx/subgraph_matcher.h"

#include <algorithm>
#include <typeinfo>
#include <utility>

#include "matching.h"

namespace adze::fx {
namespace {

using SameMember = std::function<bool(const Node& of_pattern, const Node& of_graph)>;

bool is_call(const Node& n) {
  return n.op() == Opcode::call_function || n.op() == Opcode::call_module;
}

void append_nodes(const Argument& a, const char* who, std::vector<Node*>& nodes) {
  if (a.is_node()) {
    nodes.push_back(a.node());
  } else if (a.is_list()) {
    for (const Argument& e : a.list()) append_nodes(e, who, nodes);
  } else {
    fail(who, ": must return tensors that it computes, it returns ", a.str());
  }
}

class Matcher {
 public:
  Matcher(Graph& graph, const Graph& pattern, SameMember same_member, const MatchOptions& options)
      : graph_(graph),
        pattern_(pattern),
        same_member_(std::move(same_member)),
        options_(options),
        outputs_(returned_nodes(pattern, "find_matches: the pattern")) {
    check(!outputs_.empty(), "find_matches: the pattern returns nothing");
    for (auto it = outputs_.begin(); it != outputs_.end(); ++it) {
      const std::string& name = (*it)->name();
      check(is_call(**it), "find_matches: the pattern returns '", name,
            "' without computing anything of it; each output must come from an op or a module");
      check(std::find(outputs_.begin(), it, *it) == it, "find_matches: the pattern returns '", name,
            "' twice");
    }
  }

  std::vector<Match> find() {
    std::vector<Match> matches;
    for (Node* anchor : graph_.node_list()) {
      bound_ = {};
      if (!bind(*outputs_[0], *anchor)) continue;
      std::optional<Match> match = bind_outputs_from(1);
      if (!match) continue;
      claimed_.insert(match->nodes.begin(), match->nodes.end());
      matches.push_back(std::move(*match));
    }
    return matches;
  }

 private:
  // What is bound so far: nodes of the pattern, and the calls of the graph that stand for them.
  struct Bound {
    std::unordered_map<const Node*, Node*> nodes;
    std::unordered_set<const Node*> calls;
  };

  // Leaves `bound_` half filled where it is false.
  bool bind(const Node& p, Node& g) {
    if (const auto known = bound_.nodes.find(&p); known != bound_.nodes.end())
      return known->second == &g;
    if (!p.is_placeholder()) {
      if (p.op() != g.op() || p.function() != g.function() || p.args().size() != g.args().size())
        return false;
      if (!p.function() && !same_member_(p, g)) return false;
      if (is_call(p) && (claimed_.contains(&g) || !bound_.calls.insert(&g).second)) return false;
    }
    bound_.nodes.emplace(&p, &g);
    return p.is_placeholder() || bind_all(p.args(), g.args());
  }

  bool bind_all(const std::vector<Argument>& p, const std::vector<Argument>& g) {
    return std::equal(p.begin(), p.end(), g.begin(), g.end(),
                      [&](const Argument& a, const Argument& b) { return bind_argument(a, b); });
  }

  bool bind_argument(const Argument& p, const Argument& g) {
    if (p.is_node()) return g.is_node() && bind(*p.node(), *g.node());
    if (p.is_list()) return g.is_list() && bind_all(p.list(), g.list());
    return p == g;
  }

  std::optional<Match> bind_outputs_from(std::size_t i) {
    if (i == outputs_.size()) return complete();
    const Bound before = bound_;
    for (Node* g : candidates(*outputs_[i]).value_or(graph_.node_list())) {
      if (bind(*outputs_[i], *g))
        if (std::optional<Match> match = bind_outputs_from(i + 1)) return match;
      bound_ = before;
    }
    return std::nullopt;
  }

  // What `p` can stand for, in view of what it depends on; nothing when none of that is bound.
  std::optional<std::vector<Node*>> candidates(const Node& p) const {
    if (const auto known = bound_.nodes.find(&p); known != bound_.nodes.end())
      return std::vector<Node*>{known->second};
    for (const Node* input : p.all_input_nodes()) {
      const auto of_input = candidates(*input);
      if (!of_input) continue;
      std::vector<Node*> users;
      for (const Node* n : *of_input)
        users.insert(users.end(), n->users().begin(), n->users().end());
      return users;
    }
    return std::nullopt;
  }

  bool is_output(const Node* p) const {
    return std::find(outputs_.begin(), outputs_.end(), p) != outputs_.end();
  }

  std::optional<Match> complete() const {
    Match match;
    const auto is_inside = [&](const Node* n) { return bound_.calls.contains(n); };
    for (const auto& [p, g] : bound_.nodes) {
      if (p->is_placeholder() && is_inside(g)) return std::nullopt;
      if (is_call(*p) && !is_output(p) &&
          !std::all_of(g->users().begin(), g->users().end(), is_inside))
        return std::nullopt;
    }
    for (const Node& p : pattern_.nodes())
      if (p.is_placeholder()) {
        const auto at = bound_.nodes.find(&p);
        match.inputs.push_back(at == bound_.nodes.end() ? nullptr : at->second);
      }
    for (const Node* p : outputs_) match.outputs.push_back(bound_.nodes.at(p));
    match.nodes = in_order(graph_, bound_.calls);
    match.anchor = match.outputs[0];
    match.nodes_map = bound_.nodes;
    if (!dependents_within(match.nodes) || (options_.filter && !options_.filter(match)))
      return std::nullopt;
    return match;
  }

  Graph& graph_;
  const Graph& pattern_;
  const SameMember same_member_;
  const MatchOptions& options_;
  const std::vector<Node*> outputs_;
  std::unordered_set<const Node*> claimed_;
  Bound bound_;
};

bool same_tensor(const nn::Parameter& a, const nn::Parameter& b) {
  if (a.is_buffer() != b.is_buffer()) return false;
  if (!a.is_buffer()) return true;
  return a.value().equal(b.value());
}

}  // namespace

std::vector<Node*> returned_nodes(const Graph& graph, const char* who) {
  const Node* output = graph.output_node();
  check(output != nullptr, who, ": the graph has no output");
  std::vector<Node*> nodes;
  append_nodes(output->arg(0), who, nodes);
  return nodes;
}

std::vector<Node*> in_order(Graph& graph, const std::unordered_set<const Node*>& nodes) {
  std::vector<Node*> all;
  for (Node& n : graph.nodes())
    if (nodes.contains(&n)) all.push_back(&n);
  return all;
}

std::optional<std::vector<Node*>> dependents_within(const std::vector<Node*>& match) {
  const auto is_of_match = [&](const Node* n) {
    return std::find(match.begin(), match.end(), n) != match.end();
  };
  std::vector<Node*> dependents;
  std::unordered_set<const Node*> found;
  for (Node* n = match.front(); n != match.back(); n = n->next()) {
    if (is_of_match(n)) continue;
    const std::vector<Node*> inputs = n->all_input_nodes();
    if (std::none_of(inputs.begin(), inputs.end(),
                     [&](const Node* i) { return found.contains(i) || is_of_match(i); }))
      continue;
    dependents.push_back(n);
    found.insert(n);
  }
  for (const Node* n : match)
    for (const Node* input : n->all_input_nodes())
      if (found.contains(input)) return std::nullopt;
  return dependents;
}

std::vector<Match> find_matches(Graph& graph, const Graph& pattern, const MatchOptions& options) {
  const auto same_path = [](const Node& p, const Node& g) { return p.target() == g.target(); };
  return Matcher(graph, pattern, same_path, options).find();
}

std::vector<Match> find_matches(GraphModule& module, GraphModule& pattern,
                                const MatchOptions& options) {
  const auto same_member = [&](const Node& p, const Node& g) {
    if (p.is_get_attr()) return same_tensor(pattern.parameter(p), module.parameter(g));
    const nn::Module &a = *pattern.submodule(p), &b = *module.submodule(g);
    return typeid(a) == typeid(b);
  };
  return Matcher(module.graph(), pattern.graph(), same_member, options).find();
}

}  // namespace adze::fx
