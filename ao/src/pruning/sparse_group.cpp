#include "adze/ao/pruning/sparse_group.h"

#include <algorithm>
#include <unordered_set>

#include "adze/nn/traversal.h"

#include "fqn.h"

namespace adze::ao::pruning {

std::string SparseGroup::module_fqn() const {
  return std::string(split_fqn(tensor_fqn_).first);
}

std::string SparseGroup::tensor_name() const {
  return std::string(split_fqn(tensor_fqn_).second);
}

std::string SparseGroup::current_fqn(adze::nn::Module& model) const {
  const adze::nn::SlotPtr slot = slot_.lock();
  return slot ? adze::nn::fqn_of(model, *slot) : "";
}

const Value& SparseGroup::at(const std::string& name) const {
  const auto it = values_.find(name);
  if (it != values_.end()) return it->second;
  std::string all;
  for (const auto& [key, value] : values_) all += (all.empty() ? "" : ", ") + key;
  fail("'", tensor_fqn_, "' has no setting '", name, "'; it has ", all.empty() ? "none" : all);
}

adze::nn::SlotPtr SparseGroup::active_slot() const {
  adze::nn::SlotPtr slot = squashed_ ? nullptr : slot_.lock();
  if (!slot) return nullptr;
  const auto& chain = slot->chain();
  return std::find(chain.begin(), chain.end(), mask_) == chain.end() ? nullptr : slot;
}

std::vector<SparseConfig> make_config_from_model(adze::nn::Module& model,
                                                 const ModuleFilter& supported) {
  std::vector<SparseConfig> config;
  std::unordered_set<const adze::nn::Slot*> seen;
  adze::nn::for_each_module(model, [&](const std::string& path, adze::nn::Module& m) {
    if (!supported(m)) return;
    const adze::nn::Parameter* weight = m.find_parameter("weight");
    if (weight && weight->defined() && weight->slot()->original().is_floating_point() &&
        seen.insert(weight->slot().get()).second)
      config.push_back({.tensor_fqn = adze::nn::join_path(path, "weight")});
  });
  return config;
}

}  // namespace adze::ao::pruning
