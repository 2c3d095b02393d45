#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adze/nn/module.h"

// Small networks as nobody would write them, the same for the same seed.
namespace adze::test {

/// A network for inputs (N, 8) and what it is made of, as text. Values are (N, width). Made of:
/// layers and their ReLUs (modules, ops), layers called twice, layers that share a weight, linear
/// with parameters of the network, sums, products (with numbers too), cat, chunk, split, reshape,
/// transpose, sigmoid, tanh, softmax, dropout, and user-written modules inside. Each has an int8
/// form.
struct RandomNetwork {
  nn::ModulePtr net;
  std::string recipe;
  /// The weights of layers, by the names they have in the network, each once.
  std::vector<std::string> weights;
};
RandomNetwork random_network(std::uint32_t seed);

}  // namespace adze::test
