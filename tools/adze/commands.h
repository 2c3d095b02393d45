#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "adze/data.h"
#include "adze/model.h"

// The sub-commands. Each adds itself to the program and does its work in its callback; errors come
// out as exceptions.
namespace adze::cli {

void add_train(CLI::App& program);
void add_prune(CLI::App& program);
void add_quantize(CLI::App& program);
void add_eval(CLI::App& program);
void add_inspect(CLI::App& program);
void add_compare(CLI::App& program);
void add_compress(CLI::App& program);

/// A sub-command whose options live as long as the program. `Options` has add_to(CLI::App&).
template <class Options, class Run>
void add_command(CLI::App& program, const char* name, const char* description, Run run) {
  CLI::App* app = program.add_subcommand(name, description);
  auto options = std::make_shared<Options>();
  options->add_to(*app);
  app->callback([options, run] { run(*options); });
}

/// Options that every command with work to do has.
struct RunOptions {
  std::uint64_t seed = 1;
  int threads = 0;  // 0: all cores

  void add_to(CLI::App& app);
  /// Sets threads and seed for the process.
  void apply() const;
};

/// The data for a model. Throws when it does not fit; `path` names the model.
Data data_for(const ModelInfo& info, const std::string& path, const DataOptions& options);

/// The model of a file and the data for it.
struct Loaded {
  Model model;
  Data data;

  Loaded(const std::string& path, const DataOptions& options)
      : model(load_model(path)), data(data_for(model.info, path, options)) {}
};

/// Throws unless it is a float network; `what` is what needs one.
void check_float(const std::string& path, nn::Module& network, const char* what);

}  // namespace adze::cli
