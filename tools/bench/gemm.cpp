// adze-bench gemm: matrix products, int8 and float32.
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <adze/kernels/isa.h>
#include <adze/kernels/parallel.h>

#include "bench/commands.h"
#include "bench/gemm_cases.h"
#include "bench/peer_eigen.h"
#include "bench/report.h"
#include "bench/timing.h"

namespace adze::bench {

namespace {

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
std::string repeat_command(const Problem& problem, const GemmOptions& o, const char* isa) {
  std::string words = "adze-bench gemm --op " + o.op + " --threads " +
                      std::to_string(o.common.threads) + " --isa " + isa;
  if (o.op == "f32") {
    words += " --form " + o.form;
    if (!o.peer.empty()) words += " --peer " + o.peer;
  } else {
    words += " --weights " + o.weights + " --max-activation " + std::to_string(o.max_activation) +
             " --out " + o.out;
  }
  if (o.common.all_kernels) words += " --all-kernels";
  return words + " " + to_string(problem);
}

/// Times the picked kernel, all others if asked for, and the peer, in turns.
Report measure(const Problem& problem, const GemmOptions& o) {
  const auto test = o.op == "f32" ? make_f32_case(problem, o) : make_u8s8_case(problem, o);
  const kernels::Isa isa = kernels::active();
  Report report;
  report.title = o.op + " " + to_string(problem) + ", " + std::to_string(o.common.threads) +
                 (o.common.threads == 1 ? " thread, " : " threads, ") + kernels::name(isa);
  report.repeat = repeat_command(problem, o, kernels::name(isa));
  report.checked = test->verify();

  std::vector<Candidate> candidates;
  bool picked = false;
  for (const kernels::KernelInfo& kernel : test->table()) {
    const bool pick = kernel.reason == nullptr && !picked;
    picked = picked || pick;
    const bool use = pick || (o.common.all_kernels && kernels::supported(kernel.isa));
    if (use && !pick) {
      try {
        test->force(kernel);
        test->verify();
      } catch (const std::runtime_error& error) {
        report.others.push_back(error.what());
        continue;
      }
    }
    if (!use) {
      report.others.push_back(
          std::string(kernel.name) + ": " +
          (kernel.reason != nullptr ? kernel.reason : "comes later in the table"));
      continue;
    }
    candidates.push_back({kernel.name, [&test, kernel, only = !o.common.all_kernels] {
                            if (!only) test->force(kernel);
                            test->run();
                          }});
    report.rows.push_back(
        {o.op, kernel.name, kernels::name(kernel.isa), o.common.threads, problem, {}, pick});
  }
  if (const auto peer = test->peer()) {
    candidates.push_back({o.peer, peer});
    report.rows.push_back({o.op, o.peer, "avx2", 1, problem, {}, false});
  }
  const std::vector<Timing> timings = time_in_turns(candidates, o.common.seconds);
  for (std::size_t i = 0; i < timings.size(); ++i) report.rows[i].timing = timings[i];
  kernels::set_active(isa);
  return report;
}

int run(const GemmOptions& o) {
  apply(o.common);
  if (!o.peer.empty() && o.op != "f32") {
    throw UsageError("--peer " + o.peer + " can only be compared with --op f32");
  }
  if (!o.peer.empty() && (!has_eigen() || !kernels::supported(kernels::Isa::avx2))) {
    throw UsageError("--peer " + o.peer + " needs a machine with AVX2");
  }
  auto problems = parse_problems(o.common.problem_words);
  if (problems.empty()) problems = default_problems();
  std::vector<Report> reports;
  for (const Problem& problem : problems) {
    Report report = measure(problem, o);
    if (o.common.csv || o.common.json) {
      reports.push_back(std::move(report));
    } else {
      write({report}, o.common);
    }
  }
  if (!reports.empty()) write(reports, o.common);
  return 0;
}

}  // namespace

std::function<int()> add_gemm(CLI::App& program) {
  auto options = std::make_shared<GemmOptions>();
  CLI::App* command = program.add_subcommand("gemm", "matrix products, int8 and float32");
  add_common_options(*command, options->common);
  command->add_option("--op", options->op, "u8s8 or f32")
      ->check(CLI::IsMember({"u8s8", "f32"}))
      ->capture_default_str();
  command->add_option("--peer", options->peer, "another library to time in turns with ours: eigen")
      ->check(CLI::IsMember({"eigen"}));
  command
      ->add_option("--form", options->form,
                   "f32: a and b as they are (n) or transposed (t), for example nt")
      ->check(CLI::IsMember({"nn", "nt", "tn", "tt"}))
      ->capture_default_str();
  command->add_option("--weights", options->weights, "u8s8: normal, uniform or extreme")
      ->check(CLI::IsMember({"normal", "uniform", "extreme"}))
      ->capture_default_str();
  command->add_option("--max-activation", options->max_activation, "u8s8: largest activation")
      ->check(CLI::Range(1, 255))
      ->capture_default_str();
  command->add_option("--out", options->out, "u8s8: type of the result")
      ->check(CLI::IsMember({"u8", "s8", "s32", "f32"}))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace adze::bench
