#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "adze/nn/module.h"

// What became of each layer of a network.
namespace adze::cli {

/// For machines.
nlohmann::ordered_json layers_json(nn::Module& network);
/// One line for each layer.
std::string layers_table(nn::Module& network);

}  // namespace adze::cli
