#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/commands.h"
#include "bench/options.h"

namespace {

/// One sub-command for each line.
constexpr std::pair<const char*, adze::bench::Command> commands[] = {
    {"gemm", adze::bench::add_gemm},
    {"sparse", adze::bench::add_sparse},
    {"elementwise", adze::bench::add_elementwise},
    {"model", adze::bench::add_model},
    {"graph", adze::bench::add_graph},
    {"limits", adze::bench::add_limits},
};

int fail(const char* message) {
  std::fprintf(stderr, "adze-bench: %s\n", message);
  return 2;
}

int run(int argc, char** argv) {
  CLI::App program("Verifies kernels and graphs against their reference, then times them.",
                   "adze-bench");
  program.set_version_flag("--version", ADZE_VERSION);
  program.require_subcommand(1);
  std::vector<std::function<int()>> actions;
  for (const auto& [name, add] : commands) actions.push_back(add(program));
  try {
    program.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return program.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return fail(error.what());
  }
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (program.got_subcommand(commands[i].first)) return actions[i]();
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const adze::bench::UsageError& error) {
    return fail(error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "adze-bench: %s\n", error.what());
    return 1;
  }
}
