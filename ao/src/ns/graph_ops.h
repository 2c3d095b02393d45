#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adze/ao/ns/comparison.h"
#include "adze/fx/graph_module.h"

#include "ns/pairs.h"

namespace adze::ao::ns {

/// One call of an op in a graph, with the ReLU behind it when that is its only use.
struct OpCall {
  std::string scope;  // path of the module whose forward makes it
  std::string op;     // "add" also for quantized::add_relu and add_scalar
  std::size_t index;  // of this op in this scope
  adze::fx::Node* node;
  adze::fx::Node* result;  // the ReLU, or the node itself
};

/// The ops of two networks of which at least one is a graph module; the other is traced.
class GraphOps {
 public:
  /// `example`: an input for tracing, or nullptr.
  GraphOps(adze::nn::Module& a, adze::nn::Module& b, const Tensor* example);
  bool any() const { return !pairs_.empty(); }

  /// Adds rows for the weights of functional layers.
  void compare_weights(Comparison& to);
  /// Runs both graphs on one input.
  void compare_outputs(const Tensor& input);
  void finish_outputs(Comparison& to);

 private:
  struct OpPair {
    const OpCall *a, *b;
    Tally tally = {};
  };
  std::shared_ptr<adze::fx::GraphModule> a_, b_;
  std::vector<OpCall> calls_a_, calls_b_;
  std::vector<OpPair> pairs_;
  std::vector<Unpaired> unpaired_;
};

}  // namespace adze::ao::ns
