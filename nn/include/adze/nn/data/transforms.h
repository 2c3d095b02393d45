#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "adze/core/tensor.h"

namespace adze::nn::data {

/// Which samples a batch holds: random transforms of a sample depend on these numbers and nothing
/// else, so not on the batch it is in.
struct BatchKey {
  std::uint64_t seed = 0, epoch = 0;
  std::span<const std::int64_t> indices;  // numbers of the samples in their dataset
};

/// A change of the data of a batch.
class Transform {
 public:
  virtual ~Transform() = default;
  /// The changed batch, a new tensor: data (n, ...), key with n indices.
  virtual Tensor apply(const Tensor& data, const BatchKey& key) const = 0;
};
using TransformPtr = std::shared_ptr<const Transform>;

/// One transform after the other: `compose(RandomAffine({...}), Normalize({0.5}, {0.5}))`.
class Compose : public Transform {
 public:
  explicit Compose(std::vector<TransformPtr> transforms);
  Tensor apply(const Tensor& data, const BatchKey& key) const override;

 private:
  std::vector<TransformPtr> transforms_;
};

template <std::derived_from<Transform>... T>
TransformPtr compose(T... transforms) {
  return std::make_shared<const Compose>(
      std::vector<TransformPtr>{std::make_shared<const T>(std::move(transforms))...});
}

/// (x - mean[c]) / std[c] for each channel c, the second dimension of a batch; one mean and std
/// serve all.
class Normalize : public Transform {
 public:
  /// Throws unless there are as many of both, and each std is finite and > 0.
  Normalize(std::vector<double> mean, std::vector<double> std);
  Tensor apply(const Tensor& data, const BatchKey& key) const override;

 private:
  std::vector<double> mean_, std_;
};

struct RandomAffineOptions {
  double degrees = 0;       // rotation by an angle in [-degrees, degrees]
  double translate = 0;     // shift by up to this part of height and width
  double scale = 0;         // scaling by a factor in [1 - scale, 1 + scale]
  double shear = 0;         // shear along x by an angle in [-shear, shear] degrees
  double fill = 0;          // value outside of the image
  std::int64_t height = 0;  // of images that come as flat rows: (n, ..., height * width)
  std::int64_t width = 0;
};

/// Images moved by a random affine map, all parameters uniform in their ranges, with bilinear
/// interpolation. The last two dimensions of float32 data are the image; all channels of a sample
/// move together.
class RandomAffine : public Transform {
 public:
  /// Throws for parameters that are negative or not finite, scale >= 1, shear >= 90 degrees.
  explicit RandomAffine(RandomAffineOptions options);
  Tensor apply(const Tensor& data, const BatchKey& key) const override;

 private:
  RandomAffineOptions options_;
};

}  // namespace adze::nn::data
