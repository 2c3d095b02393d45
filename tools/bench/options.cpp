#include "bench/options.h"

#include <array>
#include <charconv>
#include <sstream>

#include <CLI/CLI.hpp>

#include <adze/kernels/isa.h>
#include <adze/kernels/parallel.h>

namespace adze::bench {

namespace {

constexpr std::int64_t largest_side = 1 << 20;

std::int64_t parse_side(const std::string& word, std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value < 1 ||
      value > largest_side) {
    throw UsageError("problem '" + word + "': expected a whole number from 1 to " +
                     std::to_string(largest_side));
  }
  return value;
}

}  // namespace

void add_common_options(CLI::App& command, CommonOptions& options) {
  command.add_option("--threads", options.threads, "threads that one call may use")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--isa", options.isa, "instruction set to use instead of the best one");
  command.add_flag("--csv", options.csv, "write comma-separated values");
  command.add_flag("--json", options.json, "write JSON")->excludes("--csv");
  command.add_flag("--all-kernels", options.all_kernels,
                   "time every kernel that can do the problem, not only the picked one");
  command.add_option("--seconds", options.seconds, "measuring time for each thing that is timed")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  command.add_option("problem", options.problem_words,
                     "problems to time, each written as m=256 n=1024 k=1024");
}

void apply(const CommonOptions& options) {
  try {
    if (!options.isa.empty()) kernels::set_active(kernels::isa_from_name(options.isa));
    kernels::active();
  } catch (const std::runtime_error& error) {
    throw UsageError(error.what());
  }
  kernels::set_num_threads(options.threads);
}

std::string to_string(const Problem& p) {
  return "m=" + std::to_string(p.m) + " n=" + std::to_string(p.n) + " k=" + std::to_string(p.k);
}

std::vector<Problem> parse_problems(const std::vector<std::string>& words) {
  constexpr std::string_view names = "mnk";
  std::vector<Problem> problems;
  std::array<std::int64_t, 3> sides{};
  const auto finish = [&] {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (sides[i] == 0) {
        throw UsageError("problem " + std::to_string(problems.size() + 1) + ": " + names[i] +
                         " is missing; expected, for example, m=256 n=1024 k=1024");
      }
    }
    problems.push_back({sides[0], sides[1], sides[2]});
    sides = {};
  };
  bool open = false;
  for (const std::string& argument : words) {
    std::istringstream stream(argument);
    for (std::string word; stream >> word;) {
      const std::size_t name =
          word.size() > 2 && word[1] == '=' ? names.find(word[0]) : std::string::npos;
      if (name == std::string::npos) {
        throw UsageError("problem '" + word + "': expected m=, n= or k= and a number");
      }
      if (sides[name] != 0) finish();
      sides[name] = parse_side(word, std::string_view(word).substr(2));
      open = true;
    }
  }
  if (open) finish();
  return problems;
}

}  // namespace adze::bench
