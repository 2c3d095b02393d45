#pragma once

#include <functional>
#include <string>
#include <vector>

#include "adze/fx/graph_module.h"

namespace adze::fx {

/// What a picture says of a node beyond its name and what it calls.
struct NodeNotes {
  std::vector<std::string> lines = {};  // put below the others
  std::string fill = {};                // a colour for SVG and DOT ("#ffe4e6"); empty: by kind
};

struct DrawOptions {
  /// Asked for each node that is drawn.
  std::function<NodeNotes(const Node&)> describe = {};
  /// Buffers of one number (scales, zero points) are written into the ops that use them instead of
  /// being drawn as nodes.
  bool hide_scalars = true;
};

/// The graph as text for Graphviz. Boxes hold the node's name, what it calls, and its shape and
/// dtype where `meta.tensor` knows them; fills tell inputs and outputs, parameters, layers, ops and
/// quantized values apart. Equal graphs give equal text. Throws when a target is missing.
std::string to_dot(GraphModule& module, const DrawOptions& options = {});

/// The same as an SVG picture, laid out from top to bottom; it has no background and can be read on
/// white and on black.
std::string to_svg(GraphModule& module, const DrawOptions& options = {});

}  // namespace adze::fx
