#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "adze/nn/data/dataset.h"
#include "adze/nn/data/transforms.h"

// Where samples come from.
namespace adze::cli {

constexpr std::int64_t digits_features = 8 * 8;  // of the digits that come with adze

struct DataOptions {
  std::string data, labels;            // CSV, or IDX images and labels; empty: the digits
  std::string test_data, test_labels;  // files of their own for the test part
  std::int64_t test_rows = -1;         // last rows of `data` that test; -1: 500 digits, else 20%
  std::string image;                   // "8x8": rows are images, and are distorted in training
  std::optional<double> distort;       // strength of the distortion; 0: none, nothing: 1

  void add_to(CLI::App& app);
};

/// Training and test samples: features float32 (n, features), targets int64 (n).
struct Data {
  std::shared_ptr<const nn::data::TensorDataset> train, test;
  std::int64_t features = 0, classes = 0;
  double input_scale = 1;             // makes the largest feature of the training part 1
  nn::data::TransformPtr distortion;  // null: none
};

/// Reads and splits the data. `classes` > 0: labels must be below. `input_scale` > 0 replaces the
/// one that is found. Throws one clear Error for files or options that do not fit.
Data load_data(const DataOptions& options, std::int64_t classes, double input_scale = 0);

/// "3,5,8" as numbers; throws naming `what`.
std::vector<std::int64_t> parse_sizes(const std::string& text, char separator, const char* what);

}  // namespace adze::cli
