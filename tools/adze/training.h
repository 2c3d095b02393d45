#pragma once

#include <cstdint>
#include <string>

#include "adze/data.h"
#include "adze/model.h"

// Training, pruning, quantizing and measuring one network.
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

/// Trains in place with AdamW and a cosine schedule.
void train(const std::string& label, nn::Module& network, const Data& data,
           const TrainOptions& options, std::uint64_t seed);
/// Prunes in place while it trains: the level rises over the first three quarters of the epochs.
/// With `keep_masks` the masks stay on the weights, else they become part of them.
void prune(const std::string& label, nn::Module& network, const Data& data,
           const TrainOptions& options, const PruneOptions& prune_options, std::uint64_t seed,
           bool keep_masks);
/// An int8 copy, calibrated on the training data.
nn::ModulePtr quantize_static(const nn::ModulePtr& network, const Data& data,
                              const std::string& backend);
/// An int8 copy after quantization-aware training of `options.epochs`. Masks keep their zeros.
nn::ModulePtr quantize_trained(const std::string& label, const nn::ModulePtr& network,
                               const Data& data, const TrainOptions& options,
                               const std::string& backend, std::uint64_t seed);

/// Class of each test sample; logits of (n, classes) go to `logits` if it is given.
Tensor predict(nn::Module& network, const Tensor& features, Tensor* logits = nullptr);
/// Fraction of the test samples that get the right class.
double accuracy(nn::Module& network, const Data& data);
/// Median time of one call with `batch` samples, in microseconds per sample.
double microseconds_per_sample(nn::Module& network, const Data& data, std::int64_t batch);

}  // namespace adze::cli
