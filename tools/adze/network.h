#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "adze/data.h"
#include "adze/nn/module.h"

// The networks that the program trains.
namespace adze::cli {

struct NetworkOptions {
  std::string network = "mlp";  // or "residual"
  std::string layers;           // "64,256,128,10"; empty: chosen by the data
  double dropout = 0.2;

  void add_to(CLI::App& app);
  /// `layers` as numbers, empty when it is; throws when it holds anything else.
  std::vector<std::int64_t> sizes() const;
};

/// The sizes of the network, features first, classes last. Throws when they do not fit the data or
/// the kind of network.
std::vector<std::int64_t> layer_sizes(const NetworkOptions& options, const Data& data);

/// A float network. "mlp": QuantStub, (Linear, ReLU, Dropout) for each hidden layer, Linear,
/// DeQuantStub. "residual": a Linear of the features to the width (the second size), one block for
/// each further size, which is that of its inner layer, and a Linear of the width to the classes;
/// its blocks call functions and have no stubs, so only graph mode makes int8 of it.
nn::ModulePtr build_network(const NetworkOptions& options, const std::vector<std::int64_t>& sizes);

}  // namespace adze::cli
