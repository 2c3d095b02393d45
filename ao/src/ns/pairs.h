#pragma once

#include <string>
#include <vector>

#include "adze/ao/ns/comparison.h"
#include "adze/ao/ns/utils.h"
#include "adze/core/tensor.h"
#include "adze/fx/graph_module.h"
#include "adze/nn/module.h"

namespace adze::ao::ns {

/// A module, or a step of a graph that has none.
struct Place {
  adze::nn::Module* module = nullptr;
  adze::fx::GraphModule* graph = nullptr;
  adze::fx::Node* node = nullptr;

  explicit operator bool() const { return module || node; }
  /// "nn::Linear", "quantized::add"; "" for no place.
  std::string type() const;
  bool ends_in_relu() const;
  /// The weight that it computes with, in float; undefined without one.
  Tensor weight() const;
  /// What owns the weight: the same for two places that share it.
  const void* weight_owner() const;
};

/// What stands at the same place of both networks; `a` or `b` is empty where there is nothing.
struct Pair {
  std::string name;
  Place a, b;
};

/// Modules by their paths and steps of graphs by their names, in the order of b, then what only a
/// has. A layer and the pair into which it was fused have one path, an op and its int8 form one
/// name. A ReLU that is part of its partner's layer in one network is left out.
std::vector<Pair> find_pairs(adze::nn::Module& a, adze::nn::Module& b);
/// The pair as one that was not compared: for the given reason, or because it is none.
Unpaired unpaired(const Pair& pair, std::string reason = {});

/// A network in the form in which it is compared with `other`: traced when it is eager and the
/// other is a graph, so that what its forward calls can be seen; itself when it cannot be traced.
/// The network shares its modules with what comes back, and must be in eval mode.
adze::nn::ModulePtr comparable_form(adze::nn::Module& network, const adze::nn::Module& other,
                                    const TensorList& inputs);

/// One comparison in the making: tensors come in pairs, a row or a reason comes out.
class Tally {
 public:
  /// Takes one more pair into account; different shapes end the comparison with a reason.
  void add(const Tensor& a, const Tensor& b);
  /// Ends the comparison.
  void give_up(std::string reason);
  /// Adds the result to `to`.
  void finish(const Pair& pair, ComparisonKind kind, Comparison& to) const;

 private:
  Agreement agreement_;
  Shape shape_;
  bool empty_ = true;
  std::string reason_;
};

}  // namespace adze::ao::ns
