#pragma once

#include <functional>
#include <string>
#include <vector>

namespace adze::bench {

struct Candidate {
  std::function<void()> run;
  std::function<void()> prepare = {};  ///< called before each series of runs, untimed
};

/// Seconds per call.
struct Timing {
  double median = 0;
  double best = 0;
  double spread = 0;  ///< (third - first quartile) / median
};

/// The times of all candidates, measured in turns and in random order, so that a disturbance of the
/// machine meets all of them alike and their ratios hold. About `seconds` for each candidate, or
/// the time of five calls if these take longer.
std::vector<Timing> time_in_turns(const std::vector<Candidate>& candidates, double seconds);

}  // namespace adze::bench
