#include "adze/fx/node.h"

#include <algorithm>
#include <bit>

#include "adze/fx/graph.h"

namespace adze::fx {

// ---- Argument -----------------------------------------------------------------------------------

Argument::Argument(Node* node) {
  if (node) v_ = node;
}

Argument::Argument(Value constant) {
  check(!constant.is_tensor() || !constant.to_tensor().defined(),
        "fx: a tensor cannot be an argument of a node; make it an attribute of the module and use "
        "get_attr");
  if (!constant.is_tensor()) v_ = std::move(constant);
}

Node* Argument::node() const {
  if (!is_node()) fail("fx: a node was expected as argument, got ", str());
  return std::get<Node*>(v_);
}

const Argument::List& Argument::list() const {
  if (!is_list()) fail("fx: a list was expected as argument, got ", str());
  return std::get<List>(v_);
}

const Value& Argument::constant() const {
  if (!is_constant()) fail("fx: a constant was expected as argument, got ", str());
  return std::get<Value>(v_);
}

std::string Argument::str() const {
  if (is_node()) return "%" + node()->name();
  if (is_constant()) return constant().str();
  std::string text = "[";
  for (const Argument& a : list()) text += (text.size() > 1 ? ", " : "") + a.str();
  return text + "]";
}

bool operator==(const Argument& a, const Argument& b) {
  if (a.v_.index() != b.v_.index()) return false;
  if (a.is_node()) return a.node() == b.node();
  if (a.is_list()) return a.list() == b.list();
  return same_value(a.constant(), b.constant());
}

bool same_value(const Value& a, const Value& b) {
  if (a.type_name() != b.type_name()) return false;
  if (a.is_tensor()) return a.to_tensor().is_same(b.to_tensor());
  if (a.is_shape()) return a.to_shape() == b.to_shape();
  if (a.is_string()) return a.to_string() == b.to_string();
  if (a.is_dtype()) return a.to_dtype() == b.to_dtype();
  if (a.is_list())
    return std::equal(a.to_list().begin(), a.to_list().end(), b.to_list().begin(),
                      b.to_list().end(), same_value);
  // By their bits: NaN is NaN, and 0 is not -0.
  if (a.is_double())
    return std::bit_cast<std::uint64_t>(a.to_double()) ==
           std::bit_cast<std::uint64_t>(b.to_double());
  return a.is_none() || a.to_int() == b.to_int();
}

// ---- Node ---------------------------------------------------------------------------------------

std::string_view name(Opcode op) {
  static constexpr std::string_view names[] = {"placeholder", "get_attr", "call_function",
                                               "call_module", "output"};
  return names[static_cast<std::size_t>(op)];
}

const Argument& Node::arg(std::size_t i) const {
  check(i < args_.size(), "fx: node '", name_, "' has no argument ", i, ", it has ", args_.size());
  return args_[i];
}

std::vector<Node*> Node::all_input_nodes() const {
  std::vector<Node*> inputs;
  for (const Argument& a : args_)
    for_each_node(a, [&](Node* n) {
      if (std::find(inputs.begin(), inputs.end(), n) == inputs.end()) inputs.push_back(n);
    });
  return inputs;
}

void Node::drop_uses() {
  for (Node* input : all_input_nodes()) std::erase(input->users_, this);
}

void Node::add_uses() {
  for (Node* input : all_input_nodes())
    if (std::find(input->users_.begin(), input->users_.end(), this) == input->users_.end())
      input->users_.push_back(this);
}

void Node::set_args(std::vector<Argument> args) {
  graph_->check_owns(args, name_);
  const std::vector<Node*> before = all_input_nodes();
  args_ = std::move(args);
  const std::vector<Node*> after = all_input_nodes();
  for (Node* input : before)
    if (std::find(after.begin(), after.end(), input) == after.end())
      std::erase(input->users_, this);
  add_uses();
  graph_->touch();
}

void Node::update_arg(std::size_t i, Argument value) {
  arg(i);
  std::vector<Argument> args = args_;
  args[i] = std::move(value);
  set_args(std::move(args));
}

void Node::insert_arg(std::size_t i, Argument value) {
  check(i <= args_.size(), "fx: node '", name_, "' has ", args_.size(),
        " arguments, none can be inserted at ", i);
  std::vector<Argument> args = args_;
  args.insert(args.begin() + static_cast<std::ptrdiff_t>(i), std::move(value));
  set_args(std::move(args));
}

void Node::set_target(std::string target) {
  check(op_ == Opcode::get_attr || op_ == Opcode::call_module, "fx: the target of ", fx::name(op_),
        " '", name_, "' is no path; use set_function for ops");
  target_ = std::move(target);
  graph_->touch();
}

void Node::set_function(const OpBase& function) {
  check(op_ == Opcode::call_function, "fx: ", fx::name(op_), " '", name_, "' calls no op");
  function_ = &function;
  target_ = function.name();
  graph_->touch();
}

std::vector<Node*> Node::replace_all_uses_with(Node& to, bool (*keep)(const Node&)) {
  check(to.graph_ == graph_, "fx: '", to.name_, "' is of another graph than '", name_, "'");
  std::vector<Node*> changed;
  if (&to == this) return changed;
  for (Node* user : std::vector<Node*>(users_)) {
    if (user == &to || (keep && keep(*user))) continue;
    user->replace_input_with(*this, to);
    changed.push_back(user);
  }
  return changed;
}

void Node::replace_input_with(Node& from, Node& to) {
  std::vector<Argument> args;
  for (const Argument& a : args_)
    args.push_back(map_nodes(a, [&](Node* n) { return n == &from ? &to : n; }));
  set_args(std::move(args));
}

void Node::append(Node& other) {
  check(other.graph_ == graph_, "fx: '", other.name_, "' is of another graph than '", name_, "'");
  if (&other == this) return;
  graph_->nodes_.splice(std::next(self_), graph_->nodes_, other.self_);
  graph_->touch();
}

void Node::prepend(Node& other) {
  check(other.graph_ == graph_, "fx: '", other.name_, "' is of another graph than '", name_, "'");
  if (&other == this) return;
  graph_->nodes_.splice(self_, graph_->nodes_, other.self_);
  graph_->touch();
}

Node* Node::next() const {
  const auto it = std::next(self_);
  return it == graph_->nodes_.end() ? nullptr : &*it;
}

Node* Node::prev() const {
  return self_ == graph_->nodes_.begin() ? nullptr : &*std::prev(self_);
}

std::string Node::str() const {
  if (is_output()) return "return " + (args_.empty() ? std::string("None") : args_[0].str());
  std::string text = "%" + name_ + " : [num_users=" + std::to_string(users_.size()) +
                     "] = " + std::string(fx::name(op_)) + "[target=" + target_ + "]";
  if (is_placeholder()) {
    if (!args_.empty()) text += "(default=" + args_[0].str() + (args_.size() > 1 ? ", only)" : ")");
    return text;
  }
  if (is_get_attr()) return text;
  text += "(args = (";
  for (std::size_t i = 0; i < args_.size(); ++i) text += (i ? ", " : "") + args_[i].str();
  return text + (args_.size() == 1 ? ",))" : "))");
}

std::ostream& operator<<(std::ostream& os, const Node& node) {
  return os << node.str();
}

}  // namespace adze::fx
