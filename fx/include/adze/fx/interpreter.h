#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "adze/fx/graph_module.h"

namespace adze::fx {

/// Runs a graph node by node; derive from it to see or change what happens at each.
///
///     class Timer : public fx::Interpreter {
///       Value run_node(fx::Node& node) override { ...; return Interpreter::run_node(node); }
///     };
class Interpreter {
 public:
  /// `module` must outlive the interpreter.
  explicit Interpreter(GraphModule& module) : module_(&module) {}
  virtual ~Interpreter() = default;

  /// What the graph returns. `initial` holds results that are known beforehand: their nodes are not
  /// run. An error names the node in which it was met.
  Value run(std::span<const Value> args,
            const std::unordered_map<const Node*, Value>& initial = {});

  GraphModule& module() const { return *module_; }
  Graph& graph() const { return module_->graph(); }

 protected:
  /// Runs one node; calls one of the following.
  virtual Value run_node(Node& node);
  virtual Value placeholder(Node& node);
  virtual Value get_attr(Node& node);
  virtual Value call_function(Node& node, std::vector<Value> args);
  virtual Value call_module(Node& node, std::vector<Value> args);
  virtual Value output(Node& node, Value result);

  /// The value of an argument, its nodes replaced by their results so far.
  Value value_of(const Argument& argument) const;
  /// The result of a node that was run; throws when it was not, or is not kept any more.
  const Value& result_of(const Node& node) const;

 private:
  GraphModule* module_;
  std::vector<Value> inputs_;
  std::unordered_map<const Node*, Value> results_;
};

/// An Interpreter whose values are symbols: what it calls is written down as a new graph. Override
/// the handlers to put other ops in place.
class Transformer : public Interpreter {
 public:
  using Interpreter::Interpreter;
  /// The transformed network; slots and modules are shared.
  std::shared_ptr<GraphModule> transform();
};

}  // namespace adze::fx
