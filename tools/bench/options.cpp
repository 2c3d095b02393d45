#include "bench/options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>

#include <CLI/CLI.hpp>

#include <adze/kernels/isa.h>
#include <adze/kernels/parallel.h>

namespace adze::bench {

namespace {

constexpr std::int64_t largest_number = 1 << 30;
constexpr std::int64_t largest_side = 1 << 20;

/// "m=, n= or k=".
std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i] + "=";
  }
  return text;
}

[[noreturn]] void refuse(std::string_view name, std::string_view text,
                         const std::string& expected) {
  throw UsageError("problem '" + std::string(name) + "=" + std::string(text) + "': expected " +
                   expected);
}

std::int64_t number_up_to(std::int64_t largest, std::string_view name, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > largest) {
    refuse(name, text, "a whole number from 1 to " + std::to_string(largest));
  }
  return value;
}

/// 0.1 of "10%" or "10".
double percent(std::string text) {
  if (!text.empty() && text.back() == '%') text.pop_back();
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0 && value <= 1000)) {
    throw CLI::ValidationError("--assert-best", "expected a percentage, for example 10%");
  }
  return value / 100;
}

}  // namespace

void add_common_options(CLI::App& command, CommonOptions& options) {
  command.add_option("--threads", options.threads, "threads that one call may use")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--isa", options.isa, "instruction set to use instead of the best one");
  command.add_flag("--csv", options.csv, "write comma-separated values");
  command.add_flag("--json", options.json, "write JSON")->excludes("--csv");
  command.add_option("--seconds", options.seconds, "measuring time for each thing that is timed")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
}

void add_kernel_options(CLI::App& command, CommonOptions& options) {
  command.add_flag("--all-kernels", options.all_kernels,
                   "time every kernel that can do the problem, not only the picked one");
  command.add_option("--kernel", options.kernel, "take this kernel for the one that is picked");
  command.add_option_function<std::string>(
      "--assert-best", [&options](const std::string& text) { options.assert_best = percent(text); },
      "exit code 1 if a picked kernel is slower than the best one by more than so many percent");
}

void add_problem_words(CLI::App& command, CommonOptions& options, const std::string& example) {
  command.add_option("problem", options.problem_words,
                     "problems to time, each written as " + example);
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

std::string repeat_words(const CommonOptions& options) {
  std::string words =
      "--threads " + std::to_string(options.threads) + " --isa " + kernels::name(kernels::active());
  if (options.all_kernels) words += " --all-kernels";
  if (!options.kernel.empty()) words += " --kernel " + options.kernel;
  if (options.assert_best) {
    std::ostringstream number;
    number << *options.assert_best * 100;
    words += " --assert-best " + number.str() + "%";
  }
  return words;
}

std::string to_string(const Problem& p) {
  return "m=" + std::to_string(p.m) + " n=" + std::to_string(p.n) + " k=" + std::to_string(p.k);
}

std::vector<ProblemWords> split_problems(const std::vector<std::string>& words,
                                         const std::vector<std::string>& names) {
  std::vector<ProblemWords> problems;
  for (const std::string& argument : words) {
    std::istringstream stream(argument);
    for (std::string word; stream >> word;) {
      const std::size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      if (equals == std::string::npos || equals + 1 == word.size() ||
          std::find(names.begin(), names.end(), name) == names.end()) {
        throw UsageError("problem '" + word + "': expected " + list(names) + " and a value");
      }
      if (problems.empty() || problems.back().contains(name)) problems.emplace_back();
      problems.back()[name] = word.substr(equals + 1);
    }
  }
  return problems;
}

std::int64_t whole_number(std::string_view name, std::string_view text) {
  return number_up_to(largest_number, name, text);
}

double fraction(std::string_view name, std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (*end != '\0' || !(value >= 0 && value < 1)) refuse(name, text, "a number from 0 to 0.99");
  return value;
}

std::vector<Problem> parse_problems(const std::vector<std::string>& words) {
  std::vector<Problem> problems;
  for (const ProblemWords& problem : split_problems(words, {"m", "n", "k"})) {
    std::int64_t sides[3];
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string_view name = std::string_view("mnk").substr(i, 1);
      const auto word = problem.find(name);
      if (word == problem.end()) {
        throw UsageError("problem " + std::to_string(problems.size() + 1) + ": " +
                         std::string(name) +
                         " is missing; expected, for example, m=256 n=1024 k=1024");
      }
      sides[i] = number_up_to(largest_side, name, word->second);
    }
    problems.push_back({sides[0], sides[1], sides[2]});
  }
  return problems;
}

}  // namespace adze::bench
