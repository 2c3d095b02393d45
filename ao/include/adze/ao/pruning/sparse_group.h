#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <typeindex>
#include <vector>

#include "adze/ao/pruning/fake_sparsity.h"
#include "adze/core/value.h"
#include "adze/nn/linear.h"
#include "adze/nn/slot.h"

namespace adze::ao::pruning {

/// Named settings of a tensor that is pruned: "sparsity_level", "zeros_per_block", ...
using SparseValues = std::map<std::string, Value>;

/// A tensor to prune, and where its settings differ from the defaults of the sparsifier:
///
///     sparsifier.prepare(model, {{.tensor_fqn = "fc1.weight", .sparsity_level = 0.7},
///                                {.tensor_fqn = "fc2.weight"}});
struct SparseConfig {
  std::string tensor_fqn = {};
  std::optional<double> sparsity_level = {};
  Shape sparse_block_shape = {};  // (rows, columns); empty: the default
  std::optional<std::int64_t> zeros_per_block = {};
  Tensor mask = {};          // mask to start with, copied; undefined: ones
  SparseValues extras = {};  // any other settings, kept in the group
};

/// A tensor that a sparsifier prunes, with its settings.
class SparseGroup {
 public:
  /// The name that the tensor had when it was prepared.
  const std::string& tensor_fqn() const { return tensor_fqn_; }
  std::string module_fqn() const;
  std::string tensor_name() const;
  /// The name that the tensor has in `model` now; "" when it is not there (any more).
  std::string current_fqn(adze::nn::Module& model) const;

  const SparseValues& values() const { return values_; }
  bool has(const std::string& name) const { return values_.contains(name); }
  /// One setting; throws and lists the others when there is none of that name.
  const Value& at(const std::string& name) const;
  double sparsity_level() const { return at("sparsity_level").to_double(); }
  Shape sparse_block_shape() const { return at("sparse_block_shape").to_shape(); }
  std::int64_t zeros_per_block() const { return at("zeros_per_block").to_int(); }

  /// float32, zeros and ones; after squash_mask the last one. Undefined when the state of a tensor
  /// was loaded that has no mask any more.
  Tensor mask() const { return mask_ ? mask_->mask() : Tensor(); }
  /// True after squash_mask: the zeros are in the tensor itself and the mask is gone from it.
  bool squashed() const { return squashed_; }
  /// True while the mask acts on a tensor: not after squash_mask, nor when its module was converted
  /// or its network is gone.
  bool is_active() const { return active_slot() != nullptr; }

 private:
  friend class BaseSparsifier;
  adze::nn::SlotPtr active_slot() const;

  std::string tensor_fqn_;
  SparseValues values_;
  std::weak_ptr<adze::nn::Slot> slot_;
  std::shared_ptr<FakeSparsity> mask_;
  std::uint64_t seen_copies_ = 0;
  bool squashed_ = false;
};

/// Which modules have their weight pruned.
using ModuleFilter = std::function<bool(adze::nn::Module&)>;
/// Modules of one of the types M, or of a type derived from one.
template <class... M>
ModuleFilter is_a() {
  return [](adze::nn::Module& m) { return (... || (dynamic_cast<M*>(&m) != nullptr)); };
}
/// Modules of exactly one of the types M.
template <class... M>
ModuleFilter is_exactly() {
  return [](adze::nn::Module& m) { return (... || (typeid(m) == typeid(M))); };
}

/// One entry for each floating "weight" of the modules that `supported` accepts, in the order of
/// named_modules: linear layers, those of QAT and inside fused pairs included, if not said
/// otherwise. The model itself counts, also tensors that are parametrized already. A weight that
/// several modules share is listed once.
std::vector<SparseConfig> make_config_from_model(
    adze::nn::Module& model, const ModuleFilter& supported = is_a<adze::nn::Linear>());

}  // namespace adze::ao::pruning
