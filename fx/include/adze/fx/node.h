#pragma once

#include <any>
#include <concepts>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "adze/core/op.h"

namespace adze::fx {

class Graph;
class Node;

/// What a node is given: the result of another node, a constant, or a list of arguments.
class Argument {
 public:
  using List = std::vector<Argument>;

  Argument() = default;  // None
  Argument(Node* node);  // nullptr: None
  Argument(Node& node) : Argument(&node) {}
  /// A constant. Throws for a defined tensor: tensors are attributes of the module (get_attr).
  Argument(Value constant);
  template <class T>
  requires(std::constructible_from<Value, T> && !std::same_as<std::remove_cvref_t<T>, Value> &&
           !std::is_pointer_v<std::remove_cvref_t<T>>) Argument(T&& constant)
      : Argument(Value(std::forward<T>(constant))) {}
  Argument(const char* text) : Argument(Value(text)) {}
  Argument(List list) : v_(std::move(list)) {}

  bool is_node() const { return std::holds_alternative<Node*>(v_); }
  bool is_list() const { return std::holds_alternative<List>(v_); }
  bool is_constant() const { return std::holds_alternative<Value>(v_); }
  bool is_none() const { return is_constant() && constant().is_none(); }

  // Each throws when the argument is something else.
  Node* node() const;
  const List& list() const;
  const Value& constant() const;

  /// "%x", "2", "[%a, %b]".
  std::string str() const;
  /// The same nodes and constants, of the same kinds, in the same places.
  friend bool operator==(const Argument& a, const Argument& b);

 private:
  std::variant<Value, Node*, List> v_;
};

/// Calls `f(node)` for each node in an argument, in order.
template <class F>
void for_each_node(const Argument& argument, F&& f) {
  if (argument.is_node()) {
    f(argument.node());
  } else if (argument.is_list()) {
    for (const Argument& a : argument.list()) for_each_node(a, f);
  }
}
/// The argument with each node replaced by `f(node)`.
template <class F>
Argument map_nodes(const Argument& argument, F&& f) {
  if (argument.is_node()) return f(argument.node());
  if (!argument.is_list()) return argument;
  Argument::List list;
  for (const Argument& a : argument.list()) list.push_back(map_nodes(a, f));
  return list;
}
/// True when both are of one kind and hold the same: tensors when they are one object, doubles when
/// nothing tells them apart (0.0 and -0.0 differ).
bool same_value(const Value& a, const Value& b);

enum class Opcode : std::uint8_t { placeholder, get_attr, call_function, call_module, output };
/// "call_function", ...
std::string_view name(Opcode op);

/// What is known of the tensor that a node gives.
struct TensorMetadata {
  Shape shape;
  DType dtype = float32;
  bool requires_grad = false;
  QuantizerPtr quantizer;  // nullptr unless quantized
};

/// What passes know of a node beside what it computes. Copied with the node.
struct NodeMetadata {
  std::string module_path;  // of the module whose forward made the call; "" for the root
  std::string module_type;  // its class, without namespaces
  std::optional<TensorMetadata> tensor;
  std::map<std::string, std::any> custom;  // for passes, by name
};

/// One step of a graph.
///
/// * placeholder: an input, `target` its name; args: its default, if it has one, and `true` behind
///   it when the graph was traced for that value only;
/// * get_attr: the parameter or buffer at the dotted path `target`;
/// * call_function: the op `function()`, `target` its name, on `args`;
/// * call_module: the module at the dotted path `target`, on `args`;
/// * output: args[0] is what the graph returns.
///
/// Nodes belong to their graph. Changing arguments keeps `users` of all nodes right.
class Node {
 public:
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Graph& graph() const { return *graph_; }
  const std::string& name() const { return name_; }
  Opcode op() const { return op_; }
  const std::string& target() const { return target_; }
  /// The op of a call_function, else nullptr.
  const OpBase* function() const { return function_; }
  const std::vector<Argument>& args() const { return args_; }
  /// The i-th argument; throws when there is none.
  const Argument& arg(std::size_t i) const;
  /// Nodes that use this one, each once, in the order in which they started to.
  const std::vector<Node*>& users() const { return users_; }
  /// Nodes in the arguments, each once, in order.
  std::vector<Node*> all_input_nodes() const;

  bool is_placeholder() const { return op_ == Opcode::placeholder; }
  bool is_get_attr() const { return op_ == Opcode::get_attr; }
  bool is_module_call() const { return op_ == Opcode::call_module; }
  bool is_output() const { return op_ == Opcode::output; }
  /// True for a call of that op.
  bool calls(const OpBase& function) const { return function_ == &function; }

  void set_args(std::vector<Argument> args);
  void update_arg(std::size_t i, Argument value);
  void insert_arg(std::size_t i, Argument value);
  void set_target(std::string target);
  /// Makes a call_function call another op.
  void set_function(const OpBase& function);

  /// Lets users of this node use `to` instead, except `to` itself and those that `keep` picks;
  /// returns those that changed.
  std::vector<Node*> replace_all_uses_with(Node& to, bool (*keep)(const Node& user) = nullptr);
  void replace_input_with(Node& from, Node& to);
  /// Moves `other` right behind (in front of) this node.
  void append(Node& other);
  void prepend(Node& other);
  Node* next() const;  // nullptr at the end
  Node* prev() const;

  /// "%relu : [num_users=1] = call_function[target=relu](args = (%a,))".
  std::string str() const;

  NodeMetadata meta;

 private:
  friend class Graph;
  struct Key {};

 public:
  Node(Key, Graph& graph, Opcode op, std::string name, std::string target, const OpBase* function)
      : graph_(&graph),
        op_(op),
        name_(std::move(name)),
        target_(std::move(target)),
        function_(function) {}

 private:
  void drop_uses();
  void add_uses();

  Graph* graph_;
  Opcode op_;
  std::string name_, target_;
  const OpBase* function_;
  std::vector<Argument> args_;
  std::vector<Node*> users_;
  std::list<Node>::iterator self_;
};

std::ostream& operator<<(std::ostream& os, const Node& node);

}  // namespace adze::fx
