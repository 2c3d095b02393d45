// adze-bench gemm: matrix products, int8 and float32.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <adze/kernels/isa.h>

#include "bench/commands.h"
#include "bench/gemm_cases.h"
#include "bench/peers.h"
#include "bench/report.h"

namespace adze::bench {

namespace {

using kernels::KernelInfo;
using nlohmann::ordered_json;

/// M in {1, 4, 16, 64, 256, 1024} × eight layers, and five odd shapes.
std::vector<Problem> default_problems() {
  const std::pair<std::int64_t, std::int64_t> layers[] = {{64, 64},     {128, 784},   {256, 256},
                                                          {512, 512},   {1024, 1024}, {4096, 1024},
                                                          {1024, 4096}, {4096, 4096}};
  std::vector<Problem> problems;
  for (const auto& [n, k] : layers) {
    for (std::int64_t m : {1, 4, 16, 64, 256, 1024}) problems.push_back({m, n, k});
  }
  const Problem odd[] = {
      {7, 33, 65}, {13, 1000, 2048}, {100, 10, 84}, {50, 3072, 768}, {50, 768, 3072}};
  problems.insert(problems.end(), std::begin(odd), std::end(odd));
  return problems;
}

/// The words that repeat one problem.
std::string repeat_command(const Problem& problem, const GemmOptions& o) {
  std::string words = "adze-bench gemm --op " + o.op + " " + repeat_words(o.common);
  if (!o.int8()) {
    words += " --form " + o.form;
  } else {
    words += " --weights " + o.weights + " --max-activation " + std::to_string(o.max_activation) +
             " --out " + o.out;
  }
  for (const std::string& peer : o.peers) words += " --peer " + peer;
  return words + " " + to_string(problem);
}

/// The kernel that counts as picked: the one asked for, or the first that can do the problem.
std::size_t pick(const std::vector<KernelInfo>& table, const std::string& wanted) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (wanted.empty() ? table[i].reason == nullptr : wanted == table[i].name) return i;
  }
  std::string names;
  for (const KernelInfo& kernel : table)
    names += (names.empty() ? "" : ", ") + std::string(kernel.name);
  throw UsageError("--kernel " + wanted + " is not known, there are " + names);
}

/// Timed in the order: the picked kernel, other kernels of ours, peers.
class Measurement {
 public:
  Measurement(const Problem& problem, const GemmOptions& o)
      : problem_(problem), o_(o), test_(make_gemm_case(problem, o)) {
    report_.title = o.op + " " + to_string(problem) + ", " + thread_count(o.common.threads) + ", " +
                    kernels::name(kernels::active());
    report_.repeat = repeat_command(problem, o);
  }

  Report run() {
    const std::vector<KernelInfo> table = test_->table();
    const std::size_t picked = pick(table, o_.common.kernel);
    add_picked(table[picked]);
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (i != picked) add_other(table[i], i > picked);
    }
    for (const std::string& name : o_.peers) add_peer(find_peer(name, o_.op));
    time_entries(entries_, o_.common, report_);
    test_->release();
    if (!o_.common.csv) {
      for (Row& row : report_.rows) {
        if (!row.peer) {
          row.limit = limit_of_kernel(row.kernel, kernels::isa_from_name(row.isa), row.threads);
        }
      }
    }
    return std::move(report_);
  }

 private:
  void add(const KernelInfo& kernel, bool picked, std::function<void()> prepare) {
    Row row{.op = o_.op,
            .kernel = kernel.name,
            .isa = kernels::name(kernel.isa),
            .threads = o_.common.threads,
            .problem = problem_,
            .operations = 2 * problem_.products(),
            .picked = picked};
    entries_.push_back({std::move(row), {[this] { test_->run(); }, std::move(prepare)}});
  }

  std::function<void()> forcing(const KernelInfo& kernel) {
    return [this, kernel] { test_->force(kernel); };
  }

  void add_picked(const KernelInfo& kernel) {
    // Where others are forced, so is it: being forced takes some time.
    const bool force = o_.common.all() || !o_.common.kernel.empty();
    if (force) test_->force(kernel);
    report_.checked = test_->verify();
    test_->release();
    add(
        kernel, true, force ? forcing(kernel) : [this] { test_->release(); });
  }

  void add_other(const KernelInfo& kernel, bool later) {
    if (!o_.common.all() || !kernels::supported(kernel.isa)) {
      report_.others.push_back(kernel.name + std::string(": ") +
                               (kernel.reason != nullptr ? kernel.reason
                                : later                  ? "comes later in the table"
                                                         : "another kernel is asked for"));
      return;
    }
    try {
      test_->force(kernel);
      test_->run();
    } catch (const std::runtime_error& error) {
      report_.others.push_back(error.what());
      return;
    }
    test_->verify();
    add(kernel, false, forcing(kernel));
  }

  void add_peer(const Peer& peer) {
    const PeerSetting setting{kernels::active(), o_.common.threads};
    try {
      test_->release();
      std::function<void()> run = test_->peer(peer, setting);
      test_->run();
      run();
      Row row{.op = o_.op,
              .kernel = peer.name,
              .isa = peer.isa(setting),
              .threads = o_.common.threads,
              .problem = problem_,
              .operations = 2 * problem_.products(),
              .peer = true};
      row.more["wrong"] = test_->wrong_results();
      entries_.push_back({std::move(row), {std::move(run)}});
    } catch (const PeerRefuses& error) {
      report_.others.push_back(peer.name + std::string(": ") + error.what());
    }
  }

  Problem problem_;
  const GemmOptions& o_;
  std::unique_ptr<GemmCase> test_;
  std::vector<Entry> entries_;
  Report report_;
};

struct ProblemClass {
  const char* name;
  bool (*contains)(const Problem& p);
};
constexpr ProblemClass classes[] = {
    {"all", [](const Problem&) { return true; }},
    {"M=1", [](const Problem& p) { return p.m == 1; }},
    {"tiny (M <= 16, N*K <= 2^12)",
     [](const Problem& p) { return p.m <= 16 && p.n * p.k <= 1 << 12; }},
    {"large (M >= 16, N*K >= 2^18)",
     [](const Problem& p) { return p.m >= 16 && p.n * p.k >= 1 << 18; }},
};

/// Geometric means of the ratios of times to ours, for each peer and class.
ordered_json summary(const std::vector<Report>& reports, const std::vector<std::string>& peers) {
  ordered_json all;
  for (const std::string& peer : peers) {
    for (const ProblemClass& some : classes) {
      double logs = 0, least = HUGE_VAL, most = 0;
      int count = 0;
      for (const Report& report : reports) {
        for (const Row& row : report.rows) {
          if (!row.peer || row.kernel != peer || !some.contains(row.problem)) continue;
          const double ratio = row.timing.median / report.rows[0].timing.median;
          logs += std::log(ratio);
          least = std::min(least, ratio);
          most = std::max(most, ratio);
          ++count;
        }
      }
      if (count == 0) continue;
      const double mean = std::exp(logs / count);
      char text[160];
      std::snprintf(text, sizeof text, "%-8s / ours, %-34s %3d problems: %.2f (%.2f to %.2f)",
                    peer.c_str(), some.name, count, mean, least, most);
      all.push_back({{"peer", peer},
                     {"problems", some.name},
                     {"count", count},
                     {"geometric_mean", mean},
                     {"least", least},
                     {"most", most},
                     {"text", text}});
    }
  }
  return all;
}

int run(const GemmOptions& o) {
  apply(o.common);
  for (const std::string& peer : o.peers) find_peer(peer, o.op);
  auto problems = parse_problems(o.common.problem_words);
  if (problems.empty()) problems = default_problems();
  Output output(o.common);
  for (const Problem& problem : problems) output.add(Measurement(problem, o).run());
  return output.finish(summary(output.reports(), o.peers));
}

}  // namespace

std::function<int()> add_gemm(CLI::App& program) {
  auto options = std::make_shared<GemmOptions>();
  CLI::App* command = program.add_subcommand("gemm", "matrix products, int8 and float32");
  add_common_options(*command, options->common);
  add_kernel_options(*command, options->common);
  add_problem_words(*command, options->common, "m=256 n=1024 k=1024");
  command
      ->add_option("--op", options->op,
                   "u8s8, f32, or f32s8: u8s8 of float32 that is quantized while it is read")
      ->check(CLI::IsMember({"u8s8", "f32", "f32s8"}))
      ->capture_default_str();
  command
      ->add_option("--peer", options->peers,
                   "another library to time in turns with ours, may be repeated: " + peer_names())
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option("--form", options->form,
                   "f32: a and b as they are (n) or transposed (t), for example nt; or packed: nt "
                   "with b as a linear layer keeps it")
      ->check(CLI::IsMember({"nn", "nt", "tn", "tt", "packed"}))
      ->capture_default_str();
  command->add_option("--weights", options->weights, "u8s8, f32s8: normal, uniform or extreme")
      ->check(CLI::IsMember({"normal", "uniform", "extreme"}))
      ->capture_default_str();
  command
      ->add_option("--max-activation", options->max_activation, "u8s8, f32s8: largest activation")
      ->check(CLI::Range(1, 255))
      ->capture_default_str();
  command->add_option("--out", options->out, "u8s8, f32s8: type of the result")
      ->check(CLI::IsMember({"u8", "s8", "s32", "f32"}))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace adze::bench
