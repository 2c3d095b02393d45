#include "adze/commands.h"

#include <cstdio>
#include <vector>

#include "adze/console.h"
#include "adze/core/random.h"
#include "adze/kernels/parallel.h"
#include "adze/network.h"
#include "adze/quantization.h"
#include "adze/training.h"

namespace adze::cli {
namespace {

void print_result(const Model& model, const Data& data, const std::string& path) {
  std::printf("%s: accuracy %s%% on %lld samples, %s%% zeros, %s weight bytes\n", path.c_str(),
              fixed(100 * accuracy(*model.network, data), 2).c_str(),
              static_cast<long long>(data.test->size()),
              fixed(100 * weight_sparsity(*model.network), 1).c_str(),
              grouped(weight_bytes(*model.network)).c_str());
}

struct Train {
  DataOptions data;
  TrainOptions training;
  RunOptions run;
  NetworkOptions network;
  std::string out;

  void add_to(CLI::App& app) {
    data.add_to(app);
    training.add_to(app);
    run.add_to(app);
    network.add_to(app);
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
  QuantizeOptions quantization;
  std::string model, out, method = "static";

  void add_to(CLI::App& app) {
    app.add_option("model", model, "float model to quantize")->required();
    data.add_to(app);
    training.add_to(app);
    run.add_to(app);
    quantization.add_to(app);
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

void train_network(const Train& o) {
  o.run.apply();
  check_directory_of(o.out);
  const std::vector<std::int64_t> given = o.network.sizes();
  const Data data = load_data(o.data, given.empty() ? 0 : given.back());
  const std::vector<std::int64_t> sizes = layer_sizes(o.network, data);
  const Model model{model_info(o.network.network, sizes.back(), data, o.data),
                    build_network(o.network, sizes)};
  train("training", *model.network, data, o.training, o.run.seed);
  save_model(o.out, model);
  print_result(model, data, o.out);
}

void prune_network(const Prune& o) {
  o.run.apply();
  o.pruning.block_shape();
  check_directory_of(o.out);
  Loaded in(o.model, o.data);
  check_float(o.model, *in.model.network, "prune");
  prune("pruning", *in.model.network, in.data, o.training, o.pruning, o.run.seed);
  fix_zeros(*in.model.network);
  save_model(o.out, in.model);
  print_result(in.model, in.data, o.out);
}

void quantize(const Quantize& o) {
  o.run.apply();
  check_directory_of(o.out);
  Loaded in(o.model, o.data);
  nn::ModulePtr& network = in.model.network;
  check_float(o.model, *network, "quantize");
  if (o.method == "dynamic") {
    network = quantize_dynamic(network, in.data, o.quantization);
  } else {
    check_mode(*network, o.quantization);
    network = o.method == "qat" ? quantize_trained("quantization-aware training", network, in.data,
                                                   o.training, o.quantization, o.run.seed)
                                : quantize_static(network, in.data, o.quantization);
  }
  save_model(o.out, in.model);
  print_result(in.model, in.data, o.out);
}

void evaluate(const Eval& o) {
  o.run.apply();
  if (!o.predictions.empty()) check_directory_of(o.predictions);
  const Loaded in(o.model, o.data);
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

Data data_for(const ModelInfo& info, const std::string& path, const DataOptions& options) {
  check(!options.data.empty() || info.features == 0 || info.features == digits_features, path,
        ": the model takes ", info.features, " features, the digits that come with adze have ",
        digits_features, "; give --data");
  Data data = load_data(data_options(info, options), info.classes, info.input_scale);
  check(info.features == 0 || data.features == info.features, path, ": the model takes ",
        info.features, " features, the data has ", data.features);
  return data;
}

void check_float(const std::string& path, nn::Module& network, const char* what) {
  const std::string is = form(network);
  check(is == "float", path, ": ", what, " needs a float model, this one is ", is);
}

void add_train(CLI::App& program) {
  add_command<Train>(program, "train", "train a float network", train_network);
}

void add_prune(CLI::App& program) {
  add_command<Prune>(program, "prune", "prune a float network while it trains on", prune_network);
}

void add_quantize(CLI::App& program) {
  add_command<Quantize>(program, "quantize", "make an int8 network of a float one", quantize);
}

void add_eval(CLI::App& program) {
  add_command<Eval>(program, "eval", "run a network on test data", evaluate);
}

}  // namespace adze::cli
