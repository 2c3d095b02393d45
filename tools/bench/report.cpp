#include "bench/report.h"

#include <algorithm>
#include <cstdio>

namespace adze::bench {

namespace {

using nlohmann::ordered_json;

double microseconds(double seconds) {
  return seconds * 1e6;
}

/// A value as CSV and tables write it.
std::string text(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number_float()) return value.dump();
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g", value.get<double>());
  return buffer;
}

/// The further columns of all rows, each once.
std::vector<std::string> more_columns(const std::vector<Report>& reports) {
  std::vector<std::string> columns;
  for (const Report& report : reports) {
    for (const Row& row : report.rows) {
      for (const auto& item : row.more.items()) {
        if (std::find(columns.begin(), columns.end(), item.key()) == columns.end()) {
          columns.push_back(item.key());
        }
      }
    }
  }
  return columns;
}

void write_csv(const std::vector<Report>& reports) {
  const std::vector<std::string> columns = more_columns(reports);
  std::printf("op,kernel,isa,threads,m,n,k,median_us,gops");
  for (const std::string& column : columns) std::printf(",%s", column.c_str());
  std::printf("\n");
  for (const Report& report : reports) {
    for (const Row& r : report.rows) {
      std::printf("%s,%s,%s,%d,%lld,%lld,%lld,%.4g,%.4g", r.op.c_str(), r.kernel.c_str(),
                  r.isa.c_str(), r.threads, static_cast<long long>(r.problem.m),
                  static_cast<long long>(r.problem.n), static_cast<long long>(r.problem.k),
                  microseconds(r.timing.median), r.gops());
      for (const std::string& column : columns) {
        const auto at = r.more.find(column);
        std::printf(",%s", at == r.more.end() || at->is_null() ? "" : text(*at).c_str());
      }
      std::printf("\n");
    }
  }
}

ordered_json to_json(const Row& r) {
  ordered_json row = {{"op", r.op},
                      {"kernel", r.kernel},
                      {"isa", r.isa},
                      {"threads", r.threads},
                      {"m", r.problem.m},
                      {"n", r.problem.n},
                      {"k", r.problem.k},
                      {"median_us", microseconds(r.timing.median)},
                      {"best_us", microseconds(r.timing.best)},
                      {"spread", r.timing.spread},
                      {"gops", r.gops()},
                      {"picked", r.picked}};
  if (r.bytes > 0) row["gb_per_s"] = r.gbs();
  if (r.limit) {
    row["limit"] = r.limit->name;
    row["limit_rate"] = r.limit->value;
    row["share_of_limit"] = *r.share();
  }
  row.update(r.more);
  return row;
}

ordered_json to_json(const Report& report) {
  auto rows = ordered_json::array();
  for (const Row& r : report.rows) rows.push_back(to_json(r));
  return {{"title", report.title},     {"rows", rows},        {"checked", report.checked},
          {"not_used", report.others}, {"note", report.note}, {"repeat", report.repeat}};
}

int width(const std::string& column) {
  return std::max(9, static_cast<int>(column.size()));
}

void write_table(const Report& report) {
  const bool traffic = !report.rows.empty() && report.rows[0].bytes > 0;
  std::printf("%s\n", report.title.c_str());
  if (!report.checked.empty()) std::printf("  %s\n", report.checked.c_str());
  std::printf("  %-34s %12s %8s %9s %9s", "", "median us", "spread", traffic ? "GB/s" : "GOP/s",
              "of limit");
  const std::vector<std::string> columns = more_columns({report});
  for (const std::string& column : columns) std::printf(" %*s", width(column), column.c_str());
  std::printf("\n");
  for (const Row& r : report.rows) {
    const std::string name = r.peer ? r.kernel + " (" + r.isa + ")" : r.kernel;
    std::printf("  %-34s %12.3f %7.1f%% %9.1f", name.c_str(), microseconds(r.timing.median),
                r.timing.spread * 100, traffic ? r.gbs() : r.gops());
    if (const auto share = r.share()) {
      std::printf(" %8.1f%%", *share * 100);
    } else {
      std::printf(" %9s", "-");
    }
    for (const std::string& column : columns) {
      const auto at = r.more.find(column);
      const bool none = at == r.more.end() || at->is_null();
      std::printf(" %*s", width(column), none ? "-" : text(*at).c_str());
    }
    std::printf("%s\n", r.picked ? "  picked" : "");
  }
  std::vector<std::string> limits;
  for (const Row& r : report.rows) {
    if (!r.limit) continue;
    char line[160];
    std::snprintf(line, sizeof line, "%s: %.1f %s", r.limit->name.c_str(), r.limit->value,
                  traffic ? "GB/s" : "GOP/s");
    if (std::find(limits.begin(), limits.end(), line) == limits.end()) limits.push_back(line);
  }
  for (const std::string& limit : limits) std::printf("  limit: %s\n", limit.c_str());
  if (!report.note.empty()) std::printf("  %s\n", report.note.c_str());
  for (const std::string& other : report.others) std::printf("  not used: %s\n", other.c_str());
  if (!report.repeat.empty()) std::printf("  repeat: %s\n", report.repeat.c_str());
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

std::string thread_count(int threads) {
  return std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

std::optional<std::string> slower_than_best(const Report& report, double allowed) {
  const Row* best = nullptr;
  for (const Row& row : report.rows) {
    if (row.peer) continue;
    if (best == nullptr || row.timing.median < best->timing.median) best = &row;
  }
  if (best == nullptr) return {};
  const Row& picked = report.rows[0];
  const double ratio = picked.timing.median / best->timing.median;
  if (ratio <= 1 + allowed) return {};
  char line[256];
  std::snprintf(line, sizeof line, "%s: picked %s takes %.1f us, %.0f%% more than %s",
                report.title.c_str(), picked.kernel.c_str(), microseconds(picked.timing.median),
                (ratio - 1) * 100, best->kernel.c_str());
  return line;
}

void time_entries(std::vector<Entry>& entries, const CommonOptions& options, Report& report) {
  std::vector<Candidate> candidates;
  for (const Entry& entry : entries) candidates.push_back(entry.candidate);
  // A disturbance of the machine is no reason to fail: what looks too slow is measured again.
  for (int turn = 0; turn < 2; ++turn) {
    const std::vector<Timing> timings = time_in_turns(candidates, options.seconds);
    report.rows.clear();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      Row row = entries[i].row;
      row.timing = timings[i];
      if (entries.size() > 1) row.more["ratio"] = timings[i].median / timings[0].median;
      report.rows.push_back(std::move(row));
    }
    if (!options.assert_best || !slower_than_best(report, *options.assert_best)) break;
  }
}

void Output::add(Report report) {
  if (options_.assert_best) {
    if (auto failure = slower_than_best(report, *options_.assert_best)) {
      failures_.push_back(std::move(*failure));
    }
  }
  if (!options_.csv && !options_.json) write_table(report);
  reports_.push_back(std::move(report));
}

int Output::finish(const ordered_json& summary) {
  if (options_.csv) {
    write_csv(reports_);
  } else if (options_.json) {
    auto all = ordered_json::array();
    for (const Report& report : reports_) all.push_back(to_json(report));
    if (!summary.is_null() && !all.empty()) all.back()["summary"] = summary;
    std::printf("%s\n", all.dump(2).c_str());
  } else if (!summary.is_null()) {
    for (const auto& item : summary) std::printf("%s\n", text(item["text"]).c_str());
  }
  for (const std::string& failure : failures_) {
    std::fprintf(stderr, "adze-bench: %s\n", failure.c_str());
  }
  return failures_.empty() ? 0 : 1;
}

}  // namespace adze::bench
