#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "adze/ao/quantization/report.h"
#include "adze/commands.h"
#include "adze/console.h"
#include "adze/kernels/parallel.h"
#include "adze/network.h"
#include "adze/nn/deepcopy.h"
#include "adze/quantization.h"
#include "adze/training.h"

namespace adze::cli {
namespace {

namespace fs = std::filesystem;
namespace tq = ao::quantization;
using nlohmann::ordered_json;

struct Compress {
  DataOptions data;
  TrainOptions training;
  TrainOptions qat{.epochs = 15, .lr = 5e-4};
  PruneOptions pruning;
  RunOptions run;
  NetworkOptions network;
  QuantizeOptions quantization;
  std::string out;

  void add_to(CLI::App& app) {
    data.add_to(app);
    training.add_to(app);
    pruning.add_to(app);
    qat.add_to(app, "qat-");
    run.add_to(app);
    network.add_to(app);
    quantization.add_to(app);
    app.add_option("--out,-o", out, "directory for the models and report.json");
  }
};

struct Row {
  std::string name;
  Model model;
  double accuracy = 0, sparsity = 0, us1 = 0, us64 = 0;
  std::int64_t weight_bytes = 0, file_bytes = 0;
  std::optional<std::size_t> made_of;  // row of the float network that an int8 one was made of
  tq::Report report;                   // of an int8 one
};

// Writes all files into a new directory beside `out` and moves them over when they are complete, so
// that a failure leaves neither half of a result nor a directory that was not there.
class Output {
 public:
  explicit Output(const std::string& out) : out_(out), staging_(out_.string() + ".partial") {
    std::error_code error;
    check(!fs::exists(out_) || fs::is_directory(out_), out, ": is not a directory");
    fs::remove_all(staging_, error);
    fs::create_directories(staging_, error);
    check(!error, staging_.string(), ": cannot be created (", error.message(), ")");
  }
  ~Output() {
    std::error_code ignored;
    fs::remove_all(staging_, ignored);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  std::string path(const std::string& file) const { return (staging_ / file).string(); }
  void publish() const {
    std::error_code error;
    fs::create_directories(out_, error);
    for (const auto& entry : fs::directory_iterator(staging_)) {
      if (error) break;
      fs::rename(entry.path(), out_ / entry.path().filename(), error);
    }
    check(!error, out_.string(), ": cannot be written (", error.message(), ")");
  }

 private:
  fs::path out_, staging_;
};

// Makes the six networks.
std::vector<Row> make_rows(const Compress& o, const Data& data, const ModelInfo& info,
                           const nn::ModulePtr& fp32) {
  TrainOptions qat = o.qat;
  qat.batch_size = o.training.batch_size;
  qat.weight_decay = o.training.weight_decay;
  qat.label_smoothing = o.training.label_smoothing;
  const std::uint64_t seed = o.run.seed;

  train("training", *fp32, data, o.training, seed);
  const nn::ModulePtr masked = nn::deepcopy(fp32);
  prune("pruning", *masked, data, o.training, o.pruning, seed + 1);
  const nn::ModulePtr fp32_qat =
      quantize_trained("quantization-aware training", fp32, data, qat, o.quantization, seed + 2);
  const nn::ModulePtr pruned_qat =
      quantize_trained("the same, pruned", masked, data, qat, o.quantization, seed + 3);
  const nn::ModulePtr pruned = nn::deepcopy(masked);
  fix_zeros(*pruned);

  std::vector<Row> rows;
  const auto add = [&](const char* name, const nn::ModulePtr& network,
                       std::optional<std::size_t> made_of = {}) {
    rows.push_back({.name = name, .model = {info, network}, .made_of = made_of, .report = {}});
  };
  add("fp32", fp32);
  add("int8_ptq", quantize_static(fp32, data, o.quantization), 0);
  add("int8_qat", fp32_qat, 0);
  add("pruned", pruned);
  add("pruned_int8_ptq", quantize_static(masked, data, o.quantization), 3);
  add("pruned_int8_qat", pruned_qat, 3);
  return rows;
}

// Saves a row, loads it again, measures what was loaded, and goes on with that.
void save_and_measure(Row& row, const Data& data, const std::string& path) {
  save_model(path, row.model);
  Model loaded = load_model(path);
  Tensor before, after;
  predict(*row.model.network, data.test->data(), &before);
  predict(*loaded.network, data.test->data(), &after);
  check(after.equal(before), path, ": computes something else after it was loaded");
  row.file_bytes = static_cast<std::int64_t>(fs::file_size(path));
  row.weight_bytes = weight_bytes(*loaded.network);
  row.sparsity = weight_sparsity(*loaded.network);
  row.accuracy = accuracy(*loaded.network, data);
  row.us1 = microseconds_per_sample(*loaded.network, data, 1);
  row.us64 = microseconds_per_sample(*loaded.network, data, 64);
  row.model = std::move(loaded);
}

std::string report_json(const std::vector<Row>& rows, const Compress& o,
                        const std::vector<std::int64_t>& sizes) {
  ordered_json report;
  for (const Row& r : rows) {
    report["rows"].push_back({{"name", r.name},
                              {"accuracy", r.accuracy},
                              {"weight_bytes", r.weight_bytes},
                              {"file_bytes", r.file_bytes},
                              {"sparsity", r.sparsity},
                              {"us_per_sample", {{"1", r.us1}, {"64", r.us64}}}});
    if (r.made_of) report["rows"].back()["report"] = ordered_json::parse(r.report.json());
  }
  report["network"] = o.network.network;
  report["layers"] = sizes;
  report["mode"] = o.quantization.mode;
  report["qconfig"] = o.quantization.qconfig;
  report["block"] = o.pruning.block;
  report["seed"] = o.run.seed;
  report["threads"] = kernels::get_num_threads();
  return report.dump(2) + "\n";
}

std::string table(const std::vector<Row>& rows) {
  Table t({"model", "accuracy", "weight bytes", "file bytes", "zeros", "µs/sample, batch 1",
           "batch 64"});
  for (const Row& r : rows)
    t.add({r.name, fixed(100 * r.accuracy, 2) + "%", grouped(r.weight_bytes), grouped(r.file_bytes),
           fixed(100 * r.sparsity, 1) + "%", fixed(r.us1, 2), fixed(r.us64, 2)});
  return t.str();
}

// The report in short.
std::string table(const tq::Report& report) {
  Table t({"layer", "computes in", "weight", "zeros", "SQNR dB"});
  for (const tq::LayerReport& l : report.layers)
    t.add({l.name, std::string(name(l.form)) + (l.why.empty() ? "" : " (" + l.why + ")"),
           l.weight_dtype ? std::string(name(*l.weight_dtype)) : "-",
           l.kept ? fixed(100 * *l.kept, 1) + "%" : "-", l.sqnr ? fixed(*l.sqnr, 1) : "-"});
  return t.str();
}

void compress(const Compress& o) {
  o.run.apply();
  o.pruning.block_shape();
  const std::vector<std::int64_t> given = o.network.sizes();
  const Data data = load_data(o.data, given.empty() ? 0 : given.back());
  const std::vector<std::int64_t> sizes = layer_sizes(o.network, data);
  const nn::ModulePtr fp32 = build_network(o.network, sizes);
  check_mode(*fp32, o.quantization);
  const bool keep = !o.out.empty();
  const Output output(keep ? o.out : (fs::temp_directory_path() / "adze-compress").string());

  std::vector<Row> rows =
      make_rows(o, data, model_info(o.network.network, sizes.back(), data, o.data), fp32);
  {
    Progress progress("saving and measuring", static_cast<std::int64_t>(rows.size()));
    for (Row& row : rows) {
      save_and_measure(row, data, output.path(row.name + ".safetensors"));
      if (row.made_of)
        row.report = tq::report(
            *row.model.network,
            {.float_model = rows[*row.made_of].model.network.get(), .inputs = {data.test->data()}});
      progress.step(row.name);
    }
  }
  const Row& last = rows.back();
  if (keep) {
    write_file(output.path("report.json"), report_json(rows, o, sizes));
    output.publish();
  }

  std::printf("\n%s\nlayers of %s:\n\n%s", table(rows).c_str(), last.name.c_str(),
              table(last.report).c_str());
  if (keep) std::printf("\nmodels and report.json: %s\n", o.out.c_str());
}

}  // namespace

void add_compress(CLI::App& program) {
  add_command<Compress>(program, "compress",
                        "train, prune and quantize a network, and compare the results", compress);
}

}  // namespace adze::cli
