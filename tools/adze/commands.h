#pragma once

#include <cstdint>
#include <optional>

#include <CLI/CLI.hpp>

// The sub-commands. Each adds itself to the program and does its work in its callback; errors come
// out as exceptions.
namespace adze::cli {

void add_train(CLI::App& program);
void add_prune(CLI::App& program);
void add_quantize(CLI::App& program);
void add_eval(CLI::App& program);
void add_inspect(CLI::App& program);
void add_compress(CLI::App& program);

/// Options that every command with work to do has.
struct RunOptions {
  std::uint64_t seed = 1;
  int threads = 0;  // 0: all cores

  void add_to(CLI::App& app);
  /// Sets threads and seed for the process.
  void apply() const;
};

}  // namespace adze::cli
