#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "adze/core/tensor.h"

namespace adze::nn::data {

/// One sample, or a batch of samples along the first dimension.
struct Example {
  Tensor data;
  Tensor target;  // undefined in datasets without targets
};
using Batch = Example;

/// Samples by number. Reading is safe from several threads.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  /// Sample i. Throws unless 0 <= i < size().
  virtual Example get(std::int64_t i) const = 0;
  /// The samples of these numbers, stacked along a new first dimension; at least one.
  virtual Batch get_batch(std::span<const std::int64_t> indices) const;
};

/// A share in a dataset: made from a dataset by value, or from a shared pointer to one.
class SharedDataset {
 public:
  template <std::derived_from<Dataset> D>
  SharedDataset(D dataset) : dataset_(std::make_shared<const D>(std::move(dataset))) {}
  template <std::derived_from<Dataset> D>
  SharedDataset(std::shared_ptr<D> dataset) : SharedDataset(Pointer(std::move(dataset))) {}
  SharedDataset(std::shared_ptr<const Dataset> dataset);

  const Dataset& operator*() const { return *dataset_; }
  const Dataset* operator->() const { return dataset_.get(); }

 private:
  using Pointer = std::shared_ptr<const Dataset>;
  Pointer dataset_;
};

/// Samples in memory: row i of two tensors.
class TensorDataset : public Dataset {
 public:
  /// data (n, ...), target (n, ...) or undefined. Throws when they differ in n.
  explicit TensorDataset(Tensor data, Tensor target = {});

  std::int64_t size() const override { return data_.size(0); }
  /// Views of the rows.
  Example get(std::int64_t i) const override;
  /// Copies of the rows.
  Batch get_batch(std::span<const std::int64_t> indices) const override;

  const Tensor& data() const { return data_; }
  const Tensor& targets() const { return target_; }

 private:
  Tensor data_, target_;
};

/// Some samples of another dataset, in the order of `indices`.
class Subset : public Dataset {
 public:
  /// Throws when an index is none of the dataset's.
  Subset(SharedDataset dataset, std::vector<std::int64_t> indices);

  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  Example get(std::int64_t i) const override;
  Batch get_batch(std::span<const std::int64_t> indices) const override;

 private:
  SharedDataset dataset_;
  std::vector<std::int64_t> indices_;
};

/// Consecutive parts of these lengths, whose sum is the dataset's size.
std::vector<Subset> split(const SharedDataset& dataset, const std::vector<std::int64_t>& lengths);
/// The same of the samples in a random order, which depends on `seed` only.
std::vector<Subset> random_split(const SharedDataset& dataset,
                                 const std::vector<std::int64_t>& lengths, std::uint64_t seed);

}  // namespace adze::nn::data
