#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "adze/core/error.h"
#include "adze/nn/module.h"

namespace adze::ao::pruning {

/// "a.b.weight" as ("a.b", "weight"); "weight" as ("", "weight").
std::pair<std::string_view, std::string_view> split_fqn(std::string_view fqn);
/// Up to three names of tensors of the network that are spelt most like `fqn`, as a text to be put
/// behind "no such tensor".
std::string near_names(adze::nn::Module& model, std::string_view fqn);

/// Runs `f`; an Error from inside gets `where` in front.
template <class F>
void naming(const std::string& where, F&& f) {
  try {
    f();
  } catch (const Error& e) {
    fail(where, ": ", e.what());
  }
}

}  // namespace adze::ao::pruning
