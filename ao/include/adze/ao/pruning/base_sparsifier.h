#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "adze/ao/pruning/sparse_group.h"
#include "adze/nn/state_dict.h"

namespace adze::ao::pruning {

struct FoundMask;

struct SquashOptions {
  /// Settings that stay with every tensor, as the `sparse_params` of its slot.
  std::vector<std::string> params_to_keep = {};
  /// The same for the tensors of one module, by the name it had at prepare.
  std::map<std::string, std::vector<std::string>> params_to_keep_per_layer = {};
  /// Keep the zeros when training goes on: every later write to the tensor restores them.
  bool pin_zeros = false;
};

struct SparsifierStateOptions {
  bool masks = false;  // with copies of the masks
};

/// Base of the sparsifiers: puts masks on tensors, renews them, and removes them again.
///
///     WeightNormSparsifier sparsifier({.sparsity_level = 0.8});
///     sparsifier.prepare(model);              // masks of ones
///     for (...) { train(); sparsifier.step(); }
///     sparsifier.squash_mask();               // the zeros become part of the weights
///
/// It watches the slots of the tensors, not modules, so it follows them through fusing, QAT and
/// every other swap; it does not keep a network alive. A copy of a sparsifier acts on the same
/// network until `rebind`. Several sparsifiers may act on one tensor when their names differ: the
/// effective mask is the product, and each removes only its own.
///
/// A sparsifier of one's own derives from this and implements `update_mask`.
class BaseSparsifier {
 public:
  virtual ~BaseSparsifier() = default;

  /// Name of the class, "WeightNormSparsifier".
  virtual std::string type() const = 0;
  /// The name that its masks carry.
  const std::string& name() const { return name_; }
  /// Settings of tensors for which nothing else is said.
  const SparseValues& defaults() const { return defaults_; }

  /// Puts a mask on each tensor of `config`. May be called again with other tensors, and with
  /// tensors that were squashed (their group starts anew). An empty list does nothing.
  ///
  /// Throws, and leaves network and sparsifier as they were, when a tensor does not exist, is named
  /// twice, is not of floating dtype, has a mask of a sparsifier of this name already, or when
  /// settings or mask do not fit it.
  void prepare(adze::nn::Module& model, const std::vector<SparseConfig>& config);
  /// The same with make_config_from_model(model). Warns when that finds nothing.
  void prepare(adze::nn::Module& model);

  /// Computes all masks anew from the effective values of their tensors; does nothing while
  /// `enable_mask_update` is false.
  ///
  /// Throws, and changes nothing, before prepare, and when a mask is no longer on its tensor: it
  /// was squashed, its module converted, or the network is gone. Warns when the network was copied
  /// since the last step, as the copy is not pruned.
  void step();
  bool enable_mask_update = true;
  /// How often step() was called.
  std::int64_t step_count() const { return step_count_; }

  /// Makes the masks' zeros part of the tensors and removes the masks of this sparsifier, wherever
  /// its tensors are now; other parametrizations stay, except those that stand before a mask that
  /// something else than masks precedes. Nothing is left to do for tensors that were converted or
  /// squashed. Throws, and changes nothing, before prepare and when a name in `options` is unknown.
  void squash_mask(const SquashOptions& options = {});

  /// Goes over to `model`, a copy of the network (or one that its state was loaded into): finds the
  /// masks by the name of the sparsifier and the names of the tensors at prepare. Tensors without
  /// one there are given up when they were squashed or converted already. Throws, and changes
  /// nothing, when another mask is missing or is there several times.
  void rebind(adze::nn::Module& model);

  const std::vector<SparseGroup>& groups() const { return groups_; }
  /// Changes one setting of a group; throws when the value does not fit.
  void set(std::size_t group, const std::string& name, Value value);
  /// True once prepare or load_state_dict was called.
  bool is_prepared() const { return prepared_; }

  /// Settings of all groups as text. Masks are saved with the network; `masks` adds copies of them
  /// under "state.<tensor_fqn>.mask", for a network that is built anew. Throws for settings that
  /// have no form in a file: tensors, lists.
  adze::nn::StateDict state_dict(SparsifierStateOptions options = {}) const;
  /// Takes over such a state and binds it to `model`. The groups become those of the state; masks
  /// of this sparsifier on other tensors are taken off. A tensor without mask gets the one in the
  /// state. Throws, and changes nothing, when the state is of another class or name of sparsifier,
  /// when settings or masks do not fit, or (`strict`) when a tensor has no mask either way.
  void load_state_dict(adze::nn::Module& model, const adze::nn::StateDict& state,
                       adze::nn::LoadOptions options = {});

  /// The class and the settings of each group, as the field prints them.
  std::string str() const;

 protected:
  BaseSparsifier(std::string name, SparseValues defaults);
  BaseSparsifier(const BaseSparsifier&) = default;
  BaseSparsifier& operator=(const BaseSparsifier&) = default;

  /// The new mask of a tensor: zeros and ones in its shape. `value` is its effective value, masked
  /// by this and all other sparsifiers. Called with gradients off.
  virtual Tensor update_mask(const SparseGroup& group, const Tensor& value) = 0;
  /// Adds settings that follow from others, to those of the config and the defaults.
  virtual void complete(SparseValues& values) const;
  /// Throws when settings do not fit each other or the tensor, whose shape is that of the mask. The
  /// mask is undefined for a tensor that was converted.
  virtual void check_group(const SparseGroup& group) const;

 private:
  SparseGroup make_group(adze::nn::Module& model, const SparseConfig& config) const;
  SparseGroup load_group(adze::nn::Module& model, const std::vector<FoundMask>& masks,
                         const adze::nn::StateDict& state, std::size_t i, bool strict) const;

  std::string name_;
  SparseValues defaults_;
  std::vector<SparseGroup> groups_;
  std::int64_t step_count_ = 0;
  bool prepared_ = false;
};

std::ostream& operator<<(std::ostream& os, const BaseSparsifier& sparsifier);

}  // namespace adze::ao::pruning
