#pragma once

#include <functional>
#include <list>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adze/fx/node.h"
#include "adze/nn/module.h"

namespace adze::fx {

/// The steps of a network in the order in which they run.
///
///     Graph g;
///     Node& x = g.placeholder("x");
///     g.output(g.call_function(ops::relu, {x}));
///
/// New nodes are put at the insert point: the end, or where `inserting_before` / `inserting_after`
/// moved it. Copying a graph copies its nodes.
class Graph {
 public:
  Graph() = default;
  Graph(const Graph& other);
  Graph& operator=(const Graph& other);
  Graph(Graph&& other) noexcept;
  Graph& operator=(Graph&& other) noexcept;

  // ---- making nodes ----------------------------------------------------------------------------
  Node& placeholder(const std::string& name, std::vector<Argument> default_value = {});
  Node& get_attr(const std::string& path, const std::string& name = "");
  Node& call_function(const OpBase& function, std::vector<Argument> args,
                      const std::string& name = "");
  Node& call_module(const std::string& path, std::vector<Argument> args,
                    const std::string& name = "");
  Node& output(Argument result);
  /// Copies a node of any graph; `map` gives the arguments' nodes in this graph.
  Node& node_copy(const Node& node, const std::function<Node*(Node*)>& map);
  /// Copies all nodes of `other` but its output to the insert point. `map` holds replacements for
  /// nodes of `other` (its placeholders, say) and is completed; returns what `other` returns.
  Argument graph_copy(const Graph& other, std::unordered_map<const Node*, Node*>& map);

  /// Moves the insert point while it lives. When the node that it stands at is erased it goes on to
  /// the next; when nodes are assigned to the graph, to the end.
  class InsertPoint {
   public:
    InsertPoint(Graph& graph, std::list<Node>::iterator at) : graph_(&graph) {
      graph.insert_at_.push_back(at);
    }
    ~InsertPoint() { graph_->insert_at_.pop_back(); }
    InsertPoint(const InsertPoint&) = delete;
    InsertPoint& operator=(const InsertPoint&) = delete;

   private:
    Graph* graph_;
  };
  [[nodiscard]] InsertPoint inserting_before(Node& node) { return {*this, node.self_}; }
  /// Nodes made one after the other keep their order.
  [[nodiscard]] InsertPoint inserting_after(Node& node) { return {*this, std::next(node.self_)}; }

  // ---- looking ---------------------------------------------------------------------------------
  std::list<Node>& nodes() { return nodes_; }
  const std::list<Node>& nodes() const { return nodes_; }
  /// All nodes as they stand now: safe to go through while nodes are erased or added.
  std::vector<Node*> node_list();
  std::size_t size() const { return nodes_.size(); }
  /// The node with that name, or nullptr.
  Node* find(std::string_view name);
  const Node* find(std::string_view name) const;
  /// Nodes of one kind, those with that target unless it is empty.
  std::vector<Node*> find_nodes(Opcode op, std::string_view target = {});
  std::vector<Node*> placeholders() { return find_nodes(Opcode::placeholder); }
  /// The output node, or nullptr.
  Node* output_node();
  const Node* output_node() const;

  // ---- changing --------------------------------------------------------------------------------
  /// Throws when the node still has users, or is of another graph.
  void erase_node(Node& node);
  /// Erases nodes whose result nobody uses, except placeholders, outputs and those for which
  /// `is_impure` is true; returns whether there were any.
  bool eliminate_dead_code(const std::function<bool(const Node&)>& is_impure = {});
  /// A name that no node has or had, made from `candidate` by the field's rules.
  std::string unique_name(const std::string& candidate);
  /// Grows with every change.
  std::uint64_t version() const { return version_; }

  /// Throws, naming the first fault, unless nodes are used behind where they are made and in this
  /// graph only, names are unique, there is one output, at the end, and ops get as many arguments
  /// as they take. With `root`: unless the targets of get_attr and call_module are there.
  void lint(nn::Module* root = nullptr) const;

  // ---- text ------------------------------------------------------------------------------------
  /// "graph():" and a line for each node.
  std::string str() const;
  /// A table: opcode, name, target, args.
  std::string tabular() const;
  /// All of the graph as JSON text, and back. Throws, naming the fault, for text that is no graph
  /// and for ops that `find` does not know.
  std::string to_text() const;
  static Graph from_text(const std::string& text,
                         const std::function<const OpBase*(std::string_view)>& find = find_op);

 private:
  friend class Node;
  friend class GraphModule;
  Node& insert(Opcode op, const std::string& candidate, std::string target, const OpBase* function,
               std::vector<Argument> args);
  void check_owns(const std::vector<Argument>& args, std::string_view user) const;
  void adopt();
  void touch() { ++version_; }

  std::list<Node> nodes_;
  // Where the insert points that live stand, innermost last; without any: the end.
  std::vector<std::list<Node>::iterator> insert_at_;
  std::set<std::string, std::less<>> used_names_;
  std::map<std::string, std::int64_t> base_count_;
  std::uint64_t version_ = 0;
};

std::ostream& operator<<(std::ostream& os, const Graph& graph);

}  // namespace adze::fx
