#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "adze/data.h"
#include "adze/nn/module.h"

// Training, pruning and measuring one network.
namespace adze::cli {

struct TrainOptions {
  std::int64_t epochs = 60;
  std::int64_t batch_size = 32;
  double lr = 2e-3;
  double weight_decay = 1e-2;
  double label_smoothing = 0.1;

  void add_to(CLI::App& app, const std::string& prefix = "");
};

struct PruneOptions {
  double sparsity = 0.8;
  std::string block = "1x4";
  std::string schedule = "cubic";  // or "constant"
  std::int64_t epochs = 40;

  void add_to(CLI::App& app);
  /// `block` as (rows, columns); throws when it is not of that form.
  Shape block_shape() const;
};

/// Trains in place with AdamW and a cosine schedule; ends in eval mode. `after_epoch` runs behind
/// each epoch, counted from 1.
void train(const std::string& label, nn::Module& network, const Data& data,
           const TrainOptions& options, std::uint64_t seed,
           const std::function<void(std::int64_t)>& after_epoch = {});
/// Prunes in place while it trains: the level rises over the first three quarters of the epochs.
/// The masks stay on the weights.
void prune(const std::string& label, nn::Module& network, const Data& data,
           const TrainOptions& options, const PruneOptions& prune_options, std::uint64_t seed);

/// Class of each test sample; logits of (n, classes) go to `logits` if it is given.
Tensor predict(nn::Module& network, const Tensor& features, Tensor* logits = nullptr);
/// Fraction of the test samples that get the right class.
double accuracy(nn::Module& network, const Data& data);
/// Median time of one call with `batch` samples, in microseconds per sample.
double microseconds_per_sample(nn::Module& network, const Data& data, std::int64_t batch);

}  // namespace adze::cli
