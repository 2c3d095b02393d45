#include "adze/nn/loss.h"

namespace adze::nn {

CrossEntropyLoss::CrossEntropyLoss(CrossEntropyLossOptions options) : options_(options) {
  check(options.label_smoothing >= 0 && options.label_smoothing <= 1,
        "CrossEntropyLoss: label_smoothing must be between 0 and 1, got ", options.label_smoothing);
}

Tensor CrossEntropyLoss::forward(const Tensor& logits, const Tensor& target) {
  return adze::cross_entropy(logits, target, options_.label_smoothing, options_.reduction);
}

Tensor NLLLoss::forward(const Tensor& log_probs, const Tensor& target) {
  return adze::nll_loss(log_probs, target, options_.reduction);
}

Tensor MSELoss::forward(const Tensor& input, const Tensor& target) {
  return adze::mse_loss(input, target, options_.reduction);
}

}  // namespace adze::nn
