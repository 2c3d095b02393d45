#include "adze/ao/pruning/base_sparsifier.h"

#include <algorithm>
#include <ostream>
#include <set>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/nn/traversal.h"

#include "fqn.h"
#include "mask_lookup.h"

namespace adze::ao::pruning {
namespace {

void merge(SparseValues& values, const SparseConfig& config) {
  for (const auto& [name, value] : config.extras) values[name] = value;
  if (config.sparsity_level) values["sparsity_level"] = *config.sparsity_level;
  if (!config.sparse_block_shape.empty()) values["sparse_block_shape"] = config.sparse_block_shape;
  if (config.zeros_per_block) values["zeros_per_block"] = *config.zeros_per_block;
}

}  // namespace

BaseSparsifier::BaseSparsifier(std::string name, SparseValues defaults)
    : name_(std::move(name)), defaults_(std::move(defaults)) {}

void BaseSparsifier::complete(SparseValues&) const {}
void BaseSparsifier::check_group(const SparseGroup&) const {}

SparseGroup BaseSparsifier::make_group(adze::nn::Module& model, const SparseConfig& config) const {
  const std::string& fqn = config.tensor_fqn;
  check(!fqn.empty(), type(), ".prepare: tensor_fqn is a required argument in the sparsity config");
  const adze::nn::Parameter* p = adze::nn::find_parameter(model, fqn);
  check(p != nullptr, type(), ".prepare: there is no tensor '", fqn, "'; ",
        p ? "" : near_names(model, fqn));
  const adze::nn::Slot& slot = *p->slot();
  check(slot.original().is_floating_point(), type(), ".prepare: '", fqn,
        "' must be of a floating dtype to be pruned, it is ", slot.original().dtype());

  SparseGroup group;
  group.tensor_fqn_ = fqn;
  group.slot_ = p->slot();
  group.seen_copies_ = slot.copies();
  group.values_ = defaults_;
  merge(group.values_, config);
  naming(type() + ".prepare: '" + fqn + "'", [&] {
    complete(group.values_);
    Tensor mask = ones(slot.original().sizes());
    if (config.mask.defined()) {
      check(config.mask.sizes() == mask.sizes(), "mask is ", config.mask.sizes(), ", the tensor ",
            mask.sizes());
      mask.copy_(FakeSparsity::as_mask(config.mask));
    }
    group.mask_ = std::make_shared<FakeSparsity>(mask, name_, fqn);
    check_group(group);
    check(!has_mask_of(slot, name_), "it has a mask of a sparsifier named '", name_,
          "' already; two sparsifiers on one tensor need different names");
  });
  return group;
}

void BaseSparsifier::prepare(adze::nn::Module& model, const std::vector<SparseConfig>& config) {
  std::vector<SparseGroup> fresh;
  std::set<const adze::nn::Slot*> slots;
  for (const SparseConfig& entry : config) {
    SparseGroup group = make_group(model, entry);
    check(slots.insert(group.slot_.lock().get()).second, type(), ".prepare: '", entry.tensor_fqn,
          "' is given twice");
    for (const SparseGroup& old : groups_)
      check(!old.is_active() || old.tensor_fqn_ != entry.tensor_fqn, type(), ".prepare: '",
            entry.tensor_fqn, "' is prepared already, in another network");
    fresh.push_back(std::move(group));
  }
  // A tensor that is prepared again after squash_mask has one group, not two.
  std::erase_if(groups_, [&](const SparseGroup& old) {
    return !old.is_active() && std::any_of(fresh.begin(), fresh.end(), [&](const SparseGroup& g) {
      return g.tensor_fqn_ == old.tensor_fqn_ || g.slot_.lock() == old.slot_.lock();
    });
  });
  for (SparseGroup& group : fresh) {
    group.slot_.lock()->push(group.mask_);
    groups_.push_back(std::move(group));
  }
  prepared_ = true;
}

void BaseSparsifier::prepare(adze::nn::Module& model) {
  const auto config = make_config_from_model(model);
  if (config.empty()) warn(type(), ".prepare: the network has no linear layer to prune");
  prepare(model, config);
}

void BaseSparsifier::step() {
  check(prepared_, type(), ".step: prepare() comes first");
  if (!enable_mask_update) {
    ++step_count_;
    return;
  }
  std::string lost, copied;
  const auto append = [](std::string& list, const SparseGroup& g) {
    list += (list.empty() ? "'" : ", '") + g.tensor_fqn_ + "'";
  };
  const bool finished = std::none_of(groups_.begin(), groups_.end(),
                                     [](const SparseGroup& g) { return !g.squashed_; });
  for (const SparseGroup& group : groups_)
    if (!group.is_active() && (finished || !group.squashed_)) append(lost, group);
  check(lost.empty(), type(), ".step: no mask of this sparsifier is on ", lost,
        " any more: it was squashed, its module was converted, or its network is gone");

  NoGrad guard;
  std::vector<std::pair<SparseGroup*, Tensor>> updates;
  for (SparseGroup& group : groups_) {
    const adze::nn::SlotPtr slot = group.active_slot();
    if (!slot) continue;
    naming(type() + ".step: '" + group.tensor_fqn_ + "'", [&] {
      const Tensor mask = FakeSparsity::as_mask(update_mask(group, slot->value()));
      check(mask.sizes() == group.mask().sizes(), "mask is ", mask.sizes(), ", the tensor ",
            group.mask().sizes());
      updates.emplace_back(&group, mask);
    });
  }
  for (const auto& [group, mask] : updates) {
    // A mask that stays as it is is not written: its tensor did not change.
    if (!mask.equal(group->mask())) group->mask().copy_(mask);
    const std::uint64_t copies = group->active_slot()->copies();
    if (std::exchange(group->seen_copies_, copies) != copies) append(copied, *group);
  }
  ++step_count_;
  if (!copied.empty())
    warn(type(), ".step: the network of ", copied,
         " was copied; the original is pruned, the copy is not. rebind(copy) if the copy is meant");
}

void BaseSparsifier::squash_mask(const SquashOptions& options) {
  check(prepared_, type(), ".squash_mask: prepare() comes first");
  for (const auto& entry : options.params_to_keep_per_layer)
    check(std::any_of(groups_.begin(), groups_.end(),
                      [&](const SparseGroup& g) { return g.module_fqn() == entry.first; }),
          type(), ".squash_mask: params_to_keep_per_layer: no tensor of a module '", entry.first,
          "' was prepared");
  std::vector<SparseValues> kept;
  for (const SparseGroup& group : groups_) {
    SparseValues& values = kept.emplace_back();
    const auto keep = [&](const std::vector<std::string>& names) {
      for (const std::string& name : names)
        values[name] = name == "tensor_fqn" ? Value(group.tensor_fqn_) : group.at(name);
    };
    naming(type() + ".squash_mask: '" + group.tensor_fqn_ + "'", [&] {
      keep(options.params_to_keep);
      const auto it = options.params_to_keep_per_layer.find(group.module_fqn());
      if (it != options.params_to_keep_per_layer.end()) keep(it->second);
    });
  }
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    SparseGroup& group = groups_[i];
    if (const adze::nn::SlotPtr slot = group.active_slot()) {
      slot->bake(group.mask_.get());
      if (options.pin_zeros) slot->pin_zeros(group.mask());
      for (auto& [name, value] : kept[i]) slot->sparse_params[name] = std::move(value);
    }
    group.squashed_ = true;
  }
}

void BaseSparsifier::rebind(adze::nn::Module& model) {
  const std::vector<FoundMask> masks = find_masks(model, name_);
  std::vector<SparseGroup> moved = groups_;
  for (SparseGroup& group : moved) {
    if (group.squashed_) continue;
    const FoundMask* found = nullptr;
    for (const FoundMask& m : masks) {
      if (m.mask->key() != group.tensor_fqn_) continue;
      check(!found, type(), ".rebind: the network has several masks for '", group.tensor_fqn_, "'");
      found = &m;
    }
    check(found || !group.is_active(), type(), ".rebind: the network has no mask of a sparsifier '",
          name_, "' for '", group.tensor_fqn_, "'");
    if (found) {
      group.slot_ = found->slot;
      group.mask_ = found->mask;
      group.seen_copies_ = found->slot->copies();
    } else {
      group.slot_.reset();
    }
  }
  groups_ = std::move(moved);
}

void BaseSparsifier::set(std::size_t group, const std::string& name, Value value) {
  check(group < groups_.size(), type(), ".set: there are ", groups_.size(), " groups, got index ",
        group);
  SparseGroup changed = groups_[group];
  changed.values_[name] = std::move(value);
  naming(type() + ".set: '" + changed.tensor_fqn_ + "'", [&] { check_group(changed); });
  groups_[group] = std::move(changed);
}

std::string BaseSparsifier::str() const {
  std::string text = type() + " (";
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const SparseGroup& group = groups_[i];
    std::map<std::string, std::string> lines;
    for (const auto& [name, value] : group.values_) lines[name] = value.str();
    lines["module_fqn"] = group.module_fqn();
    lines["tensor_fqn"] = group.tensor_fqn_;
    lines["tensor_name"] = group.tensor_name();
    text += "\n\tGroup " + std::to_string(i) + "\n";
    for (const auto& [name, line] : lines) text += "\t    " + name + ": " + line + "\n";
  }
  return text + ")";
}

std::ostream& operator<<(std::ostream& os, const BaseSparsifier& sparsifier) {
  return os << sparsifier.str();
}

}  // namespace adze::ao::pruning
