#pragma once

#include "adze/core/ops/functional.h"
#include "adze/nn/module.h"

namespace adze::nn {

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

 private:
  LossOptions options_;
};

/// (input - target)², both of one shape.
class MSELoss : public ModuleOf<MSELoss> {
 public:
  explicit MSELoss(LossOptions options = {}) : options_(options) {}
  Tensor forward(const Tensor& input, const Tensor& target);

 private:
  LossOptions options_;
};

}  // namespace adze::nn
