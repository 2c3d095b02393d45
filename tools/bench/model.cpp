// adze-bench model: whole networks, float and int8, as modules and as graphs.
#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>

#include <CLI/CLI.hpp>

#include <adze/core/autograd.h>
#include <adze/core/creation.h>
#include <adze/core/random.h>
#include <adze/kernels/isa.h>

#include "bench/allocations.h"
#include "bench/commands.h"
#include "bench/networks.h"
#include "bench/report.h"

namespace adze::bench {

namespace {

constexpr const char* default_networks[] = {"64,256,128,10", "784,512,256,10",
                                            "1024,4096,4096,1024"};
constexpr std::int64_t default_batches[] = {1, 16, 64, 256};
constexpr double lowest_sqnr = 15;  // int8 of networks with random weights has 25 to 40

struct ModelOptions {
  CommonOptions common;
  std::string block = "4x4";
  double sparsity = 0.8;
};

struct Work {
  std::string layers;
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> batches;
};

std::vector<std::int64_t> parse_layers(const std::string& text) {
  std::vector<std::int64_t> sizes;
  std::istringstream stream(text);
  for (std::string number; std::getline(stream, number, ',');) {
    sizes.push_back(whole_number("layers", number));
    if (sizes.back() > 1 << 16) {
      throw UsageError("problem 'layers=" + text + "': a layer has at most 65536 values");
    }
  }
  if (sizes.size() < 2) {
    throw UsageError("problem 'layers=" + text + "': expected sizes, for example 64,256,128,10");
  }
  return sizes;
}

std::vector<Work> parse(const std::vector<std::string>& words) {
  std::vector<Work> all;
  auto problems = split_problems(words, {"layers", "batch"});
  if (problems.empty()) problems.emplace_back();
  for (const ProblemWords& problem : problems) {
    std::vector<std::int64_t> batches(std::begin(default_batches), std::end(default_batches));
    if (const auto batch = problem.find("batch"); batch != problem.end()) {
      batches = {whole_number("batch", batch->second)};
    }
    if (const auto layers = problem.find("layers"); layers != problem.end()) {
      all.push_back({layers->second, parse_layers(layers->second), batches});
    } else {
      for (const char* any : default_networks) all.push_back({any, parse_layers(any), batches});
    }
  }
  return all;
}

/// The sizes as a column may hold them: without commas.
std::string dashed(std::string layers) {
  std::replace(layers.begin(), layers.end(), ',', '-');
  return layers;
}

PruneShape prune_shape(const ModelOptions& o) {
  PruneShape shape;
  shape.sparsity = o.sparsity;
  std::istringstream stream(o.block);
  char cross = 0;
  if (!(stream >> shape.rows >> cross >> shape.columns) || cross != 'x' || !stream.eof() ||
      shape.rows < 1 || shape.columns < 1) {
    throw UsageError("--block " + o.block + ": expected rows x columns, for example 4x4");
  }
  return shape;
}

double operations(const Work& work, std::int64_t batch) {
  double products = 0;
  for (std::size_t i = 0; i + 1 < work.sizes.size(); ++i) {
    products += static_cast<double>(work.sizes[i]) * static_cast<double>(work.sizes[i + 1]);
  }
  return 2 * products * static_cast<double>(batch);
}

Report measure(const Work& work, std::int64_t batch, const std::vector<NetworkForm>& forms,
               const ModelOptions& o) {
  const NoGrad guard;
  Generator generator(2);
  const Tensor x = randn({batch, work.sizes.front()}, &generator);
  Report report;
  report.title = work.layers + ", batch " + std::to_string(batch) + ", " +
                 thread_count(o.common.threads) + ", " + kernels::name(kernels::active());
  report.repeat = "adze-bench model " + repeat_words(o.common) + " --block " + o.block +
                  " --sparsity " + std::to_string(o.sparsity) + " layers=" + work.layers +
                  " batch=" + std::to_string(batch);
  std::vector<Entry> entries;
  Tensor y;
  for (const NetworkForm& form : forms) {
    const double sqnr = sqnr_db(form, x);
    if (!(sqnr >= lowest_sqnr)) {
      throw std::runtime_error(report.title + ": the outputs of " + form.form + " " + form.mode +
                               " have only " + std::to_string(sqnr) + " dB against float ones");
    }
    const auto run = [&y, &x, network = form.network.get()] { y = (*network)(x); };
    run();
    run();
    const std::int64_t before = allocations();
    run();
    const std::int64_t count = allocations() - before;
    Row row{.op = form.form,
            .kernel = form.form + " " + form.mode,
            .isa = kernels::name(kernels::active()),
            .threads = o.common.threads,
            .problem = {batch, work.sizes.back(), work.sizes.front()},
            .operations = operations(work, batch)};
    row.more = {{"layers", dashed(work.layers)},
                {"mode", form.mode},
                {"us_per_sample", nullptr},
                {"allocations", count},
                {"sqnr_db", nullptr}};
    if (std::isfinite(sqnr)) row.more["sqnr_db"] = sqnr;
    entries.push_back({std::move(row), {run}});
  }
  report.checked = "outputs as those of the float network, sqnr_db as they differ";
  time_entries(entries, o.common, report);
  for (Row& row : report.rows) {
    row.more["us_per_sample"] = row.timing.median * 1e6 / static_cast<double>(batch);
    if (!o.common.csv) row.more.erase("layers");
  }
  return report;
}

int run(const ModelOptions& o) {
  apply(o.common);
  const PruneShape pruning = prune_shape(o);
  const std::vector<Work> all = parse(o.common.problem_words);
  Output output(o.common);
  for (const Work& work : all) {
    const std::vector<NetworkForm> forms = make_forms(work.sizes, pruning);
    for (const std::int64_t batch : work.batches) {
      output.add(measure(work, batch, forms, o));
    }
  }
  return output.finish();
}

}  // namespace

std::function<int()> add_model(CLI::App& program) {
  auto options = std::make_shared<ModelOptions>();
  CLI::App* command = program.add_subcommand(
      "model", "networks of linear layers: float, int8, pruned int8, as modules and as graphs");
  add_common_options(*command, options->common);
  add_problem_words(*command, options->common,
                    "layers=64,256,128,10 batch=16 (batch left out: 1, 16, 64 and 256)");
  command->add_option("--block", options->block, "shape of the blocks that are pruned")
      ->capture_default_str();
  command->add_option("--sparsity", options->sparsity, "part of the blocks that is pruned")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace adze::bench
