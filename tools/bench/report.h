#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "bench/limits.h"
#include "bench/options.h"
#include "bench/timing.h"

namespace adze::bench {

/// One timed kernel, peer or network.
struct Row {
  std::string op;
  std::string kernel;
  std::string isa;
  int threads = 1;
  Problem problem{};
  double operations = 0;  ///< of one call
  double bytes = 0;       ///< read and written by one call, where these matter, else 0
  bool picked = false;    ///< the library would pick it
  bool peer = false;      ///< another library
  std::optional<Limit> limit = {};
  nlohmann::ordered_json more = nlohmann::ordered_json::object();  ///< further columns
  Timing timing = {};

  double gops() const { return 1e-9 * operations / timing.median; }
  double gbs() const { return 1e-9 * bytes / timing.median; }
  /// The rate as a part of the limit.
  std::optional<double> share() const {
    if (!limit) return {};
    return (bytes > 0 ? gbs() : gops()) / limit->value;
  }
};

/// All that was found out about one problem.
struct Report {
  std::string title;                ///< "u8s8 m=256 n=1024 k=1024, 1 thread, avx2"
  std::string checked;              ///< "equal to the reference in 256 of 256 rows"
  std::vector<Row> rows;            ///< the picked kernel first
  std::vector<std::string> others;  ///< kernels that were not used, and why
  std::string note;                 ///< what else there is to say, or nothing
  std::string repeat;               ///< the command that repeats it
};

/// Something to be timed, and the row that it fills.
struct Entry {
  Row row;
  Candidate candidate;
};

/// Times all entries in turns and puts their rows, with the ratios of times to the first one where
/// there are several, into the report.
void time_entries(std::vector<Entry>& entries, const CommonOptions& options, Report& report);

/// Writes reports to standard output in the form asked for: tables at once, CSV and JSON when all
/// are there.
class Output {
 public:
  explicit Output(const CommonOptions& options) : options_(options) {}
  void add(Report report);
  const std::vector<Report>& reports() const { return reports_; }
  /// The exit code; ends the output. `summary` is a list of objects, whose `text` ends the tables;
  /// JSON has it in the last report.
  int finish(const nlohmann::ordered_json& summary = {});

 private:
  const CommonOptions& options_;
  std::vector<Report> reports_;
  std::vector<std::string> failures_;
};

/// "1 thread" or "2 threads".
std::string thread_count(int threads);

/// A sentence if the first row, the picked one, is slower than the best of our kernels by more than
/// the part allowed.
std::optional<std::string> slower_than_best(const Report& report, double allowed);

}  // namespace adze::bench
