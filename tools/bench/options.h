#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): not ours
class App;
}

namespace adze::bench {

/// Wrong input from the command line: one line for the user, exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The flags that the sub-commands share.
struct CommonOptions {
  int threads = 1;
  std::string isa;  ///< empty: what the library picks
  bool csv = false;
  bool json = false;
  bool all_kernels = false;
  std::string kernel;                 ///< the kernel to take for the picked one, or nothing
  std::optional<double> assert_best;  ///< how much slower than the best one a pick may be, 0.1
  double seconds = 0.5;               ///< measuring time for each thing that is timed
  std::vector<std::string> problem_words;

  /// True if kernels beside the picked one are timed.
  bool all() const { return all_kernels || assert_best.has_value(); }
};

/// Threads, instruction set, form of the output, measuring time.
void add_common_options(CLI::App& command, CommonOptions& options);
/// --all-kernels, --kernel and --assert-best.
void add_kernel_options(CLI::App& command, CommonOptions& options);
void add_problem_words(CLI::App& command, CommonOptions& options, const std::string& example);

/// Sets threads and instruction set; throws UsageError if the machine cannot.
void apply(const CommonOptions& options);

/// "--threads 2 --isa avx2" and what else repeats a run: its kernels, not its output.
std::string repeat_words(const CommonOptions& options);

struct Problem {
  std::int64_t m, n, k;
  double products() const {
    return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

/// "m=256 n=1024 k=1024".
std::string to_string(const Problem& problem);

/// The problems written as words "m=256 n=1024 k=1024"; a name that comes again begins the next
/// one. Throws UsageError.
std::vector<Problem> parse_problems(const std::vector<std::string>& words);

/// What stands behind each name of one problem.
using ProblemWords = std::map<std::string, std::string, std::less<>>;

/// The problems written as words NAME=TEXT with these names; a name that comes again begins the
/// next one. Throws UsageError.
std::vector<ProblemWords> split_problems(const std::vector<std::string>& words,
                                         const std::vector<std::string>& names);

/// The number of the word NAME=TEXT, at least 1; throws UsageError.
std::int64_t whole_number(std::string_view name, std::string_view text);
/// The number of the word NAME=TEXT, from 0 up to but not including 1; throws UsageError.
double fraction(std::string_view name, std::string_view text);

}  // namespace adze::bench
