#include "adze/picture.h"

#include "adze/fx/graph_drawer.h"
#include "adze/fx/graph_module.h"

namespace adze::cli {
namespace {

bool is_dot(const std::string& path) {
  return path.ends_with(".dot");
}

}  // namespace

void check_picture(const std::string& path) {
  check(is_dot(path) || path.ends_with(".svg"), "--draw: expected NAME.svg or NAME.dot, got '",
        path, "'");
}

std::string picture(nn::Module& network, const std::string& path) {
  auto* graph = dynamic_cast<fx::GraphModule*>(&network);
  check(graph != nullptr, "--draw: ", path, ": a tree of modules has no graph to draw");
  return is_dot(path) ? fx::to_dot(*graph) : fx::to_svg(*graph);
}

}  // namespace adze::cli
