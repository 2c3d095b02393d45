// adze-bench elementwise: functions of arrays, held against what the memory can do.
#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>

#include <adze/kernels/isa.h>

#include "bench/commands.h"
#include "bench/elementwise_cases.h"
#include "bench/limits.h"
#include "bench/peers.h"
#include "bench/report.h"

namespace adze::bench {

namespace {

using kernels::Isa;

struct ElementwiseOptions {
  CommonOptions common;
  std::vector<std::string> peers;
};

struct Work {
  const ElementwiseOp* op;
  std::int64_t n;
};

const ElementwiseOp& find_op(const std::string& name) {
  std::string names;
  for (const ElementwiseOp& op : elementwise_ops()) {
    if (name == op.name) return op;
    names += (names.empty() ? "" : ", ") + std::string(op.name);
  }
  throw UsageError("problem 'op=" + name + "': there is " + names);
}

/// The elements whose arrays fill half a cache, or many times all caches.
std::int64_t elements_of(const ElementwiseOp& op, int level) {
  return std::max<std::int64_t>(256, working_set(level) / op.bytes / 256 * 256);
}

std::vector<Work> parse(const std::vector<std::string>& words) {
  std::vector<Work> all;
  const auto add = [&](const ElementwiseOp& op, const ProblemWords& problem) {
    if (const auto n = problem.find("n"); n != problem.end()) {
      all.push_back({&op, whole_number("n", n->second)});
    } else {
      for (int level = 1; level <= 4; ++level) all.push_back({&op, elements_of(op, level)});
    }
  };
  auto problems = split_problems(words, {"op", "n"});
  if (problems.empty()) problems.emplace_back();
  for (const ProblemWords& problem : problems) {
    if (const auto op = problem.find("op"); op != problem.end()) {
      add(find_op(op->second), problem);
    } else {
      for (const ElementwiseOp& any : elementwise_ops()) add(any, problem);
    }
  }
  return all;
}

/// The instruction sets whose kernels are timed: the one in use, and others that differ.
std::vector<Isa> isas_to_time(const CommonOptions& o) {
  std::vector<Isa> isas = {kernels::active()};
  if (!o.all()) return isas;
  for (const Isa isa : kernels::all_isas()) {
    if (kernels::supported(isa) && isa != isas[0]) isas.push_back(isa);
  }
  return isas;
}

/// The kernel that just ran; for functions made of several, the instruction set.
std::string kernel_name(const ElementwiseOp& op, Isa isa) {
  const std::string last = kernels::last_kernel();
  return std::string(op.name) + " " + (last.empty() ? kernels::name(isa) : last);
}

Row row_of(const ElementwiseOp& op, std::int64_t n, int threads) {
  return {.op = op.name,
          .kernel = {},
          .isa = {},
          .threads = threads,
          .problem = {1, n, 1},
          .operations = static_cast<double>(n),
          .bytes = static_cast<double>(n * op.bytes)};
}

/// Rows for those of the peers that have the function.
void add_peers(const ElementwiseOp& op, ElementwiseCase& test, const ElementwiseOptions& o,
               std::vector<Entry>& entries, Report& report) {
  for (const std::string& name : o.peers) {
    const Peer& peer = find_peer(name, "elementwise");
    std::function<void()> run;
    if (o.common.threads == 1 && kernels::includes(kernels::active(), Isa::avx2)) {
      run = test.peer(*peer.elementwise);
    }
    if (!run) {
      report.others.push_back(name +
                              ": does not have this function, on so many threads or without AVX2");
      continue;
    }
    run();
    Row row = row_of(op, test.elements(), 1);
    row.kernel = peer.name;
    row.isa = kernels::name(Isa::avx2);
    row.peer = true;
    row.more["wrong"] = test.wrong_results();
    row.more["level"] = level_name(level_of(test.elements() * op.bytes));
    entries.push_back({std::move(row), {std::move(run)}});
  }
}

Report measure(const Work& work, const ElementwiseOptions& options) {
  const CommonOptions& o = options.common;
  const ElementwiseOp& op = *work.op;
  const Isa isa = kernels::active();
  const std::unique_ptr<ElementwiseCase> test = op.make(work.n);
  const std::int64_t n = test->elements(), bytes = n * op.bytes;
  Report report;
  report.title = op.name + std::string(" n=") + std::to_string(n) + ", " +
                 std::to_string(bytes / 1024) + " KB (" + level_name(level_of(bytes)) + "), " +
                 thread_count(o.threads) + ", " + kernels::name(isa);
  report.repeat =
      "adze-bench elementwise " + repeat_words(o) + " op=" + op.name + " n=" + std::to_string(n);
  for (const std::string& peer : options.peers) report.repeat += " --peer " + peer;
  std::vector<Entry> entries;
  std::vector<std::string> names;
  for (const Isa some : isas_to_time(o)) {
    kernels::set_active(some);
    const std::string checked = test->verify();
    const std::string name = kernel_name(op, some);
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    if (names.empty()) report.checked = checked;
    names.push_back(name);
    Row row = row_of(op, n, o.threads);
    row.kernel = name;
    row.isa = kernels::name(some);
    row.picked = some == isa;
    row.more["level"] = level_name(level_of(bytes));
    entries.push_back(
        {std::move(row), {[&test] { test->run(); }, [some] { kernels::set_active(some); }}});
  }
  kernels::set_active(isa);
  add_peers(op, *test, options, entries, report);
  time_entries(entries, o, report);
  kernels::set_active(isa);
  for (Row& row : report.rows) {
    row.more["gb_per_s"] = row.gbs();
    row.limit = limit_of_traffic(op.traffic, isa, bytes, o.threads);
    row.more["share_of_limit"] = *row.share();
  }
  return report;
}

int run(const ElementwiseOptions& options) {
  const CommonOptions& o = options.common;
  apply(o);
  for (const std::string& peer : options.peers) find_peer(peer, "elementwise");
  const std::vector<Work> all = parse(o.problem_words);
  Output output(o);
  for (const Work& work : all) output.add(measure(work, options));
  return output.finish();
}

}  // namespace

std::function<int()> add_elementwise(CLI::App& program) {
  auto options = std::make_shared<ElementwiseOptions>();
  CLI::App* command =
      program.add_subcommand("elementwise", "functions of arrays, in each cache and in memory");
  add_common_options(*command, options->common);
  add_kernel_options(*command, options->common);
  command
      ->add_option("--peer", options->peers,
                   "another library to time in turns with ours, may be repeated: fbgemm")
      ->take_all()
      ->allow_extra_args(false);
  add_problem_words(*command, options->common,
                    "op=relu n=4096 (n left out: one size for each cache)");
  return [options] { return run(*options); };
}

}  // namespace adze::bench
