#include "adze/nn/data/data_loader.h"

#include <algorithm>
#include <numeric>

#include "data/streams.h"

namespace adze::nn::data {

DataLoader::DataLoader(SharedDataset dataset, DataLoaderOptions options)
    : dataset_(std::move(dataset)),
      options_(std::move(options)),
      seed_(options_.seed ? *options_.seed : default_generator().next()) {
  check(options_.batch_size > 0, "DataLoader: batch_size must be > 0, got ", options_.batch_size);
}

std::int64_t DataLoader::size() const {
  const std::int64_t n = dataset_->size(), batch = options_.batch_size;
  return n / batch + (n % batch != 0 && !options_.drop_last ? 1 : 0);
}

std::vector<std::int64_t> DataLoader::order(std::uint64_t epoch) const {
  if (options_.shuffle) {
    Generator generator = epoch_stream(seed_, Purpose::order, epoch);
    return randperm(dataset_->size(), &generator).to_vector<std::int64_t>();
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(dataset_->size()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

DataLoader::Iterator::Iterator(const DataLoader& loader, std::uint64_t epoch)
    : loader_(&loader),
      order_(std::make_shared<const std::vector<std::int64_t>>(loader.order(epoch))),
      epoch_(epoch) {
  load();
}

DataLoader::Iterator& DataLoader::Iterator::operator++() {
  ++next_;
  load();
  return *this;
}

void DataLoader::Iterator::load() {
  done_ = next_ >= loader_->size();
  if (done_) {
    batch_ = {};
    return;
  }
  const auto size = static_cast<std::size_t>(loader_->options_.batch_size);
  const std::size_t first = static_cast<std::size_t>(next_) * size;
  const std::span<const std::int64_t> indices =
      std::span(*order_).subspan(first, std::min(size, order_->size() - first));
  batch_ = loader_->dataset_->get_batch(indices);
  if (loader_->options_.transform) {
    batch_.data = loader_->options_.transform->apply(
        batch_.data, {.seed = loader_->seed_, .epoch = epoch_, .indices = indices});
  }
}

}  // namespace adze::nn::data
