#include "adze/fx/graph.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "adze/nn/traversal.h"

#include "names.h"

namespace adze::fx {

// ---- copies -------------------------------------------------------------------------------------

Graph::Graph(const Graph& other) {
  std::unordered_map<const Node*, Node*> map;
  for (const Node& node : other.nodes_) {
    Node& copy = insert(node.op(), node.name(), node.target(), node.function(), {});
    copy.meta = node.meta;
    map[&node] = &copy;
  }
  // Behind all nodes: a graph on its way to another order can be copied too.
  for (const Node& node : other.nodes_) {
    Node& copy = *map.at(&node);
    for (const Argument& a : node.args())
      copy.args_.push_back(map_nodes(a, [&](Node* n) { return map.at(n); }));
    copy.add_uses();
  }
  base_count_ = other.base_count_;
}

Graph& Graph::operator=(const Graph& other) {
  if (this != &other) *this = Graph(other);
  return *this;
}

Graph::Graph(Graph&& other) noexcept {
  *this = std::move(other);
}

Graph& Graph::operator=(Graph&& other) noexcept {
  if (this == &other) return *this;
  nodes_ = std::move(other.nodes_);
  used_names_ = std::exchange(other.used_names_, {});
  base_count_ = std::exchange(other.base_count_, {});
  version_ = std::max(version_, other.version_) + 1;
  other.nodes_.clear();
  other.adopt();
  other.touch();
  adopt();
  return *this;
}

void Graph::adopt() {
  std::fill(insert_at_.begin(), insert_at_.end(), nodes_.end());
  for (Node& node : nodes_) node.graph_ = this;
}

// ---- making nodes -------------------------------------------------------------------------------

void Graph::check_owns(const std::vector<Argument>& args, std::string_view user) const {
  for (const Argument& a : args)
    for_each_node(a, [&](Node* n) {
      check(n->graph_ == this, "fx: '", n->name(), "', an argument of '", user,
            "', is a node of another graph");
    });
}

Node& Graph::insert(Opcode op, const std::string& candidate, std::string target,
                    const OpBase* function, std::vector<Argument> args) {
  check_owns(args, candidate);
  std::string name = unique_name(candidate);
  const auto it = nodes_.emplace(insert_at_.empty() ? nodes_.end() : insert_at_.back(), Node::Key{},
                                 *this, op, std::move(name), std::move(target), function);
  it->self_ = it;
  it->args_ = std::move(args);
  it->add_uses();
  touch();
  return *it;
}

Node& Graph::placeholder(const std::string& name, std::vector<Argument> default_value) {
  return insert(Opcode::placeholder, snake_case(name), name, nullptr, std::move(default_value));
}

Node& Graph::get_attr(const std::string& path, const std::string& name) {
  check(!path.empty(), "fx: get_attr needs the path of a parameter");
  return insert(Opcode::get_attr, name.empty() ? snake_case(path) : name, path, nullptr, {});
}

Node& Graph::call_function(const OpBase& function, std::vector<Argument> args,
                           const std::string& name) {
  const std::string target(function.name());
  return insert(Opcode::call_function, name.empty() ? function_name(target) : name, target,
                &function, std::move(args));
}

Node& Graph::call_module(const std::string& path, std::vector<Argument> args,
                         const std::string& name) {
  check(!path.empty(), "fx: call_module needs the path of a module");
  return insert(Opcode::call_module, name.empty() ? snake_case(path) : name, path, nullptr,
                std::move(args));
}

Node& Graph::output(Argument result) {
  return insert(Opcode::output, "output", "output", nullptr, {std::move(result)});
}

Node& Graph::node_copy(const Node& node, const std::function<Node*(Node*)>& map) {
  std::vector<Argument> args;
  for (const Argument& a : node.args()) args.push_back(map_nodes(a, map));
  Node& copy = insert(node.op(), node.name(), node.target(), node.function(), std::move(args));
  copy.meta = node.meta;
  return copy;
}

Argument Graph::graph_copy(const Graph& other, std::unordered_map<const Node*, Node*>& map) {
  const auto look_up = [&](Node* n) {
    const auto at = map.find(n);
    check(at != map.end(), "fx: graph_copy: '", n->name(),
          "' is used before it is made, and nothing stands for it");
    return at->second;
  };
  for (const Node& node : other.nodes_) {
    if (map.contains(&node)) continue;
    if (node.is_output()) return map_nodes(node.arg(0), look_up);
    Node& copy = node_copy(node, look_up);
    map[&node] = &copy;
  }
  return {};
}

// ---- looking ------------------------------------------------------------------------------------

std::vector<Node*> Graph::node_list() {
  std::vector<Node*> all;
  for (Node& n : nodes_) all.push_back(&n);
  return all;
}

const Node* Graph::find(std::string_view name) const {
  const auto it =
      std::find_if(nodes_.begin(), nodes_.end(), [&](const Node& n) { return n.name() == name; });
  return it == nodes_.end() ? nullptr : &*it;
}

Node* Graph::find(std::string_view name) {
  return const_cast<Node*>(std::as_const(*this).find(name));
}

std::vector<Node*> Graph::find_nodes(Opcode op, std::string_view target) {
  std::vector<Node*> found;
  for (Node& n : nodes_)
    if (n.op() == op && (target.empty() || n.target() == target)) found.push_back(&n);
  return found;
}

const Node* Graph::output_node() const {
  const auto it =
      std::find_if(nodes_.begin(), nodes_.end(), [](const Node& n) { return n.is_output(); });
  return it == nodes_.end() ? nullptr : &*it;
}

Node* Graph::output_node() {
  return const_cast<Node*>(std::as_const(*this).output_node());
}

// ---- changing -----------------------------------------------------------------------------------

void Graph::erase_node(Node& node) {
  check(node.graph_ == this, "fx: '", node.name(), "' is of another graph");
  if (!node.users_.empty()) {
    std::string users;
    for (const Node* u : node.users_) users += (users.empty() ? "'" : ", '") + u->name() + "'";
    fail("fx: node '", node.name(), "' cannot be erased, it still has ", node.users_.size(),
         " user(s): ", users);
  }
  node.drop_uses();
  for (auto& at : insert_at_)
    if (at == node.self_) ++at;
  nodes_.erase(node.self_);
  touch();
}

bool Graph::eliminate_dead_code(const std::function<bool(const Node&)>& is_impure) {
  bool changed = false;
  const std::vector<Node*> all = node_list();
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    Node& n = **it;
    if (!n.users_.empty() || n.is_placeholder() || n.is_output()) continue;
    if (is_impure && is_impure(n)) continue;
    erase_node(n);
    changed = true;
  }
  return changed;
}

std::string Graph::unique_name(const std::string& candidate) {
  const NumberedName wanted = numbered_name(candidate);
  std::string name = wanted.str();
  std::int64_t number = wanted.number.value_or(0);
  if (number == 0) number = base_count_[wanted.base];
  while (used_names_.contains(name) || is_reserved_name(name))
    name = wanted.base + "_" + std::to_string(++number);
  used_names_.insert(name);
  base_count_[wanted.base] = number;
  return name;
}

void Graph::lint(nn::Module* root) const {
  std::unordered_set<const Node*> defined;
  std::set<std::string_view> names;
  const Node* output = nullptr;
  for (const Node& n : nodes_) {
    check(n.graph_ == this, "fx: node '", n.name(), "' belongs to another graph");
    check(names.insert(n.name()).second, "fx: two nodes are named '", n.name(), "'");
    check(!output, "fx: node '", n.name(), "' stands behind the output");
    for (const Node* input : n.all_input_nodes()) {
      check(input->graph_ == this, "fx: '", input->name(), "', an argument of '", n.name(),
            "', is a node of another graph");
      if (!defined.contains(input))
        fail("fx: argument '", input->name(), "' of node '", n.name(),
             "' is used before it is made; ", "nodes must be in the order in which they run:\n",
             str());
    }
    defined.insert(&n);
    if (n.is_output()) {
      output = &n;
      check(n.args().size() == 1, "fx: the output takes 1 argument, got ", n.args().size());
    }
    if (n.is_placeholder())
      for (const Argument& a : n.args())
        check(a.is_constant(), "fx: the default of placeholder '", n.name(),
              "' is no constant but ", a.str());
    if (n.function())
      check(n.args().size() == n.function()->arity(), "fx: node '", n.name(), "': ", n.target(),
            " takes ", n.function()->arity(), " arguments, got ", n.args().size());
    if (root && n.is_module_call())
      check(nn::find_module(*root, n.target()) != nullptr, "fx: node '", n.name(),
            "' calls module '", n.target(), "', which ", root->type(), " does not have");
    if (root && n.is_get_attr())
      check(nn::find_parameter(*root, n.target()) != nullptr, "fx: node '", n.name(), "' reads '",
            n.target(), "', which ", root->type(), " does not have");
  }
  check(output != nullptr, "fx: the graph has no output");
}

}  // namespace adze::fx
