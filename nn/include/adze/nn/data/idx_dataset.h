#pragma once

#include <cstdint>
#include <string>

#include "adze/nn/data/dataset.h"

namespace adze::nn::data {

/// The array in an IDX file (the format of the MNIST files), plain or compressed with gzip: dtype
/// uint8, int8, int16, int32, float32 or float64, as stored.
///
/// Throws, naming the file, when it cannot be read, is not of the format, has more than `max_dims`
/// dimensions, or holds fewer or more bytes than its sizes say. Never allocates much more than the
/// (uncompressed) content of the file.
Tensor read_idx(const std::string& path);

struct IdxOptions {
  /// Features are multiplied with it.
  double scale = 1.0 / 255;
  /// Labels must be below; 0: no bound.
  std::int64_t classes = 0;
  /// Shape of the features of one sample; empty: as stored, e.g. (28, 28).
  Shape sample_shape = {};
};

/// Images and labels from two IDX files: features float32, labels int64 >= 0. Throws as `read_idx`,
/// and when the files do not fit each other.
class IdxDataset : public TensorDataset {
 public:
  IdxDataset(const std::string& images, const std::string& labels, const IdxOptions& options = {});
};

}  // namespace adze::nn::data
