#include "adze/nn/clip_grad.h"

#include <cmath>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops/elementwise.h"
#include "adze/core/ops/reduction.h"

namespace adze::nn::utils {
namespace {

TensorList gradients_of(const std::vector<SlotPtr>& parameters) {
  TensorList gradients;
  for (const SlotPtr& slot : parameters)
    if (slot->original().defined() && slot->original().grad().defined())
      gradients.push_back(slot->original().grad());
  return gradients;
}

}  // namespace

double clip_grad_norm_(const std::vector<SlotPtr>& parameters, double max_norm,
                       ClipGradNormOptions options) {
  check(options.norm_type > 0, "clip_grad_norm_: norm_type must be positive, got ",
        options.norm_type);
  const NoGrad guard;
  const TensorList gradients = gradients_of(parameters);
  if (gradients.empty()) return 0;
  std::vector<double> norms;
  for (const Tensor& g : gradients) norms.push_back(norm(g, options.norm_type).item());
  const double total =
      norm(from_vector(norms, {static_cast<std::int64_t>(norms.size())}), options.norm_type).item();
  check(!options.error_if_nonfinite || std::isfinite(total), "clip_grad_norm_: the norm of order ",
        options.norm_type, " of the gradients is ", total, ", so they cannot be clipped");
  const double factor = max_norm / (total + 1e-6);
  if (!(factor >= 1))
    for (const Tensor& g : gradients) g.mul_(factor);
  return total;
}

void clip_grad_value_(const std::vector<SlotPtr>& parameters, double clip_value) {
  check(clip_value >= 0, "clip_grad_value_: clip_value must not be negative, got ", clip_value);
  const NoGrad guard;
  for (const Tensor& g : gradients_of(parameters)) g.copy_(clamp(g, -clip_value, clip_value));
}

}  // namespace adze::nn::utils
