#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace adze::fx::drawing {

/// A box to be placed. Width and height are given, the rest is found by `lay_out`.
struct Box {
  double width = 0, height = 0;
  bool leads = true;    // false: stands beside the main line (parameters)
  bool floats = false;  // depends on no input: stands right above its first user, not at the top
  double x = 0, y = 0;  // of its upper left corner
  std::size_t layer = 0;
};

/// From the bottom of one box to the top of another that comes later, through an even number of
/// points: straight from each even one to the next, in a curve from each odd one.
struct Edge {
  std::size_t from = 0, to = 0;
  std::vector<std::pair<double, double>> points = {};
};

struct Size {
  double width = 0, height = 0;
};

/// Places boxes in layers, each below all that it uses, and leads edges around boxes. Boxes do not
/// overlap. `boxes` are in an order in which edges point forward.
Size lay_out(std::vector<Box>& boxes, std::vector<Edge>& edges);

}  // namespace adze::fx::drawing
