#pragma once

#include <string>
#include <vector>

#include "bench/options.h"
#include "bench/timing.h"

namespace adze::bench {

/// One timed kernel or peer.
struct Row {
  std::string op;
  std::string kernel;
  std::string isa;
  int threads;
  Problem problem;
  Timing timing;
  bool picked;  ///< the library would pick it

  double gops() const {
    return 2e-9 * static_cast<double>(problem.m) * static_cast<double>(problem.n) *
           static_cast<double>(problem.k) / timing.median;
  }
};

/// All that was found out about one problem.
struct Report {
  std::string title;                ///< "u8s8 m=256 n=1024 k=1024, 1 thread, avx2"
  std::string checked;              ///< "equal to the reference in 256 of 256 rows"
  std::vector<Row> rows;            ///< the picked kernel first
  std::vector<std::string> others;  ///< kernels that were not used, and why
  std::string repeat;               ///< the command that repeats it
};

/// Writes the reports to standard output in the form asked for.
void write(const std::vector<Report>& reports, const CommonOptions& options);

}  // namespace adze::bench
