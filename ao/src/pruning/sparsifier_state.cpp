#include <algorithm>
#include <set>

#include "adze/ao/pruning/base_sparsifier.h"
#include "adze/nn/traversal.h"

#include "fqn.h"
#include "mask_lookup.h"
#include "state_text.h"

// The state of a sparsifier: what is saved beside the network, and back.
namespace adze::ao::pruning {
namespace {

std::string group_key(std::size_t i) {
  return "groups." + std::to_string(i);
}
std::string mask_key(const std::string& fqn) {
  return "state." + fqn + ".mask";
}

}  // namespace

adze::nn::StateDict BaseSparsifier::state_dict(SparsifierStateOptions options) const {
  const std::string where = type() + ".state_dict";
  adze::nn::StateDict state;
  state.metadata["sparsifier"] =
      adze::nn::values_to_text({{"type", type()},
                                {"name", name_},
                                {"groups", groups_.size()},
                                {"enable_mask_update", enable_mask_update},
                                {"step_count", step_count_}},
                               where);
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const SparseGroup& g = groups_[i];
    state.metadata[group_key(i)] = adze::nn::values_to_text(g.values_, where);
    state.metadata[group_key(i) + ".tensor"] = adze::nn::values_to_text(
        {{"tensor_fqn", g.tensor_fqn_}, {"squashed", g.squashed_}, {"active", g.is_active()}},
        where);
    if (options.masks && g.is_active())
      state.tensors.emplace_back(mask_key(g.tensor_fqn_), g.mask().clone());
  }
  return state;
}

void BaseSparsifier::load_state_dict(adze::nn::Module& model, const adze::nn::StateDict& state,
                                     adze::nn::LoadOptions options) {
  const std::string where = type() + ".load_state_dict";
  const SparseValues head = state_part(state, "sparsifier", where);
  const std::string of_type = state_entry(head, "type", where).to_string(),
                    of_name = state_entry(head, "name", where).to_string();
  check(of_type == type() && of_name == name_, where, ": expected the state of a ", type(),
        " named '", name_, "', got that of a ", of_type, " named '", of_name, "'");
  const auto count = static_cast<std::size_t>(state_entry(head, "groups", where).to_int());
  const bool enabled = state_entry(head, "enable_mask_update", where).to_bool();
  const std::int64_t steps = state_entry(head, "step_count", where).to_int();

  const std::vector<FoundMask> masks = find_masks(model, name_);
  std::vector<SparseGroup> groups;
  std::set<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    groups.push_back(load_group(model, masks, state, i, options.strict));
    const std::string& fqn = groups.back().tensor_fqn_;
    check(names.insert(fqn).second, where, ": '", fqn, "' stands twice in the state");
  }

  for (const FoundMask& m : masks) {
    if (std::any_of(groups.begin(), groups.end(),
                    [&](const SparseGroup& g) { return g.mask_ == m.mask; }))
      continue;
    m.mask->mask().fill_(1);
    m.slot->bake(m.mask.get());
  }
  for (SparseGroup& group : groups) {
    const adze::nn::SlotPtr slot = group.slot_.lock();
    if (!slot) continue;
    if (!group.is_active()) slot->push(group.mask_);
    if (const Tensor* mask = state.find(mask_key(group.tensor_fqn_)))
      group.mask().copy_(FakeSparsity::as_mask(*mask));
    group.seen_copies_ = slot->copies();
  }
  groups_ = std::move(groups);
  enable_mask_update = enabled;
  step_count_ = steps;
  prepared_ = true;
}

SparseGroup BaseSparsifier::load_group(adze::nn::Module& model, const std::vector<FoundMask>& masks,
                                       const adze::nn::StateDict& state, std::size_t i,
                                       bool strict) const {
  std::string where = type() + ".load_state_dict";
  const SparseValues tensor = state_part(state, group_key(i) + ".tensor", where);
  SparseGroup group;
  group.tensor_fqn_ = state_entry(tensor, "tensor_fqn", where).to_string();
  group.squashed_ = state_entry(tensor, "squashed", where).to_bool();
  group.values_ = state_part(state, group_key(i), where);
  where += ": '" + group.tensor_fqn_ + "'";

  if (state_entry(tensor, "active", where).to_bool()) {
    for (const FoundMask& m : masks) {
      if (m.mask->key() != group.tensor_fqn_) continue;
      check(!group.mask_, where, " has several masks in the network");
      group.slot_ = m.slot;
      group.mask_ = m.mask;
    }
    const Tensor* saved = state.find(mask_key(group.tensor_fqn_));
    if (!group.mask_ && saved) {
      const adze::nn::Parameter* p = adze::nn::find_parameter(model, group.tensor_fqn_);
      check(p || !strict, where, ": there is no such tensor; ",
            near_names(model, group.tensor_fqn_));
      if (p) {
        check(!has_mask_of(*p->slot(), name_), where, " has a mask of a sparsifier named '", name_,
              "' already");
        check(p->slot()->original().is_floating_point(), where,
              " must be of a floating dtype to be pruned, it is ", p->slot()->original().dtype());
        group.slot_ = p->slot();
        group.mask_ = std::make_shared<FakeSparsity>(FakeSparsity::as_mask(*saved).clone(), name_,
                                                     group.tensor_fqn_);
      }
    }
    check(group.mask_ || !strict, where, " has no mask, neither in the network nor in the state");
    if (const adze::nn::SlotPtr slot = group.slot_.lock(); slot && saved) {
      const Tensor mask = FakeSparsity::as_mask(*saved);
      check(mask.sizes() == slot->original().sizes(), where, ": mask is ", mask.sizes(),
            ", the tensor ", slot->original().sizes());
    }
  }
  naming(where, [&] { check_group(group); });
  return group;
}

}  // namespace adze::ao::pruning
