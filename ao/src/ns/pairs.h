#pragma once

#include <string>
#include <vector>

#include "adze/ao/ns/comparison.h"
#include "adze/ao/ns/utils.h"
#include "adze/core/tensor.h"
#include "adze/nn/module.h"

#include "quantization/watch.h"

namespace adze::ao::ns {

using quantization::computed_weight;
using quantization::is_layer;
using quantization::shown_type;

/// A module of network b and the one of network a at the same place; nullptr where there is none.
struct Pair {
  std::string name;
  adze::nn::Module *a, *b;
};

/// The modules of both networks by their paths, in the order of b, then those that only a has.
/// A layer and the pair into which it was fused have one path.
std::vector<Pair> find_pairs(adze::nn::Module& a, adze::nn::Module& b);
/// The pair as one that was not compared: for the given reason, or because it is none.
Unpaired unpaired(const Pair& pair, std::string reason = {});

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
