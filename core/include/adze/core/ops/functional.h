#pragma once

#include <tuple>

#include "adze/core/op.h"

namespace adze {

/// How a loss joins its per-sample values.
enum class Reduction : std::uint8_t { none, mean, sum };

/// exp(a - max) / sum along `dim`.
Tensor softmax(const Tensor& a, std::int64_t dim);
Tensor log_softmax(const Tensor& a, std::int64_t dim);
/// In training: zeroes each element with probability p and scales the others by 1 / (1 - p), with
/// numbers from the default generator. Otherwise `a` itself.
Tensor dropout(const Tensor& a, double p = 0.5, bool training = true);

/// -log_probs[i][target[i]]; log_probs (N, C), target int64 (N).
Tensor nll_loss(const Tensor& log_probs, const Tensor& target,
                Reduction reduction = Reduction::mean);
/// nll_loss of log_softmax, with the target distribution (1 - s) * onehot + s / C where s is
/// `label_smoothing` in [0, 1]. Throws for a target outside of [0, C).
Tensor cross_entropy(const Tensor& logits, const Tensor& target, double label_smoothing = 0,
                     Reduction reduction = Reduction::mean);
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);

namespace ops {
extern const Op<Tensor(const Tensor&, std::int64_t)> softmax, log_softmax;
/// (result, mask); `dropout` is the first.
extern const Op<std::tuple<Tensor, Tensor>(const Tensor&, double)> native_dropout;
extern const Op<Tensor(const Tensor&, const Tensor&, std::int64_t)> nll_loss;
}  // namespace ops

}  // namespace adze
