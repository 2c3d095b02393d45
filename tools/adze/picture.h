#pragma once

#include <string>

#include "adze/nn/module.h"

// Pictures of graphs.
namespace adze::cli {

/// Throws unless the name of the file says what kind of picture it is: .svg or .dot.
void check_picture(const std::string& path);
/// The graph as such a picture. Throws when the network is no graph.
std::string picture(nn::Module& network, const std::string& path);

}  // namespace adze::cli
