#pragma once

#include <string>

#include "adze/nn/module.h"

namespace adze::cli {

/// Throws unless the name ends in .svg or .dot.
void check_drawing(const std::string& path);
/// Writes a picture of the network's graph: SVG, or text for Graphviz. Networks that are no graph
/// are traced; `features`: the size of an input, 0 where it is not known.
void draw(const std::string& path, const nn::ModulePtr& network, std::int64_t features);

}  // namespace adze::cli
