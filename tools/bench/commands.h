#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace adze::bench {

/// A sub-command: adds itself to the program. What it returns is run if the user asked for it, and
/// gives the exit code.
using Command = std::function<int()> (*)(CLI::App& program);

std::function<int()> add_gemm(CLI::App& program);
std::function<int()> add_sparse(CLI::App& program);
std::function<int()> add_elementwise(CLI::App& program);
std::function<int()> add_model(CLI::App& program);
std::function<int()> add_limits(CLI::App& program);
std::function<int()> add_graph(CLI::App& program);

}  // namespace adze::bench
