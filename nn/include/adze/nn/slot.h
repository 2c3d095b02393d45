#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "adze/core/tensor.h"
#include "adze/core/value.h"
#include "adze/nn/parametrization.h"

namespace adze::nn {

/// The state of one parameter or buffer: the stored tensor, the parametrizations on top of it, and
/// what must travel with them.
///
/// Handles (`Parameter`) hold a slot by shared pointer; tied weights share one slot. Sparsifiers
/// watch slots weakly and optimisers hold slots, so both follow a parameter through every swap of
/// the modules around it. Reading is safe from several threads.
class Slot {
 public:
  explicit Slot(Tensor original) : original_(std::move(original)) {}

  /// The effective value: the original, passed through the chain. Evaluated again only when the
  /// original, the chain or one of its members changed.
  Tensor value() const;
  /// The stored tensor; what an optimiser updates and what carries the gradient.
  const Tensor& original() const { return original_; }
  const std::vector<ParametrizationPtr>& chain() const { return chain_; }
  bool is_parametrized() const { return !chain_.empty(); }
  /// Changes whenever `value()` may have changed.
  std::uint64_t version() const;

  /// Adds a parametrization at the end of the chain. Throws, and changes nothing, unless it keeps
  /// shape and dtype.
  void push(ParametrizationPtr parametrization);
  /// Takes one parametrization out of the chain and keeps the effective value. A mask that only
  /// masks precede is baked alone; anything else is baked together with what stands before it.
  /// The original becomes a new tensor: a tensor shared with another slot is not written.
  void bake(const Parametrization* parametrization);
  void bake_all();
  /// Empties the chain; the original stays as it is stored.
  void drop_parametrizations();

  /// From now on every write keeps zeros where `mask` is zero. Several pins multiply.
  void pin_zeros(const Tensor& mask);
  /// Product of the pinned masks; undefined when nothing is pinned.
  const Tensor& pinned() const { return pinned_; }
  void clear_pins() { pinned_ = Tensor(); }

  /// Makes `value` the effective value, as far as the chain allows: it goes back through the right
  /// inverses into the stored tensor. Throws when one is missing.
  void assign(const Tensor& value);
  /// Copies into the stored tensor, in place; pinned zeros stay.
  void write(const Tensor& original);
  /// Replaces the stored tensor by another object (other shape or dtype allowed without a chain).
  void reset(Tensor original);
  /// Restores pinned zeros after the stored tensor was updated in place.
  void constrain();

  /// An independent copy around `original`, which the caller has cloned.
  std::shared_ptr<Slot> clone(Tensor original) const;
  /// How many clones were taken while the slot was parametrized.
  std::uint64_t copies() const { return copies_.load(std::memory_order_relaxed); }

  /// What `squash_mask(params_to_keep)` leaves behind, by name.
  std::map<std::string, Value> sparse_params;

 private:
  Tensor evaluate(std::size_t links) const;
  void changed();
  void replace_original(Tensor t);

  Tensor original_, pinned_;
  std::vector<ParametrizationPtr> chain_;
  std::uint64_t edits_ = 0;
  mutable std::atomic<std::uint64_t> copies_{0};
  mutable std::mutex cache_mutex_;
  mutable Tensor cache_;
  mutable std::uint64_t cached_version_ = 0;
};
using SlotPtr = std::shared_ptr<Slot>;

}  // namespace adze::nn
