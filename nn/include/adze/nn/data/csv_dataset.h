#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "adze/nn/data/dataset.h"

namespace adze::nn::data {

struct CsvOptions {
  char separator = ',';
  /// Whether the first row holds names. Unset: it does when none of its fields is a number.
  std::optional<bool> header = {};
  /// Column of the label, negative from the right; unset: the rows have none.
  std::optional<std::int64_t> label_column = -1;
  /// Labels must be below; 0: no bound.
  std::int64_t classes = 0;
  /// Features are multiplied with it.
  double scale = 1;
  /// Shape of the features of one sample; empty: (features,).
  Shape sample_shape = {};
};

/// A table of numbers in a text file, one sample in each row: features float32, labels int64 >= 0.
///
/// Fields may be quoted and padded with blanks; empty lines are skipped. Throws, naming file and
/// row (the line, from 1), when the file cannot be read or is empty, rows differ in their number of
/// fields, a field is not a finite number, or a label is not an integer in its range.
class CsvDataset : public TensorDataset {
 public:
  explicit CsvDataset(const std::string& path, const CsvOptions& options = {});
};

}  // namespace adze::nn::data
