#pragma once

#include <vector>

#include "adze/fx/interpreter.h"

namespace adze::fx {

/// Runs a network and notes, at each node, what tensor it gives.
///
///     fx::ShapeProp(*gm).propagate({x});
///     gm->graph().find("relu")->meta.tensor->shape;
class ShapeProp : public Interpreter {
 public:
  using Interpreter::Interpreter;
  /// What the graph returns. Fills `meta.tensor` of every node (of the output: of what is
  /// returned); nodes that give no tensor have none. When a node fails, nodes keep what they had.
  Value propagate(std::vector<Value> args);

 protected:
  Value run_node(Node& node) override;

 private:
  std::vector<std::pair<Node*, std::optional<TensorMetadata>>> found_;
};

}  // namespace adze::fx
