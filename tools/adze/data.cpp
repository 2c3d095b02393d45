#include "adze/data.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "adze/core/ops.h"
#include "adze/nn/data/csv_dataset.h"
#include "adze/nn/data/idx_dataset.h"

namespace adze::cli {
namespace {

namespace fs = std::filesystem;
using nn::data::TensorDataset;

constexpr std::int64_t digits_test_rows = 500;  // written by other people than the rest

std::shared_ptr<const TensorDataset> flat(const TensorDataset& set) {
  return std::make_shared<const TensorDataset>(set.data().flatten(1), set.targets());
}

std::shared_ptr<const TensorDataset> read(const std::string& data, const std::string& labels,
                                          std::int64_t classes) {
  check(fs::exists(data), data, ": no such file");
  if (!labels.empty()) {
    check(fs::exists(labels), labels, ": no such file");
    return flat(nn::data::IdxDataset(data, labels, {.scale = 1, .classes = classes}));
  }
  return flat(nn::data::CsvDataset(data, {.classes = classes}));
}

std::shared_ptr<const TensorDataset> rows(const TensorDataset& set, std::int64_t from,
                                          std::int64_t to) {
  return std::make_shared<const TensorDataset>(set.data().slice(0, from, to).contiguous(),
                                               set.targets().slice(0, from, to).contiguous());
}

nn::data::TransformPtr distortion(const std::string& image, double strength,
                                  std::int64_t features) {
  if (image.empty() || strength == 0) return nullptr;
  const auto size = parse_sizes(image, 'x', "--image");
  check(size.size() == 2, "--image: expected HEIGHTxWIDTH, got '", image, "'");
  check(size[0] * size[1] == features, "--image: ", size[0], " x ", size[1],
        " pixels do not fit rows of ", features, " features");
  return nn::data::compose(nn::data::RandomAffine({.degrees = 10 * strength,
                                                   .translate = 0.08 * strength,
                                                   .scale = 0.1 * strength,
                                                   .shear = 8 * strength,
                                                   .height = size[0],
                                                   .width = size[1]}));
}

}  // namespace

void DataOptions::add_to(CLI::App& app) {
  app.add_option("--data", data,
                 "CSV file (label last) or IDX images, may be gzipped; default: "
                 "the handwritten digits that come with adze");
  app.add_option("--labels", labels, "IDX labels that belong to --data");
  app.add_option("--test-data", test_data, "file of its own for the test part");
  app.add_option("--test-labels", test_labels, "IDX labels that belong to --test-data");
  app.add_option("--test-rows", test_rows, "rows at the end of --data that test (default: 20%)")
      ->check(CLI::PositiveNumber);
  app.add_option("--image", image, "HEIGHTxWIDTH of the rows: trains with distorted images");
  app.add_option("--distort", distort, "strength of the distortion, 0 to 3 (default: 1)")
      ->check(CLI::Range(0.0, 3.0));
}

std::vector<std::int64_t> parse_sizes(const std::string& text, char separator, const char* what) {
  std::vector<std::int64_t> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    check(error == std::errc() && value > 0, what, ": expected positive numbers with '", separator,
          "' between them, got '", text, "'");
    out.push_back(value);
    if (next == end) return out;
    check(*next == separator, what, ": expected positive numbers with '", separator,
          "' between them, got '", text, "'");
    at = next + 1;
  }
}

Data load_data(const DataOptions& options, std::int64_t classes, double input_scale) {
  DataOptions o = options;
  std::int64_t test_rows = o.test_rows;
  if (o.data.empty()) {
    check(o.labels.empty(), "--labels needs --data");
    o.data = ADZE_DIGITS;
    check(fs::exists(o.data), "the digits that come with adze are not at ", o.data,
          "; give --data");
  }
  std::error_code different;
  if (fs::equivalent(o.data, ADZE_DIGITS, different)) {
    if (o.image.empty()) o.image = "8x8";
    if (test_rows < 0 && o.test_data.empty()) test_rows = digits_test_rows;
  }
  Data out;
  const auto all = read(o.data, o.labels, classes);
  if (!o.test_data.empty()) {
    check(o.labels.empty() == o.test_labels.empty(),
          "--test-data must be of the same kind as --data (IDX needs --test-labels)");
    out.train = all;
    out.test = read(o.test_data, o.test_labels, classes);
    check(out.test->data().size(1) == all->data().size(1), o.test_data, ": rows have ",
          out.test->data().size(1), " features, those of ", o.data, " ", all->data().size(1));
  } else {
    if (test_rows < 0) test_rows = std::max<std::int64_t>(1, all->size() / 5);
    check(test_rows < all->size(), "--test-rows: ", test_rows, " of ", all->size(),
          " rows leave none to train with");
    out.train = rows(*all, 0, all->size() - test_rows);
    out.test = rows(*all, all->size() - test_rows, all->size());
  }
  out.features = all->data().size(1);
  out.classes = out.train->targets().max().item<std::int64_t>() + 1;
  const double largest = out.train->data().abs().max().item();
  out.input_scale = input_scale > 0 ? input_scale : largest > 0 ? 1 / largest : 1;
  const auto scaled = [&](const TensorDataset& set) {
    return std::make_shared<const TensorDataset>(set.data() * static_cast<float>(out.input_scale),
                                                 set.targets());
  };
  out.train = scaled(*out.train);
  out.test = scaled(*out.test);
  out.distortion = distortion(o.image, o.distort.value_or(1), out.features);
  return out;
}

}  // namespace adze::cli
