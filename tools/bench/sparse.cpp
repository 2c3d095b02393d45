// adze-bench sparse: products with pruned weights, dense and in blocks.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <adze/kernels/isa.h>

#include "bench/commands.h"
#include "bench/report.h"
#include "bench/sparse_cases.h"

namespace adze::bench {

namespace {

using kernels::BlockShape;
using nlohmann::ordered_json;

struct SparseOptions {
  CommonOptions common;
  std::string op = "u8s8";
  std::int32_t max_activation = 127;
};

/// Five layers × six sparsities × five numbers of rows.
std::vector<PrunedProblem> default_problems() {
  const std::pair<std::int64_t, std::int64_t> layers[] = {
      {256, 256}, {1024, 1024}, {4096, 1024}, {768, 3072}, {3072, 768}};
  std::vector<PrunedProblem> problems;
  for (const auto& [n, k] : layers) {
    for (const double sparsity : {0.0, 0.5, 0.7, 0.8, 0.9, 0.95}) {
      for (const std::int64_t m : {1, 4, 16, 64, 256}) {
        problems.push_back({.size = {m, n, k}, .sparsity = sparsity});
      }
    }
  }
  return problems;
}

PrunedProblem parse(const ProblemWords& words) {
  PrunedProblem problem;
  std::vector<std::string> sizes;
  for (const char* name : {"m", "n", "k"}) {
    if (const auto at = words.find(name); at != words.end()) {
      sizes.push_back(name + ("=" + at->second));
    }
  }
  const std::vector<Problem> parsed = parse_problems(sizes);
  if (parsed.empty()) {
    throw UsageError(
        "problem: m, n and k are missing; expected, for example, "
        "m=64 n=1024 k=1024 block=4x4 sparsity=0.8");
  }
  problem.size = parsed[0];
  if (const auto at = words.find("block"); at != words.end()) {
    problem.block = parse_block(at->second);
  }
  if (const auto at = words.find("sparsity"); at != words.end()) {
    problem.sparsity = fraction("sparsity", at->second);
  }
  if (const auto at = words.find("mask"); at != words.end()) {
    problem.mask = at->second;
    if (problem.mask != "random" && problem.mask != "norm") {
      throw UsageError("problem 'mask=" + problem.mask + "': expected random or norm");
    }
  }
  return problem;
}

/// A way to hold the weights, with the kernel that is forced, or the one that is picked then.
struct Layout {
  Blocks blocks;
  std::string kernel;
};

class Measurement {
 public:
  Measurement(const PrunedProblem& problem, const SparseOptions& o)
      : problem_(problem),
        o_(o),
        test_(o.op == "f32" ? make_f32_sparse_case(problem)
                            : make_u8s8_sparse_case(problem, o.max_activation)) {
    report_.title = o.op + " " + to_string(problem) + ", " + thread_count(o.common.threads) + ", " +
                    kernels::name(kernels::active());
    report_.repeat = "adze-bench sparse --op " + o.op + " " + repeat_words(o.common);
    if (o.op == "u8s8") report_.repeat += " --max-activation " + std::to_string(o.max_activation);
    report_.repeat += " " + to_string(problem);
  }

  Report measure() {
    const Layout picked = picked_layout();
    add(picked, true);
    if (picked.blocks) add({}, false);
    if (o_.common.all()) {
      for (const BlockShape& block : test_->block_shapes()) add_kernels(block);
    } else if (knows(problem_.block)) {
      add({problem_.block, ""}, false);
    }
    report_.note = test_->why();
    time_entries(entries_, o_.common, report_);
    test_->force("");
    finish();
    return std::move(report_);
  }

 private:
  bool knows(BlockShape block) const {
    const auto& all = test_->block_shapes();
    return std::find(all.begin(), all.end(), block) != all.end();
  }

  /// What the library chooses, or what was asked for.
  Layout picked_layout() const {
    const std::string& wanted = o_.common.kernel;
    if (wanted.empty()) return {test_->choice(), ""};
    if (wanted == "dense") return {};
    std::string known = "dense";
    for (const BlockShape& block : test_->block_shapes()) {
      if (wanted == to_string(block)) return {block, ""};
      known += ", " + to_string(block);
    }
    if (knows(problem_.block)) {
      for (const auto& kernel : test_->table(problem_.block)) {
        if (wanted == kernel.name) return {problem_.block, wanted};
        known += std::string(", ") + kernel.name;
      }
    }
    throw UsageError("--kernel " + wanted + " is not known, there are " + known);
  }

  /// Every kernel that can read this shape of blocks.
  void add_kernels(BlockShape block) {
    for (const kernels::KernelInfo& kernel : test_->table(block)) {
      if (!kernels::includes(kernels::active(), kernel.isa)) continue;
      try {
        test_->force(kernel.name);
        test_->run(block);
      } catch (const std::runtime_error&) {
        continue;  // a kernel for blocks of other shapes
      }
      add({block, kernel.name}, false);
    }
  }

  void add(const Layout& layout, bool picked) {
    const auto prepare = [this, kernel = layout.kernel] { test_->force(kernel); };
    prepare();
    test_->run(layout.blocks);
    const std::string checked = test_->compare();
    if (picked) report_.checked = checked;
    const std::string kernel = kernels::last_kernel();
    const std::string block = layout.blocks ? to_string(*layout.blocks) : "dense";
    for (const Entry& entry : entries_) {
      if (entry.row.kernel == kernel && entry.row.more["block"] == block) return;
    }
    Row row{.op = test_->op() + "_sparse",
            .kernel = kernel,
            .isa = kernels::name(isa_of(kernel, layout.blocks)),
            .threads = o_.common.threads,
            .problem = problem_.size,
            .operations = 2 * problem_.size.products(),
            .picked = picked};
    row.more = {{"block", block}, {"sparsity", problem_.sparsity}, {"mask", problem_.mask}};
    row.more["kept"] = 1.0;
    if (layout.blocks) {
      const SparseCase::Kept kept = test_->kept(*layout.blocks);
      row.operations = 2.0 * static_cast<double>(problem_.size.m) *
                       static_cast<double>(kept.blocks) *
                       static_cast<double>(layout.blocks->rows * layout.blocks->cols);
      row.more["kept"] = static_cast<double>(kept.blocks) / static_cast<double>(kept.of);
    }
    if (const auto us = test_->estimated_us(layout.blocks)) row.more["estimated_us"] = *us;
    row.more["dense_ratio"] = nullptr;
    entries_.push_back(
        {std::move(row), {[this, blocks = layout.blocks] { test_->run(blocks); }, prepare}});
  }

  /// The instruction set of a kernel that just ran.
  kernels::Isa isa_of(const std::string& kernel, Blocks blocks) const {
    for (const auto& info : test_->table(blocks)) {
      if (kernel == info.name) return info.isa;
    }
    return kernels::active();
  }

  void finish() {
    const auto dense = std::find_if(report_.rows.begin(), report_.rows.end(),
                                    [](const Row& row) { return row.more["block"] == "dense"; });
    for (Row& row : report_.rows) {
      row.more["dense_ratio"] = dense->timing.median / row.timing.median;
      if (o_.common.csv) continue;
      row.limit = limit_of_kernel(row.kernel, kernels::isa_from_name(row.isa), row.threads);
    }
  }

  PrunedProblem problem_;
  const SparseOptions& o_;
  std::unique_ptr<SparseCase> test_;
  std::vector<Entry> entries_;
  Report report_;
};

/// Geometric means of how much faster than dense the picked layouts are, for each sparsity.
ordered_json summary(const std::vector<Report>& reports) {
  std::vector<double> sparsities;
  for (const Report& report : reports) {
    sparsities.push_back(report.rows[0].more["sparsity"].get<double>());
  }
  std::sort(sparsities.begin(), sparsities.end());
  sparsities.erase(std::unique(sparsities.begin(), sparsities.end()), sparsities.end());
  ordered_json all;
  for (const double sparsity : sparsities) {
    double logs = 0, least = HUGE_VAL, most = 0;
    int count = 0;
    for (const Report& report : reports) {
      const Row& row = report.rows[0];
      if (row.more["sparsity"].get<double>() != sparsity) continue;
      const double ratio = row.more["dense_ratio"].get<double>();
      logs += std::log(ratio);
      least = std::min(least, ratio);
      most = std::max(most, ratio);
      ++count;
    }
    char text[160];
    std::snprintf(text, sizeof text,
                  "dense / picked, sparsity %-5g %3d problems: %.2f (%.2f to %.2f)", sparsity,
                  count, std::exp(logs / count), least, most);
    all.push_back({{"sparsity", sparsity},
                   {"count", count},
                   {"geometric_mean", std::exp(logs / count)},
                   {"least", least},
                   {"most", most},
                   {"text", text}});
  }
  return all;
}

int run(const SparseOptions& o) {
  apply(o.common);
  std::vector<PrunedProblem> problems;
  for (const ProblemWords& words :
       split_problems(o.common.problem_words, {"m", "n", "k", "block", "sparsity", "mask"})) {
    problems.push_back(parse(words));
  }
  if (problems.empty()) problems = default_problems();
  Output output(o.common);
  for (const PrunedProblem& problem : problems) output.add(Measurement(problem, o).measure());
  return output.finish(summary(output.reports()));
}

}  // namespace

std::function<int()> add_sparse(CLI::App& program) {
  auto options = std::make_shared<SparseOptions>();
  CLI::App* command =
      program.add_subcommand("sparse", "products with pruned weights, in blocks and dense");
  add_common_options(*command, options->common);
  add_kernel_options(*command, options->common);
  add_problem_words(*command, options->common,
                    "m=64 n=1024 k=1024 block=4x4 sparsity=0.8 mask=random (or norm)");
  command->add_option("--op", options->op, "u8s8 or f32")
      ->check(CLI::IsMember({"u8s8", "f32"}))
      ->capture_default_str();
  command->add_option("--max-activation", options->max_activation, "u8s8: largest activation")
      ->check(CLI::Range(1, 255))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace adze::bench
