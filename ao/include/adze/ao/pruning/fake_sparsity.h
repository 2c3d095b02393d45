#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "adze/nn/parametrization.h"

namespace adze::ao::pruning {

/// A mask on a parameter: elements stay where it is 1 and are zero where it is 0.
///
/// It selects, it does not multiply: a masked element is +0 whatever was stored, also for negative
/// numbers and NaN, and the dtype of the parameter stays. The stored values under the mask are
/// kept, and get no gradient.
class FakeSparsity final : public adze::nn::Parametrization {
 public:
  /// `mask` has the shape of the tensor and holds zeros and ones, of any dtype that is not
  /// quantized; a float32 one is shared, others are converted. `owner` is the name of the
  /// sparsifier that registers it and `key` the name its tensor then has: by these two a sparsifier
  /// finds its mask again in a copy. Throws when `mask` holds anything else.
  explicit FakeSparsity(const Tensor& mask, std::string owner = {}, std::string key = {});

  /// `mask` in float32, which is `mask` itself if it can be; throws unless it holds zeros and ones.
  static Tensor as_mask(const Tensor& mask);

  /// float32. Stays the same object; writing into it changes the effective value.
  const Tensor& mask() const { return mask_; }
  const std::string& key() const { return key_; }

  Tensor forward(const Tensor& x) const override;
  /// `x` itself: what is assigned is stored, and masked when it is read.
  std::optional<Tensor> right_inverse(const Tensor& x) const override { return x; }
  std::string type() const override { return "FakeSparsity"; }
  bool is_mask() const override { return true; }
  std::string owner() const override { return owner_; }
  std::string extra_state() const override { return key_; }
  void set_extra_state(const std::string& text) override { key_ = text; }
  std::vector<std::pair<std::string, Tensor>> tensors() const override { return {{"mask", mask_}}; }
  std::uint64_t version() const override { return mask_.version(); }
  adze::nn::ParametrizationPtr clone() const override;

 private:
  Tensor mask_;
  std::string owner_, key_;
};

}  // namespace adze::ao::pruning
