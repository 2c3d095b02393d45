#include "ns/pairs.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "adze/core/ops.h"
#include "adze/nn/traversal.h"

#include "quantization/watch.h"

namespace adze::ao::ns {
namespace {

using adze::nn::Module;

// Along dimension 0 when the others agree, else as one row.
Shape concatenated(const Shape& a, const Shape& b) {
  if (!a.empty() && a.size() == b.size()) {
    Shape sum = a;
    sum[0] = b[0];
    if (sum == b) {
      sum[0] = a[0] + b[0];
      return sum;
    }
  }
  return {numel(a) + numel(b)};
}

}  // namespace

std::vector<Pair> find_pairs(Module& a, Module& b) {
  std::vector<Pair> found;
  std::set<const Module*> met;
  for (const auto& [path, module] : quantization::counterparts(b)) {
    Module* partner = adze::nn::find_module(a, path);
    met.insert(partner);
    found.push_back({path, partner, module});
  }
  for (const auto& [path, module] : quantization::counterparts(a))
    if (!met.contains(module)) found.push_back({path, module, nullptr});
  return found;
}

Unpaired unpaired(const Pair& pair, std::string reason) {
  if (reason.empty()) reason = pair.a ? "not in b" : "not in a";
  return {pair.name, pair.a ? shown_type(*pair.a) : "", pair.b ? shown_type(*pair.b) : "",
          std::move(reason)};
}

void Tally::add(const Tensor& a, const Tensor& b) {
  if (!reason_.empty()) return;
  if (a.sizes() != b.sizes()) {
    give_up(adze::detail::concat("the shapes differ: ", a.sizes(), " and ", b.sizes()));
    return;
  }
  agreement_.add(a, b);
  shape_ = empty_ ? a.sizes() : concatenated(shape_, a.sizes());
  empty_ = false;
}

void Tally::give_up(std::string reason) {
  if (reason_.empty()) reason_ = std::move(reason);
}

void Tally::finish(const Pair& pair, ComparisonKind kind, Comparison& to) const {
  if (!reason_.empty() || empty_) {
    to.unpaired.push_back(unpaired(pair, reason_.empty() ? "does not run" : reason_));
    return;
  }
  to.rows.push_back({.name = pair.name,
                     .type_a = shown_type(*pair.a),
                     .type_b = shown_type(*pair.b),
                     .kind = kind,
                     .sqnr = agreement_.sqnr(),
                     .normalized_l2_error = agreement_.normalized_l2_error(),
                     .cosine_similarity = agreement_.cosine_similarity(),
                     .shape = shape_});
}

}  // namespace adze::ao::ns
