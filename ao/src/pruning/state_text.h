#pragma once

#include <string>

#include "adze/ao/pruning/sparse_group.h"
#include "adze/nn/state_dict.h"

namespace adze::ao::pruning {

/// The named values that a state keeps as text under `key`; throws when there are none.
SparseValues state_part(const adze::nn::StateDict& state, const std::string& key,
                        const std::string& where);
/// One of them; throws when it is missing.
const Value& state_entry(const SparseValues& values, const std::string& name,
                         const std::string& where);

}  // namespace adze::ao::pruning
