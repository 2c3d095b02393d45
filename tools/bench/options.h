#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace adze::bench {

/// Wrong input from the command line: one line for the user, exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The flags that all sub-commands share.
struct CommonOptions {
  int threads = 1;
  std::string isa;  ///< empty: what the library picks
  bool csv = false;
  bool json = false;
  bool all_kernels = false;
  double seconds = 0.5;  ///< measuring time for each thing that is timed
  std::vector<std::string> problem_words;
};

void add_common_options(CLI::App& command, CommonOptions& options);

/// Sets threads and instruction set; throws UsageError if the machine cannot.
void apply(const CommonOptions& options);

struct Problem {
  std::int64_t m, n, k;
};

/// "m=256 n=1024 k=1024".
std::string to_string(const Problem& problem);

/// The problems written as words "m=256 n=1024 k=1024"; a name that comes again begins the next
/// one. Throws UsageError.
std::vector<Problem> parse_problems(const std::vector<std::string>& words);

}  // namespace adze::bench
