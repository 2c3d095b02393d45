#include "adze/fx/interpreter.h"

#include "adze/core/ops.h"
#include "adze/fx/tracer.h"
#include "adze/nn/traversal.h"

#include "plan.h"

namespace adze::fx {

Value Interpreter::run(std::span<const Value> args,
                       const std::unordered_map<const Node*, Value>& initial) {
  inputs_ = nn::detail::with_defaults(module_->forward_args(), args);
  check(inputs_.size() == graph().placeholders().size(), "Interpreter: forward takes ",
        graph().placeholders().size(), " arguments, got ", args.size());
  const std::vector<Node*> placeholders = graph().placeholders();
  for (std::size_t i = 0; i < inputs_.size(); ++i) check_traced_value(*placeholders[i], inputs_[i]);
  results_ = initial;
  std::unordered_map<const Node*, const Node*> last_user;
  for (const Node& n : graph().nodes())
    for (const Node* input : n.all_input_nodes()) last_user[input] = &n;
  for (Node* n : graph().node_list()) {
    if (results_.contains(n)) {
      if (n->is_output()) return results_.at(n);
      continue;
    }
    Value result;
    try {
      result = run_node(*n);
    } catch (Error& e) {
      e.enter(n->is_module_call() ? n->target() : nn::join_path(n->meta.module_path, n->name()));
      throw;
    }
    if (n->is_output()) {
      results_.clear();
      return result;
    }
    results_[n] = std::move(result);
    for (const Node* input : n->all_input_nodes())
      if (last_user.at(input) == n) results_.erase(input);
  }
  fail("Interpreter: the graph has no output");
}

const Value& Interpreter::result_of(const Node& node) const {
  const auto it = results_.find(&node);
  check(it != results_.end(), "Interpreter: the result of '", node.name(),
        "' is not known, or not kept any more");
  return it->second;
}

Value Interpreter::value_of(const Argument& argument) const {
  if (argument.is_node()) return result_of(*argument.node());
  if (argument.is_constant()) return argument.constant();
  Value::List list;
  for (const Argument& a : argument.list()) list.push_back(value_of(a));
  return list;
}

Value Interpreter::run_node(Node& node) {
  if (node.is_placeholder()) return placeholder(node);
  if (node.is_get_attr()) return get_attr(node);
  if (node.is_output()) return output(node, value_of(node.arg(0)));
  std::vector<Value> args;
  for (const Argument& a : node.args()) args.push_back(value_of(a));
  return node.is_module_call() ? call_module(node, std::move(args))
                               : call_function(node, std::move(args));
}

Value Interpreter::placeholder(Node& node) {
  const std::vector<Node*> all = graph().placeholders();
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] == &node) return inputs_[i];
  fail("Interpreter: '", node.name(), "' is no input of the graph");
}

Value Interpreter::get_attr(Node& node) {
  return module_->parameter(node).value();
}

namespace {
Symbol* symbol_in(const Value& v) {
  if (v.is_tensor()) return v.to_tensor().defined() ? v.to_tensor().symbol() : nullptr;
  if (v.is_list())
    for (const Value& e : v.to_list())
      if (Symbol* s = symbol_in(e)) return s;
  return nullptr;
}
}  // namespace

// A symbol may stand for a number or a list, which the types of an op would refuse. Taking an
// element out of a list that is known is no step.
Value Interpreter::call_function(Node& node, std::vector<Value> args) {
  if (node.calls(ops::getitem) && args[0].is_list()) return node.function()->call_boxed(args);
  for (const Value& a : args)
    if (Symbol* s = symbol_in(a)) return s->interceptor->record(*node.function(), std::move(args));
  return node.function()->call_boxed(args);
}

Value Interpreter::call_module(Node& node, std::vector<Value> args) {
  return module_->submodule(node)->call(std::move(args));
}

Value Interpreter::output(Node&, Value result) {
  return result;
}

namespace {

// Every module that the graph calls stays one call; what is written down is the interpreter's run.
class TransformTracer : public Tracer {
 public:
  explicit TransformTracer(Interpreter& interpreter) : interpreter_(interpreter) {}

 protected:
  bool is_leaf_module(nn::Module&, const std::string&) const override { return true; }
  Value run_root(nn::Module&, std::span<const Value> inputs) override {
    return interpreter_.run(inputs);
  }

 private:
  Interpreter& interpreter_;
};

}  // namespace

std::shared_ptr<GraphModule> Transformer::transform() {
  const nn::ModulePtr alias(&module(), [](nn::Module*) {});
  return TransformTracer(*this).trace(alias);
}

}  // namespace adze::fx
