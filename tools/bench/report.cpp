#include "bench/report.h"

#include <cstdio>

#include <nlohmann/json.hpp>

namespace adze::bench {

namespace {

double microseconds(const Row& row) {
  return row.timing.median * 1e6;
}

void write_csv(const std::vector<Report>& reports) {
  std::printf("op,kernel,isa,threads,m,n,k,median_us,gops\n");
  for (const Report& report : reports) {
    for (const Row& r : report.rows) {
      std::printf("%s,%s,%s,%d,%lld,%lld,%lld,%.4g,%.4g\n", r.op.c_str(), r.kernel.c_str(),
                  r.isa.c_str(), r.threads, static_cast<long long>(r.problem.m),
                  static_cast<long long>(r.problem.n), static_cast<long long>(r.problem.k),
                  microseconds(r), r.gops());
    }
  }
}

void write_json(const std::vector<Report>& reports) {
  auto all = nlohmann::ordered_json::array();
  for (const Report& report : reports) {
    auto rows = nlohmann::ordered_json::array();
    for (const Row& r : report.rows) {
      rows.push_back({{"op", r.op},
                      {"kernel", r.kernel},
                      {"isa", r.isa},
                      {"threads", r.threads},
                      {"m", r.problem.m},
                      {"n", r.problem.n},
                      {"k", r.problem.k},
                      {"median_us", microseconds(r)},
                      {"best_us", r.timing.best * 1e6},
                      {"spread", r.timing.spread},
                      {"gops", r.gops()},
                      {"picked", r.picked}});
    }
    all.push_back({{"rows", rows},
                   {"checked", report.checked},
                   {"not_used", report.others},
                   {"repeat", report.repeat}});
  }
  std::printf("%s\n", all.dump(2).c_str());
}

void write_table(const std::vector<Report>& reports) {
  for (const Report& report : reports) {
    std::printf("%s\n  %s\n", report.title.c_str(), report.checked.c_str());
    std::printf("  %-34s %12s %8s %9s %7s\n", "", "median us", "spread", "GOP/s", "ratio");
    for (const Row& r : report.rows) {
      const double ratio = report.rows[0].timing.median / r.timing.median;
      std::printf("  %-34s %12.2f %7.1f%% %9.1f %7.2f%s\n", r.kernel.c_str(), microseconds(r),
                  r.timing.spread * 100, r.gops(), ratio, r.picked ? "  picked" : "");
    }
    for (const std::string& other : report.others) std::printf("  not used: %s\n", other.c_str());
    std::printf("  repeat: %s\n\n", report.repeat.c_str());
  }
}

}  // namespace

void write(const std::vector<Report>& reports, const CommonOptions& options) {
  if (options.csv) {
    write_csv(reports);
  } else if (options.json) {
    write_json(reports);
  } else {
    write_table(reports);
  }
}

}  // namespace adze::bench
