#include "adze/commands.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "adze/ao/quantization/quantize.h"
#include "adze/console.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/kernels/parallel.h"
#include "adze/nn/traversal.h"
#include "adze/training.h"

namespace adze::cli {
namespace {

namespace fs = std::filesystem;

// A sub-command whose options live as long as the program.
template <class Options, class Run>
void add_command(CLI::App& program, const char* name, const char* description, Run run) {
  CLI::App* app = program.add_subcommand(name, description);
  auto options = std::make_shared<Options>();
  options->add_to(*app);
  app->callback([options, run] { run(*options); });
}

void check_directory_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  check(parent.empty() || fs::is_directory(parent), path, ": there is no directory ",
        parent.string());
}

void print_result(const Model& model, const Data& data, const std::string& path) {
  std::printf("%s: accuracy %s%% on %lld samples, %s%% zeros, %s weight bytes\n", path.c_str(),
              fixed(100 * accuracy(*model.network, data), 2).c_str(),
              static_cast<long long>(data.test->size()),
              fixed(100 * weight_sparsity(*model.network), 1).c_str(),
              grouped(weight_bytes(*model.network)).c_str());
}

// The model of a file and data that fits it.
struct Loaded {
  Model model;
  Data data;

  Loaded(const std::string& path, const DataOptions& options) : model(load_model(path)) {
    const auto& layers = model.spec.layers;
    data = load_data(options, layers.back(), model.spec.input_scale);
    check(data.features == layers.front(), path, ": the model takes ", layers.front(),
          " features, the data has ", data.features);
  }
  void needs_float(const std::string& path, const char* what) const {
    check(model.spec.form == "float", path, ": ", what, " needs a float model, this one is ",
          model.spec.form);
  }
};

struct Train {
  DataOptions data;
  TrainOptions training;
  RunOptions run;
  std::string layers, out;
  double dropout = 0.2;

  void add_to(CLI::App& app) {
    data.add_to(app);
    training.add_to(app);
    run.add_to(app);
    app.add_option("--layers", layers,
                   "sizes, features first: 64,256,128,10 (default: features, "
                   "256, 128, classes)");
    app.add_option("--dropout", dropout, "dropout behind each hidden layer")
        ->check(CLI::Range(0.0, 0.95))
        ->capture_default_str();
    app.add_option("--out,-o", out, "model file to write")->required();
  }
};

struct Prune {
  DataOptions data;
  TrainOptions training;
  PruneOptions pruning;
  RunOptions run;
  std::string model, out;

  void add_to(CLI::App& app) {
    app.add_option("model", model, "float model to prune")->required();
    data.add_to(app);
    training.add_to(app);
    pruning.add_to(app);
    run.add_to(app);
    app.add_option("--out,-o", out, "model file to write")->required();
  }
};

struct Quantize {
  DataOptions data;
  TrainOptions training{.epochs = 15, .lr = 5e-4};
  RunOptions run;
  std::string model, out, qconfig = "x86", method = "static";

  void add_to(CLI::App& app) {
    app.add_option("model", model, "float model to quantize")->required();
    data.add_to(app);
    training.add_to(app);
    run.add_to(app);
    app.add_option("--qconfig", qconfig, "backend whose default qconfig is used")
        ->check(CLI::IsMember({"x86", "fbgemm", "qnnpack", "onednn"}))
        ->capture_default_str();
    app.add_option("--method", method, "after training, with training, or dynamic")
        ->check(CLI::IsMember({"static", "qat", "dynamic"}))
        ->capture_default_str();
    app.add_option("--out,-o", out, "model file to write")->required();
  }
};

struct Eval {
  DataOptions data;
  RunOptions run;
  std::string model, predictions;

  void add_to(CLI::App& app) {
    app.add_option("model", model, "model file")->required();
    data.add_to(app);
    run.add_to(app);
    app.add_option("--predictions", predictions, "file for the predicted classes, one a line");
  }
};

struct Inspect {
  std::string model;
  void add_to(CLI::App& app) { app.add_option("model", model, "model file")->required(); }
};

void inspect(const Inspect& o) {
  const Model model = load_model(o.model);
  Table table({"layer", "type", "weight", "dtype", "zeros", "bytes", "output scale", "zero point"});
  nn::for_each_module(*model.network, [&](const std::string& path, nn::Module& m) {
    nn::Parameter* weight = m.find_parameter("weight");
    const nn::Parameter* scale = m.find_parameter("scale");
    const nn::Parameter* zero_point = m.find_parameter("zero_point");
    if (!weight && !scale) return;
    const bool has_weight = weight && weight->defined();
    const Tensor w = has_weight ? weight->value().detach() : Tensor();
    const double zeros = has_weight ? 100 - 100.0 * static_cast<double>(count_nonzero(w)) /
                                                static_cast<double>(w.numel())
                                    : 0;
    table.add(
        {path, m.type(), has_weight ? to_string(w.sizes()) : "-",
         has_weight ? std::string(name(w.dtype())) : "-", has_weight ? fixed(zeros, 1) + "%" : "-",
         has_weight ? grouped(weight_bytes(m)) : "-", scale ? fixed(scale->value().item(), 6) : "-",
         zero_point ? std::to_string(zero_point->value().item<std::int64_t>()) : "-"});
  });
  std::printf("%s: %s model, %s bytes on disk, %s bytes of weights, %s%% zeros\n\n%s",
              o.model.c_str(), model.spec.form.c_str(),
              grouped(static_cast<std::int64_t>(fs::file_size(o.model))).c_str(),
              grouped(weight_bytes(*model.network)).c_str(),
              fixed(100 * weight_sparsity(*model.network), 1).c_str(), table.str().c_str());
}

void quantize(const Quantize& o) {
  o.run.apply();
  check_directory_of(o.out);
  Loaded in(o.model, o.data);
  in.needs_float(o.model, "quantize");
  Model& model = in.model;
  if (o.method == "dynamic") {
    model.network = ao::quantization::quantize_dynamic(model.network);
    model.spec.form = "dynamic";
  } else {
    model.network = o.method == "qat"
                        ? quantize_trained("quantization-aware training", model.network, in.data,
                                           o.training, o.qconfig, o.run.seed)
                        : quantize_static(model.network, in.data, o.qconfig);
    model.spec.form = "int8";
    model.spec.qconfig = o.qconfig;
  }
  save_model(o.out, model);
  print_result(model, in.data, o.out);
}

void evaluate(const Eval& o) {
  o.run.apply();
  if (!o.predictions.empty()) check_directory_of(o.predictions);
  Loaded in(o.model, o.data);
  if (!o.predictions.empty()) {
    std::string text;
    for (std::int64_t c :
         predict(*in.model.network, in.data.test->data()).to_vector<std::int64_t>())
      text += std::to_string(c) + "\n";
    write_file(o.predictions, text);
  }
  print_result(in.model, in.data, o.model);
}

}  // namespace

void RunOptions::add_to(CLI::App& app) {
  app.add_option("--seed", seed, "seed of all random numbers")->capture_default_str();
  app.add_option("--threads", threads, "threads (default: all cores)")->check(CLI::Range(0, 1024));
}

void RunOptions::apply() const {
  if (threads > 0) kernels::set_num_threads(threads);
  manual_seed(seed);
}

void add_train(CLI::App& program) {
  add_command<Train>(program, "train", "train a float network", [](const Train& o) {
    o.run.apply();
    check_directory_of(o.out);
    const auto layers =
        o.layers.empty() ? std::vector<std::int64_t>() : parse_sizes(o.layers, ',', "--layers");
    const Data data = load_data(o.data, layers.empty() ? 0 : layers.back());
    Model model{network_spec(layers, data, o.dropout), nullptr};
    model.network = build(model.spec);
    train("training", *model.network, data, o.training, o.run.seed);
    save_model(o.out, model);
    print_result(model, data, o.out);
  });
}

void add_prune(CLI::App& program) {
  add_command<Prune>(program, "prune", "prune a float network while it trains on",
                     [](const Prune& o) {
                       o.run.apply();
                       o.pruning.block_shape();
                       check_directory_of(o.out);
                       Loaded in(o.model, o.data);
                       in.needs_float(o.model, "prune");
                       prune("pruning", *in.model.network, in.data, o.training, o.pruning,
                             o.run.seed, /*keep_masks=*/false);
                       save_model(o.out, in.model);
                       print_result(in.model, in.data, o.out);
                     });
}

void add_quantize(CLI::App& program) {
  add_command<Quantize>(program, "quantize", "make an int8 network of a float one", quantize);
}

void add_eval(CLI::App& program) {
  add_command<Eval>(program, "eval", "run a network on test data", evaluate);
}

void add_inspect(CLI::App& program) {
  add_command<Inspect>(program, "inspect", "print the layers of a model file", inspect);
}

}  // namespace adze::cli
