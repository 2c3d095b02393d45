// Any text is a graph or is refused with an Error; what was read can be printed, copied, written
// and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "adze/fx/graph.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace adze;
  fx::Graph graph;
  try {
    graph = fx::Graph::from_text(std::string(reinterpret_cast<const char*>(data), size));
  } catch (const Error&) {
    return 0;
  }
  graph.lint();
  const fx::Graph copy = graph;
  if (fx::Graph::from_text(copy.to_text()).str() != graph.str()) std::abort();
  return 0;
}
