#include "bench/timing.h"

#include <algorithm>
#include <chrono>

#include <benchmark/benchmark.h>

namespace adze::bench {

namespace {

constexpr int most_repetitions = 15;
constexpr int fewest_repetitions = 3;

/// Keeps the time per call of every repetition, by the candidate's number.
class Collector : public benchmark::BenchmarkReporter {
 public:
  explicit Collector(std::size_t count) : times(count) {}

  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.iterations == 0) continue;
      times[std::stoul(run.run_name.function_name)].push_back(run.real_accumulated_time /
                                                              static_cast<double>(run.iterations));
    }
  }

  std::vector<std::vector<double>> times;
};

void initialize_once() {
  static const bool done = [] {
    std::string name = "adze-bench", interleave = "--benchmark_enable_random_interleaving=true";
    char* arguments[] = {name.data(), interleave.data(), nullptr};
    int count = 2;
    benchmark::Initialize(&count, arguments);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

std::vector<Timing> time_in_turns(const std::vector<Candidate>& candidates, double seconds) {
  initialize_once();
  benchmark::ClearRegisteredBenchmarks();
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::function<void()>& run = candidates[i].run;
    const std::function<void()>& prepare = candidates[i].prepare;
    if (prepare) prepare();
    run();  // caches, scratch memory and threads are warm
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> once = std::chrono::steady_clock::now() - start;
    const double calls = seconds / std::max(once.count(), 1e-9);
    const int repetitions =
        static_cast<int>(std::clamp<double>(calls, fewest_repetitions, most_repetitions));
    benchmark::RegisterBenchmark(std::to_string(i).c_str(),
                                 [&run, &prepare](benchmark::State& state) {
                                   if (prepare) prepare();
                                   for ([[maybe_unused]] auto turn : state) run();
                                 })
        ->Repetitions(repetitions)
        ->MinTime(seconds / repetitions)
        ->UseRealTime();
  }
  Collector collector(candidates.size());
  benchmark::RunSpecifiedBenchmarks(&collector);

  std::vector<Timing> timings;
  for (std::vector<double>& times : collector.times) {
    std::sort(times.begin(), times.end());
    const std::size_t n = times.size();
    Timing timing;
    timing.median = times[n / 2];
    timing.best = times[0];
    timing.spread = (times[n * 3 / 4] - times[n / 4]) / timing.median;
    timings.push_back(timing);
  }
  return timings;
}

}  // namespace adze::bench
