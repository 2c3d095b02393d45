// adze-bench limits: what this machine can do at most.
#include <memory>
#include <thread>

#include <CLI/CLI.hpp>

#include <adze/kernels/isa.h>

#include "bench/commands.h"
#include "bench/limits.h"
#include "bench/report.h"

namespace adze::bench {

namespace {

using kernels::Isa;

/// A measured limit, as a row.
Row row_of(const LimitTiming& limit, const char* kernel, Isa isa, int threads, bool traffic) {
  Row row{.op = "limit",
          .kernel = kernel,
          .isa = kernels::name(isa),
          .threads = threads,
          .problem = {1, static_cast<std::int64_t>(limit.amount), 1},
          .operations = traffic ? 0 : limit.amount,
          .bytes = traffic ? limit.amount : 0};
  row.timing = limit.timing;
  row.more["isa"] = row.isa;
  row.more["threads"] = threads;
  row.more["best"] = limit.best();
  return row;
}

std::vector<int> thread_counts(int most) {
  return most == 1 ? std::vector<int>{1} : std::vector<int>{1, most};
}

Report instructions_report(const std::vector<Isa>& isas, const CommonOptions& o) {
  Report report;
  report.title = "instruction mixes, GOP/s (a product and its addition are two operations)";
  for (const Isa isa : isas) {
    for (const Mix mix : all_mixes) {
      for (const int threads : thread_counts(o.threads)) {
        if (const auto limit = measure_mix(mix, isa, threads, o.seconds)) {
          report.rows.push_back(row_of(*limit, instructions(mix), isa, threads, false));
        }
      }
    }
  }
  return report;
}

Report traffic_report(Isa isa, const CommonOptions& o) {
  Report report;
  report.title = "reading and copying, GB/s (of a copy, bytes read and written)";
  for (int level = 1; level <= 4; ++level) {
    for (const Traffic traffic : {Traffic::read, Traffic::copy}) {
      for (const int threads : thread_counts(o.threads)) {
        // Each thread has caches of level 1 and 2 of its own.
        const std::int64_t bytes = working_set(level) * (level <= 2 ? threads : 1);
        const std::string name =
            std::string(traffic == Traffic::read ? "read " : "copy ") + level_name(level);
        Row row = row_of(measure_traffic(traffic, isa, bytes, threads, o.seconds), name.c_str(),
                         isa, threads, true);
        row.more["working_set"] = bytes;
        report.rows.push_back(std::move(row));
      }
    }
  }
  return report;
}

int run(CommonOptions o) {
  if (o.threads == 0)
    o.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  apply(o);
  std::vector<Isa> isas;
  for (const Isa isa : kernels::all_isas()) {
    const bool wanted = o.isa.empty() || kernels::includes(kernels::active(), isa);
    if (wanted && kernels::supported(isa)) isas.push_back(isa);
  }
  Output output(o);
  Report mixes = instructions_report(isas, o), traffic = traffic_report(kernels::active(), o);
  mixes.repeat = traffic.repeat = "adze-bench limits " + repeat_words(o);
  if (o.isa.empty()) mixes.repeat = "adze-bench limits --threads " + std::to_string(o.threads);
  if (!mixes.rows.empty()) output.add(std::move(mixes));
  output.add(std::move(traffic));
  return output.finish();
}

}  // namespace

std::function<int()> add_limits(CLI::App& program) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command = program.add_subcommand(
      "limits", "what the machine can do at most: instructions, and traffic of each cache");
  options->threads = 0;
  options->seconds = 0.2;
  add_common_options(*command, *options);
  return [options] { return run(*options); };
}

}  // namespace adze::bench
