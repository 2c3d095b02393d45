#pragma once

#include <vector>

#include "adze/nn/slot.h"

namespace adze::nn::utils {

struct ClipGradNormOptions {
  double norm_type = 2;  // any p > 0, or infinity
  bool error_if_nonfinite = false;
};
/// Norm of all gradients together, as if they were one vector, before clipping. Where it is larger
/// than `max_norm`, gradients are multiplied by max_norm / (norm + 1e-6), in place. Parameters
/// without a gradient are skipped; the norm of none is 0. Throws, and changes nothing, for a norm
/// that is not finite, when asked to.
double clip_grad_norm_(const std::vector<SlotPtr>& parameters, double max_norm,
                       ClipGradNormOptions options = {});
/// Limits each element of the gradients to [-clip_value, clip_value], in place.
void clip_grad_value_(const std::vector<SlotPtr>& parameters, double clip_value);

}  // namespace adze::nn::utils
