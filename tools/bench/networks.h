#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <adze/core/tensor.h>
#include <adze/nn/module.h>

namespace adze::bench {

/// A network of linear layers with ReLUs between, random weights.
///
/// It exists in three forms (float, int8, and int8 with most blocks of its weights zero), each as
/// modules and as a graph; all are made from one float network.
struct NetworkForm {
  std::string form;  ///< "fp32", "int8" or "pruned_int8"
  std::string mode;  ///< "eager" or "graph"
  nn::ModulePtr network;
  /// What it is held against: the float network, pruned or not.
  nn::ModulePtr floats;
};

struct PruneShape {
  std::int64_t rows = 4, columns = 4;
  double sparsity = 0.8;
};

std::vector<NetworkForm> make_forms(const std::vector<std::int64_t>& layers,
                                    const PruneShape& pruning);

/// The ratio of signal to error in decibels of the network's outputs, against the float ones.
double sqnr_db(const NetworkForm& form, const Tensor& x);

}  // namespace adze::bench
