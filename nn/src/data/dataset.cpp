#include "adze/nn/data/dataset.h"

#include <algorithm>
#include <numeric>

#include "adze/core/creation.h"
#include "adze/core/ops/shape.h"
#include "adze/core/random.h"

namespace adze::nn::data {
namespace {

void check_index(const char* where, std::int64_t i, std::int64_t size) {
  check(i >= 0 && i < size, where, ": index ", i, " is outside of the dataset, which has ", size,
        " samples");
}

std::vector<Subset> parts(const SharedDataset& dataset, const std::vector<std::int64_t>& lengths,
                          const std::vector<std::int64_t>& order, const char* where) {
  std::int64_t sum = 0;
  for (const std::int64_t length : lengths) {
    check(length >= 0 && length <= dataset->size(), where, ": a part of ", length,
          " samples cannot be cut from a dataset of ", dataset->size());
    sum += length;
  }
  check(sum == dataset->size(), where, ": the lengths must add up to the dataset's size ",
        dataset->size(), ", got ", sum);
  std::vector<Subset> result;
  auto first = order.begin();
  for (const std::int64_t length : lengths) {
    result.emplace_back(dataset, std::vector<std::int64_t>(first, first + length));
    first += length;
  }
  return result;
}

}  // namespace

Batch Dataset::get_batch(std::span<const std::int64_t> indices) const {
  check(!indices.empty(), "Dataset::get_batch: at least one index expected");
  TensorList data, targets;
  for (const std::int64_t i : indices) {
    Example example = get(i);
    data.push_back(std::move(example.data));
    if (example.target.defined()) targets.push_back(std::move(example.target));
  }
  check(targets.empty() || targets.size() == data.size(),
        "Dataset::get_batch: some of the samples have a target, others have none");
  return {stack(data), targets.empty() ? Tensor() : stack(targets)};
}

SharedDataset::SharedDataset(std::shared_ptr<const Dataset> dataset)
    : dataset_(std::move(dataset)) {
  check(dataset_ != nullptr, "SharedDataset: a dataset expected, got a null pointer");
}

TensorDataset::TensorDataset(Tensor data, Tensor target)
    : data_(std::move(data)), target_(std::move(target)) {
  check(data_.dim() > 0, "TensorDataset: data of shape (samples, ...) expected, got a tensor ",
        "without dimensions");
  if (!target_.defined()) return;
  check(target_.dim() > 0 && target_.size(0) == data_.size(0),
        "TensorDataset: as many targets as samples expected, got data ", data_.sizes(),
        " and targets ", target_.sizes());
}

Example TensorDataset::get(std::int64_t i) const {
  check_index("TensorDataset::get", i, size());
  return {data_[i], target_.defined() ? target_[i] : Tensor()};
}

Batch TensorDataset::get_batch(std::span<const std::int64_t> indices) const {
  const Tensor rows = from_vector(std::vector<std::int64_t>(indices.begin(), indices.end()),
                                  {static_cast<std::int64_t>(indices.size())});
  for (const std::int64_t i : indices) check_index("TensorDataset::get_batch", i, size());
  return {index_select(data_, 0, rows),
          target_.defined() ? index_select(target_, 0, rows) : Tensor()};
}

Subset::Subset(SharedDataset dataset, std::vector<std::int64_t> indices)
    : dataset_(std::move(dataset)), indices_(std::move(indices)) {
  for (const std::int64_t i : indices_) check_index("Subset", i, dataset_->size());
}

Example Subset::get(std::int64_t i) const {
  check_index("Subset::get", i, size());
  return dataset_->get(indices_[static_cast<std::size_t>(i)]);
}

Batch Subset::get_batch(std::span<const std::int64_t> indices) const {
  std::vector<std::int64_t> of_dataset;
  of_dataset.reserve(indices.size());
  for (const std::int64_t i : indices) {
    check_index("Subset::get_batch", i, size());
    of_dataset.push_back(indices_[static_cast<std::size_t>(i)]);
  }
  return dataset_->get_batch(of_dataset);
}

std::vector<Subset> split(const SharedDataset& dataset, const std::vector<std::int64_t>& lengths) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(dataset->size()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return parts(dataset, lengths, order, "split");
}

std::vector<Subset> random_split(const SharedDataset& dataset,
                                 const std::vector<std::int64_t>& lengths, std::uint64_t seed) {
  Generator generator(seed);
  return parts(dataset, lengths, randperm(dataset->size(), &generator).to_vector<std::int64_t>(),
               "random_split");
}

}  // namespace adze::nn::data
