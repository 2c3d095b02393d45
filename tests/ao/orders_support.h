#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "ao/composability_support.h"
#include "support/catch.h"

// What the tests of all orders of pruning and quantization share. An order is a word: S
// sparsifier.prepare, T step, Q squash_mask, F fuse, P prepare, C calibrate, V convert.
namespace adze::test {

/// True unless both are there and b comes first.
inline bool before(const std::string& order, char a, char b) {
  const auto i = order.find(a), j = order.find(b);
  return i == order.npos || j == order.npos || i < j;
}

/// The permutations of the words for which `is_legal` gives `legal`.
inline std::vector<std::string> orders(const std::vector<std::string>& words,
                                       bool (*is_legal)(const std::string&), bool legal) {
  std::vector<std::string> out;
  for (std::string ops : words) {
    std::sort(ops.begin(), ops.end());
    do {
      if (is_legal(ops) == legal) out.push_back(ops);
    } while (std::next_permutation(ops.begin(), ops.end()));
  }
  return out;
}

/// Outputs agree where the ranges of activations were taken from the same values.
inline std::string when_calibrated(const std::string& order) {
  return before(order, 'T', 'C') ? "masked when calibrated" : "dense when calibrated";
}

/// Applies an order of which one call must be refused, checks that this one changes nothing, and
/// gives the order up to it. `Run` has `apply(char)` and `model()`.
template <class Run>
std::string check_refused(Run& run, const std::string& order) {
  std::string so_far;
  for (char op : order) {
    so_far += op;
    const nn::StateDict state = nn::state_dict(run.model());
    const std::string types = nn::to_string(run.model());
    try {
      run.apply(op);
    } catch (const Error&) {
      REQUIRE(nn::to_string(run.model()) == types);
      const nn::StateDict now = nn::state_dict(run.model());
      REQUIRE(now.metadata == state.metadata);
      REQUIRE(now.tensors.size() == state.tensors.size());
      for (std::size_t i = 0; i < now.tensors.size(); ++i) {
        REQUIRE(now.tensors[i].first == state.tensors[i].first);
        REQUIRE(now.tensors[i].second.equal(state.tensors[i].second));
      }
      return so_far;
    }
  }
  FAIL("nothing was refused");
  return so_far;
}

/// The same for all orders, those that begin alike once. `make` gives a fresh run.
template <class Make>
void check_all_refused(const std::vector<std::string>& illegal, Make make) {
  std::set<std::string> refused;
  const auto is_known = [&](const std::string& order) {
    for (std::size_t n = 1; n <= order.size(); ++n)
      if (refused.contains(order.substr(0, n))) return true;
    return false;
  };
  for (const std::string& order : illegal) {
    if (is_known(order)) continue;
    INFO(order);
    auto run = make();
    refused.insert(check_refused(run, order));
  }
}

}  // namespace adze::test
