#include "adze/nn/loss.h"

#include <utility>

namespace adze::nn {
namespace {

constexpr std::pair<Reduction, std::string_view> reductions[] = {
    {Reduction::none, "none"}, {Reduction::mean, "mean"}, {Reduction::sum, "sum"}};

Value text(Reduction reduction) {
  return std::string(name(reduction));
}

}  // namespace

std::string_view name(Reduction reduction) {
  for (const auto& [r, name] : reductions)
    if (r == reduction) return name;
  fail("name: there is no such reduction");
}

Reduction reduction_from_name(std::string_view name) {
  for (const auto& [reduction, n] : reductions)
    if (n == name) return reduction;
  fail("reduction must be 'none', 'mean' or 'sum', got ", adze::detail::in_quotes(name));
}

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

std::map<std::string, Value> CrossEntropyLoss::config() const {
  return {{"label_smoothing", options_.label_smoothing}, {"reduction", text(options_.reduction)}};
}
std::map<std::string, Value> NLLLoss::config() const {
  return {{"reduction", text(options_.reduction)}};
}
std::map<std::string, Value> MSELoss::config() const {
  return {{"reduction", text(options_.reduction)}};
}

}  // namespace adze::nn
