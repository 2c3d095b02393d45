#include "fqn.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "adze/nn/traversal.h"

namespace adze::ao::pruning {
namespace {

// Least number of characters to insert, drop or replace.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::pair<std::string_view, std::string_view> split_fqn(std::string_view fqn) {
  const std::size_t dot = fqn.rfind('.');
  if (dot == fqn.npos) return {{}, fqn};
  return {fqn.substr(0, dot), fqn.substr(dot + 1)};
}

std::string near_names(adze::nn::Module& model, std::string_view fqn) {
  std::vector<std::pair<std::size_t, std::string>> names;
  adze::nn::for_each_parameter(model, [&](const std::string& path, adze::nn::Parameter& p) {
    std::string name = adze::nn::join_path(path, p.name());
    const std::size_t distance = edit_distance(fqn, name);
    names.emplace_back(distance, std::move(name));
  });
  if (names.empty()) return "the network has no tensors";
  std::stable_sort(names.begin(), names.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text = "the nearest names are";
  for (std::size_t i = 0; i < std::min<std::size_t>(3, names.size()); ++i)
    text += (i ? ", '" : " '") + names[i].second + "'";
  return text;
}

}  // namespace adze::ao::pruning
