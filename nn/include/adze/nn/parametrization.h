#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adze/core/tensor.h"

namespace adze::nn {

/// One link of the chain between the stored and the effective value of a parameter: a mask, a
/// norm, a symmetry. It belongs to the slot of the parameter, never to the type of the module.
class Parametrization {
 public:
  virtual ~Parametrization() = default;

  /// The value that is passed on; same shape and dtype as `x`. Built of ops, so that gradients
  /// reach the original.
  virtual Tensor forward(const Tensor& x) const = 0;
  /// A stored value that `forward` maps to `x`, or nothing when there is none to be had.
  virtual std::optional<Tensor> right_inverse(const Tensor& x) const;
  /// Name of the class, "FakeSparsity".
  virtual std::string type() const = 0;
  /// True when `forward` only zeroes elements. Masks commute, so one can be baked alone.
  virtual bool is_mask() const { return false; }
  /// Which owner registered it, "" for none: two of a kind on one tensor differ in this.
  virtual std::string owner() const { return {}; }
  /// State that is not a tensor, as text; `set_extra_state` reads it back.
  virtual std::string extra_state() const { return {}; }
  virtual void set_extra_state(const std::string&) {}
  /// Named tensors that are saved with the network, by reference.
  virtual std::vector<std::pair<std::string, Tensor>> tensors() const { return {}; }
  /// Grows with every change of what `forward` computes.
  virtual std::uint64_t version() const = 0;
  /// An independent copy with its own tensors.
  virtual std::shared_ptr<Parametrization> clone() const = 0;
};
using ParametrizationPtr = std::shared_ptr<Parametrization>;

}  // namespace adze::nn
