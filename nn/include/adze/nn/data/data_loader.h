#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "adze/nn/data/dataset.h"
#include "adze/nn/data/transforms.h"

namespace adze::nn::data {

struct DataLoaderOptions {
  std::int64_t batch_size = 1;
  bool shuffle = false;
  /// Decides order and transforms, together with the epoch. Unset: drawn from the default generator
  /// when the loader is made.
  std::optional<std::uint64_t> seed = {};
  /// Leaves out a last batch that is smaller than the others.
  bool drop_last = false;
  /// Applied to the data of each batch.
  TransformPtr transform = nullptr;
};

/// Batches of a dataset: `for (const auto& [data, target] : loader) ...` is one epoch.
///
/// The batches depend on dataset, options, seed and number of the epoch only. Each loop begins the
/// next epoch. The loader must outlive its iterators.
class DataLoader {
 public:
  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;

    const Batch& operator*() const { return batch_; }
    const Batch* operator->() const { return &batch_; }
    Iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return done_; }

   private:
    friend class DataLoader;
    Iterator(const DataLoader& loader, std::uint64_t epoch);
    void load();

    const DataLoader* loader_;
    std::shared_ptr<const std::vector<std::int64_t>> order_;
    std::uint64_t epoch_;
    std::int64_t next_ = 0;  // batch
    bool done_ = false;
    Batch batch_;
  };

  /// Throws unless batch_size > 0.
  explicit DataLoader(SharedDataset dataset, DataLoaderOptions options = {});

  /// Number of batches in an epoch.
  std::int64_t size() const;
  const Dataset& dataset() const { return *dataset_; }
  std::uint64_t seed() const { return seed_; }

  /// The first batch of the next epoch.
  Iterator begin() { return Iterator(*this, epoch_++); }
  std::default_sentinel_t end() const { return {}; }

  /// Number of the epoch that the next loop runs; 0 at start.
  std::uint64_t epoch() const { return epoch_; }
  /// To go on where an interrupted training stopped.
  void set_epoch(std::uint64_t epoch) { epoch_ = epoch; }

 private:
  std::vector<std::int64_t> order(std::uint64_t epoch) const;

  SharedDataset dataset_;
  DataLoaderOptions options_;
  std::uint64_t seed_;
  std::uint64_t epoch_ = 0;
};

}  // namespace adze::nn::data
