#include "adze/drawing.h"

#include "adze/console.h"
#include "adze/core/creation.h"
#include "adze/fx/graph_drawer.h"
#include "adze/fx/tracer.h"

namespace adze::cli {
namespace {

std::shared_ptr<fx::GraphModule> graph_of(const nn::ModulePtr& network, std::int64_t features) {
  if (auto graph = std::dynamic_pointer_cast<fx::GraphModule>(network)) return graph;
  fx::TraceOptions options;
  if (features > 0) options.example_inputs = {zeros({2, features})};
  return fx::symbolic_trace(network, options);
}

}  // namespace

void check_drawing(const std::string& path) {
  check(path.ends_with(".svg") || path.ends_with(".dot"), path, ": a picture ends in .svg or .dot");
}

void draw(const std::string& path, const nn::ModulePtr& network, std::int64_t features) {
  check_drawing(path);
  const auto graph = graph_of(network, features);
  write_file(path, path.ends_with(".svg") ? fx::to_svg(*graph) : fx::to_dot(*graph));
}

}  // namespace adze::cli
