#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "quantization/fx/match.h"

namespace adze::ao::quantization::graph_mode {

/// Puts observers into a graph, and knows what the value of each node is: float, or quantized with
/// the qparams of which observer.
class Observation {
 public:
  explicit Observation(GraphModule& module) : module_(module) {}

  /// The dtype a value will have after conversion: float32, or that of its observer.
  DType dtype_of(const Node& node) const;
  /// Notes that a value is quantized although it has no observer (a quantized input).
  void note_quantized(const Node& node, DType dtype) { dtypes_[&node] = dtype; }

  /// Lets `user` see the value `input` through an observer that the factory builds: one of the same
  /// class and dtype that is there already, or a new one.
  void observe_input(Node& user, Node& input, const ObserverFactory& factory, bool is_weight);
  /// Puts a new observer behind a node, for all its users.
  Node& observe_output(Node& node, const ObserverFactory& factory);
  /// Puts an observer behind a node, for all its users, that is the one of the node's quantized
  /// inputs; all of these share one afterwards, except those whose range is fixed. Where ranges are
  /// fixed and differ the factory builds one. False, and nothing changes, when an input has none.
  bool share_with_inputs(Node& node, const ObserverFactory& factory);
  /// The observer that decides the qparams of a value, or nullptr.
  Node* source_of(Node& node) const;

 private:
  Node& insert(Node& behind, std::shared_ptr<ObserverOrFakeQuant> observer);
  std::shared_ptr<ObserverOrFakeQuant> shared_by(const std::vector<Node*>& sources,
                                                 const ObserverFactory& factory);
  void merge(const Node& observer, const Node& into);

  GraphModule& module_;
  std::unordered_map<const Node*, DType> dtypes_;
};

}  // namespace adze::ao::quantization::graph_mode
