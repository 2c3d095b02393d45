#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adze/nn/module.h"

namespace adze::nn {

/// Names and tensors of a network in the order of its modules, and text beside them: the chains of
/// parametrizations with their owners, and what squashing kept.
struct StateDict {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::map<std::string, std::string> metadata;

  const Tensor* find(std::string_view name) const;
  const Tensor& at(std::string_view name) const;  // throws when missing
  bool contains(std::string_view name) const { return find(name) != nullptr; }
};

/// Copies of all parameters, persistent buffers, masks and pinned zeros. Keys are the field's
/// ("5.weight", "5.parametrizations.weight.original", "5.parametrizations.weight.0.mask").
StateDict state_dict(Module& root);

struct LoadOptions {
  bool strict = true;  // false: names missing on either side are skipped
};
struct LoadReport {
  std::vector<std::string> missing, unexpected;
};
/// Copies `state` into the network. Everything is checked before anything is written: missing and
/// unexpected names (strict), shapes, dtypes, chains of parametrizations. Throws one Error that
/// lists all that is wrong.
LoadReport load_state_dict(Module& root, const StateDict& state, LoadOptions options = {});

/// Named values as JSON text, for metadata, and back: none, booleans, integers, doubles (infinities
/// and NaN too), strings, dtypes, shapes, and lists of these. An Error about anything else starts
/// with `where`.
std::string values_to_text(const std::map<std::string, Value>& values, std::string_view where);
std::map<std::string, Value> values_from_text(const std::string& text, std::string_view where);

/// state_dict as one safetensors file, and back.
void save(Module& root, const std::string& path,
          const std::map<std::string, std::string>& metadata = {});
LoadReport load(Module& root, const std::string& path, LoadOptions options = {});
/// Any state, that of an optimiser say, as one safetensors file, and back.
void save_state(StateDict state, const std::string& path);
StateDict load_state(const std::string& path);

}  // namespace adze::nn
