#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

#include "adze/commands.h"
#include "adze/core/error.h"

namespace {

constexpr int failure = 2;

// A first argument that is neither an option nor a command.
bool is_unknown_command(const CLI::App& program, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return false;
  const auto commands = program.get_subcommands([](const CLI::App*) { return true; });
  return std::none_of(commands.begin(), commands.end(),
                      [&](const CLI::App* c) { return c->check_name(argv[1]); });
}

// One line, whatever the message is made of.
int report(std::string message) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fprintf(stderr, "adze: %s\n", message.c_str());
  return failure;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program("Makes neural networks small and fast: train, prune, quantize, run.", "adze");
  program.set_version_flag("--version", ADZE_VERSION);
  program.require_subcommand(1);
  adze::cli::add_train(program);
  adze::cli::add_prune(program);
  adze::cli::add_quantize(program);
  adze::cli::add_eval(program);
  adze::cli::add_inspect(program);
  adze::cli::add_compare(program);
  adze::cli::add_compress(program);
  adze::set_warning_handler(
      [](const std::string& message) { std::fprintf(stderr, "adze: %s\n", message.c_str()); });
  if (is_unknown_command(program, argc, argv))
    return report(std::string("there is no command '") + argv[1] + "'; adze --help lists them");
  try {
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return program.exit(e);
    return report(e.what());
  } catch (const std::exception& e) {
    return report(e.what());
  }
}
