#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "adze/ao/pruning/fake_sparsity.h"
#include "adze/nn/module.h"

namespace adze::ao::pruning {

struct FoundMask {
  adze::nn::SlotPtr slot;
  std::shared_ptr<FakeSparsity> mask;
};

/// The masks in a network that a sparsifier of that name has registered, each slot once.
std::vector<FoundMask> find_masks(adze::nn::Module& model, std::string_view owner);
/// True when a sparsifier of that name has a mask on the tensor.
bool has_mask_of(const adze::nn::Slot& slot, std::string_view owner);

}  // namespace adze::ao::pruning
