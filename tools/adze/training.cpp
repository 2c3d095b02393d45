#include "adze/training.h"

#include <algorithm>
#include <chrono>

#include "adze/ao/pruning/cubic_scheduler.h"
#include "adze/ao/pruning/weight_norm_sparsifier.h"
#include "adze/console.h"
#include "adze/core/autograd.h"
#include "adze/core/ops.h"
#include "adze/nn/data/data_loader.h"
#include "adze/nn/optim/adam.h"
#include "adze/nn/optim/lr_scheduler.h"
#include "adze/nn/traversal.h"

namespace adze::cli {

namespace pruning = ao::pruning;

void TrainOptions::add_to(CLI::App& app, const std::string& prefix) {
  app.add_option("--" + prefix + "epochs", epochs, "passes over the training data")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  app.add_option("--" + prefix + "lr", lr, "learning rate at the start")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  if (!prefix.empty()) return;
  app.add_option("--batch-size", batch_size, "samples in a step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--weight-decay", weight_decay, "weight decay of AdamW")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--label-smoothing", label_smoothing, "label smoothing of the loss")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
}

void PruneOptions::add_to(CLI::App& app) {
  app.add_option("--sparsity", sparsity, "part of the blocks of each weight that becomes zero")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--block", block, "ROWSxCOLUMNS of the blocks")->capture_default_str();
  app.add_option("--schedule", schedule, "how the sparsity rises")
      ->check(CLI::IsMember({"cubic", "constant"}))
      ->capture_default_str();
  app.add_option("--prune-epochs", epochs, "epochs of training while pruning")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
}

Shape PruneOptions::block_shape() const {
  const auto sizes = parse_sizes(block, 'x', "--block");
  check(sizes.size() == 2, "--block: expected ROWSxCOLUMNS, got '", block, "'");
  return {sizes[0], sizes[1]};
}

void train(const std::string& label, nn::Module& network, const Data& data,
           const TrainOptions& options, std::uint64_t seed,
           const std::function<void(std::int64_t)>& after_epoch) {
  if (options.epochs == 0) {
    network.eval();
    return;
  }
  network.train();
  manual_seed(seed);
  nn::data::DataLoader loader(std::static_pointer_cast<const nn::data::Dataset>(data.train),
                              {.batch_size = options.batch_size,
                               .shuffle = true,
                               .seed = seed,
                               .drop_last = false,
                               .transform = data.distortion});
  optim::AdamW optimizer(nn::parameters(network),
                         {.lr = options.lr, .weight_decay = options.weight_decay});
  optim::CosineAnnealingLR schedule(optimizer, options.epochs * loader.size());
  Progress progress(label, options.epochs);
  for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
    double loss_sum = 0;
    for (const auto& [features, target] : loader) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(network(features), target, options.label_smoothing);
      loss.backward();
      optimizer.step();
      schedule.step();
      loss_sum += loss.item();
    }
    if (after_epoch) after_epoch(epoch);
    progress.step("loss " + fixed(loss_sum / static_cast<double>(loader.size()), 3));
  }
  network.eval();
}

void prune(const std::string& label, nn::Module& network, const Data& data,
           const TrainOptions& options, const PruneOptions& prune_options, std::uint64_t seed) {
  pruning::WeightNormSparsifier sparsifier({.sparsity_level = prune_options.sparsity,
                                            .sparse_block_shape = prune_options.block_shape()});
  sparsifier.prepare(network);
  TrainOptions tuning = options;
  tuning.epochs = prune_options.epochs;
  const std::int64_t rise = std::max<std::int64_t>(1, tuning.epochs * 3 / 4);
  if (prune_options.schedule == "cubic" && tuning.epochs > 0) {
    pruning::CubicSL schedule(sparsifier, {.delta_t = 1, .total_t = rise});
    train(label, network, data, tuning, seed, [&](std::int64_t epoch) {
      if (epoch > rise + 1) return;
      sparsifier.step();
      schedule.step();
    });
    sparsifier.step();  // the full level, however short the training was
  } else {
    sparsifier.step();
    train(label, network, data, tuning, seed);
  }
}

Tensor predict(nn::Module& network, const Tensor& features, Tensor* logits) {
  NoGrad guard;
  const Tensor out = network(features);
  if (logits) *logits = out;
  return argmax(out, 1);
}

double accuracy(nn::Module& network, const Data& data) {
  const Tensor right = eq(predict(network, data.test->data()), data.test->targets());
  return static_cast<double>(count_nonzero(right)) / static_cast<double>(data.test->size());
}

double microseconds_per_sample(nn::Module& network, const Data& data, std::int64_t batch) {
  using clock = std::chrono::steady_clock;
  NoGrad guard;
  std::vector<Tensor> inputs;
  const std::int64_t rows = data.test->size();
  for (std::int64_t i = 0; i < 8; ++i) {
    std::vector<std::int64_t> indices;
    for (std::int64_t j = 0; j < batch; ++j) indices.push_back((i * batch + j) % rows);
    inputs.push_back(data.test->get_batch(indices).data);
  }
  std::vector<double> times;
  const auto start = clock::now();
  while (times.size() < 30 || clock::now() - start < std::chrono::milliseconds(250)) {
    const auto before = clock::now();
    network(inputs[times.size() % inputs.size()]);
    times.push_back(std::chrono::duration<double, std::micro>(clock::now() - before).count());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2] / static_cast<double>(batch);
}

}  // namespace adze::cli
