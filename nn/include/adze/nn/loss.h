#pragma once

#include <map>
#include <string>
#include <string_view>

#include "adze/core/ops/functional.h"
#include "adze/nn/module.h"

namespace adze::nn {

/// "none", "mean" or "sum".
std::string_view name(Reduction reduction);
/// The reduction with that name; throws when there is none.
Reduction reduction_from_name(std::string_view name);

struct CrossEntropyLossOptions {
  double label_smoothing = 0;
  Reduction reduction = Reduction::mean;
};

/// Cross-entropy between logits (N, C) and classes, int64 (N); see adze::cross_entropy.
class CrossEntropyLoss : public ModuleOf<CrossEntropyLoss> {
 public:
  /// Throws unless 0 <= label_smoothing <= 1.
  explicit CrossEntropyLoss(CrossEntropyLossOptions options = {});
  Tensor forward(const Tensor& logits, const Tensor& target);
  std::map<std::string, Value> config() const override;

 private:
  CrossEntropyLossOptions options_;
};

struct LossOptions {
  Reduction reduction = Reduction::mean;
};

/// -log_probs[i][target[i]]: log_probs (N, C), target int64 (N).
class NLLLoss : public ModuleOf<NLLLoss> {
 public:
  explicit NLLLoss(LossOptions options = {}) : options_(options) {}
  Tensor forward(const Tensor& log_probs, const Tensor& target);
  std::map<std::string, Value> config() const override;

 private:
  LossOptions options_;
};

/// (input - target)², both of one shape.
class MSELoss : public ModuleOf<MSELoss> {
 public:
  explicit MSELoss(LossOptions options = {}) : options_(options) {}
  Tensor forward(const Tensor& input, const Tensor& target);
  std::map<std::string, Value> config() const override;

 private:
  LossOptions options_;
};

}  // namespace adze::nn
