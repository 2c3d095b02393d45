#include "state_text.h"

namespace adze::ao::pruning {

SparseValues state_part(const adze::nn::StateDict& state, const std::string& key,
                        const std::string& where) {
  const auto it = state.metadata.find(key);
  check(it != state.metadata.end(), where, ": the state lacks '", key, "'");
  return adze::nn::values_from_text(it->second, where + ": " + key);
}

const Value& state_entry(const SparseValues& values, const std::string& name,
                         const std::string& where) {
  const auto it = values.find(name);
  check(it != values.end(), where, ": the state lacks '", name, "'");
  return it->second;
}

}  // namespace adze::ao::pruning
