#include "mask_lookup.h"

#include <algorithm>
#include <unordered_set>

#include "adze/nn/traversal.h"

namespace adze::ao::pruning {
namespace {

std::shared_ptr<FakeSparsity> mask_of(const adze::nn::ParametrizationPtr& p,
                                      std::string_view owner) {
  return p->owner() == owner ? std::dynamic_pointer_cast<FakeSparsity>(p) : nullptr;
}

}  // namespace

std::vector<FoundMask> find_masks(adze::nn::Module& model, std::string_view owner) {
  std::vector<FoundMask> found;
  std::unordered_set<const adze::nn::Slot*> seen;
  adze::nn::for_each_parameter(model, [&](const std::string&, adze::nn::Parameter& p) {
    if (!seen.insert(p.slot().get()).second) return;
    for (const adze::nn::ParametrizationPtr& link : p.slot()->chain())
      if (auto mask = mask_of(link, owner)) found.push_back({p.slot(), std::move(mask)});
  });
  return found;
}

bool has_mask_of(const adze::nn::Slot& slot, std::string_view owner) {
  return std::any_of(
      slot.chain().begin(), slot.chain().end(),
      [&](const adze::nn::ParametrizationPtr& link) { return mask_of(link, owner) != nullptr; });
}

}  // namespace adze::ao::pruning
