#include "adze/nn/init.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"

namespace adze::nn::init {
namespace {

std::size_t size_of(const Tensor& t) {
  return static_cast<std::size_t>(t.numel());
}

double xavier_std(const Tensor& weight, double gain) {
  const Fan fan = calculate_fan_in_and_fan_out(weight);
  return gain * std::sqrt(2 / static_cast<double>(fan.in + fan.out));
}

double kaiming_std(const Tensor& weight, const KaimingOptions& options) {
  const Fan fan = calculate_fan_in_and_fan_out(weight);
  const double n = static_cast<double>(options.mode == FanMode::fan_in ? fan.in : fan.out);
  return calculate_gain(options.nonlinearity, options.a) / std::sqrt(n);
}

bool has_no_elements(const Tensor& weight) {
  if (weight.numel() != 0) return false;
  warn(adze::detail::concat("init: the tensor of shape ", weight.sizes(),
                            " has no elements to initialise"));
  return true;
}

}  // namespace

Target::Target(const SlotPtr& slot) : tensor_(slot->original()), slot_(slot) {}

const Tensor& Target::write(const Tensor& values) const {
  check(tensor_.defined(), "init: the tensor is undefined");
  check(tensor_.is_floating_point(), "init: needs a tensor of floating dtype, got ",
        tensor_.dtype());
  const NoGrad guard;
  tensor_.copy_(values);
  if (slot_) slot_->constrain();
  return tensor_;
}

Tensor uniform_(const Target& target, double a, double b, Generator* generator) {
  check(a <= b, "init::uniform_: needs a <= b, got a ", a, " and b ", b);
  const Tensor values = empty(target.tensor().sizes());
  return target.write(adze::uniform_(values, a, b, generator));
}

Tensor normal_(const Target& target, double mean, double std, Generator* generator) {
  check(std >= 0, "init::normal_: std must not be negative, got ", std);
  const Tensor values = empty(target.tensor().sizes());
  return target.write(adze::normal_(values, mean, std, generator));
}

Tensor constant_(const Target& target, double value) {
  return target.write(full({}, value, float64));
}
Tensor zeros_(const Target& target) {
  return constant_(target, 0);
}
Tensor ones_(const Target& target) {
  return constant_(target, 1);
}

// Rejection from uniform proposals: a proposal x is kept with probability density(x) / peak.
Tensor trunc_normal_(const Target& target, double mean, double std, double a, double b,
                     Generator* generator) {
  check(std > 0 && a < b, "init::trunc_normal_: needs std > 0 and a < b, got std ", std, ", a ", a,
        " and b ", b);
  if (mean < a - 2 * std || mean > b + 2 * std)
    warn("init::trunc_normal_: mean is more than 2 std away from [a, b]");
  Generator& numbers = generator ? *generator : default_generator();
  const auto log_density = [&](double x) { return -0.5 * ((x - mean) / std) * ((x - mean) / std); };
  const double mode = std::clamp(mean, a, b), log_peak = log_density(mode);
  constexpr double reach = 9;  // in std: 1e-19 of the distribution lies further from its mode
  const double low = std::max(a, mode - reach * std), high = std::min(b, mode + reach * std);
  const Tensor values = empty(target.tensor().sizes());
  for (float& value : std::span(values.mutable_data<float>(), size_of(values))) {
    double x = mode;
    do {
      x = low + (high - low) * numbers.uniform();
    } while (std::log1p(-numbers.uniform()) > log_density(x) - log_peak);
    value = static_cast<float>(x);
  }
  return target.write(values);
}

double calculate_gain(Nonlinearity nonlinearity, double negative_slope) {
  switch (nonlinearity) {
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid:
      return 1;
    case Nonlinearity::tanh:
      return 5.0 / 3;
    case Nonlinearity::relu:
      return std::numbers::sqrt2;
    case Nonlinearity::leaky_relu:
      return std::sqrt(2 / (1 + negative_slope * negative_slope));
    case Nonlinearity::selu:
      return 3.0 / 4;
  }
  fail("init::calculate_gain: unknown nonlinearity");
}

Fan calculate_fan_in_and_fan_out(const Tensor& weight) {
  check(weight.dim() >= 2, "init: fan in and fan out need at least 2 dimensions, got shape ",
        weight.sizes());
  std::int64_t kernel = 1;
  for (std::int64_t d = 2; d < weight.dim(); ++d) kernel *= weight.size(d);
  return {.in = weight.size(1) * kernel, .out = weight.size(0) * kernel};
}

Tensor xavier_uniform_(const Target& target, double gain, Generator* generator) {
  const double bound = std::numbers::sqrt3 * xavier_std(target.tensor(), gain);
  return uniform_(target, -bound, bound, generator);
}

Tensor xavier_normal_(const Target& target, double gain, Generator* generator) {
  return normal_(target, 0, xavier_std(target.tensor(), gain), generator);
}

Tensor kaiming_uniform_(const Target& target, KaimingOptions options) {
  if (has_no_elements(target.tensor())) return target.tensor();
  const double bound = std::numbers::sqrt3 * kaiming_std(target.tensor(), options);
  return uniform_(target, -bound, bound, options.generator);
}

Tensor kaiming_normal_(const Target& target, KaimingOptions options) {
  if (has_no_elements(target.tensor())) return target.tensor();
  return normal_(target, 0, kaiming_std(target.tensor(), options), options.generator);
}

}  // namespace adze::nn::init
