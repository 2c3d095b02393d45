#pragma once

#include <cstdint>

#include "adze/core/random.h"
#include "adze/nn/handles.h"

/// Initial values of parameters.
///
/// Each function writes the stored tensor of floating dtype in place, outside of autograd, and
/// returns it. Pinned zeros of a parameter stay zero. `generator` null is the default generator.
namespace adze::nn::init {

/// What is initialised: a tensor, or the stored tensor of a parameter.
class Target {
 public:
  Target(const Tensor& t) : tensor_(t) {}
  Target(const Parameter& p) : Target(p.slot()) {}
  Target(const SlotPtr& slot);
  const Tensor& tensor() const { return tensor_; }
  /// Copies `values` (its shape) into the target.
  const Tensor& write(const Tensor& values) const;

 private:
  Tensor tensor_;
  SlotPtr slot_;
};

/// Uniform in [a, b).
Tensor uniform_(const Target& target, double a = 0, double b = 1, Generator* generator = nullptr);
Tensor normal_(const Target& target, double mean = 0, double std = 1,
               Generator* generator = nullptr);
Tensor constant_(const Target& target, double value);
Tensor zeros_(const Target& target);
Tensor ones_(const Target& target);
/// Normal numbers of (mean, std) that lie inside [a, b]; others are drawn again. Throws unless
/// a < b and std > 0; warns when the mean is more than 2 std away from the interval.
Tensor trunc_normal_(const Target& target, double mean = 0, double std = 1, double a = -2,
                     double b = 2, Generator* generator = nullptr);

enum class Nonlinearity : std::uint8_t { linear, sigmoid, tanh, relu, leaky_relu, selu };
/// How much larger weights must be to keep the variance behind that function: 1, 1, 5/3, √2,
/// √(2 / (1 + slope²)), 3/4. `negative_slope` is that of leaky_relu.
double calculate_gain(Nonlinearity nonlinearity, double negative_slope = 0.01);

struct Fan {
  std::int64_t in = 0, out = 0;
};
/// Inputs per output and outputs per input of a weight (out, in, kernel...): the sizes of its
/// second and first dimension, each times the elements of the kernel. Throws for less than two
/// dimensions.
Fan calculate_fan_in_and_fan_out(const Tensor& weight);

/// Uniform in ±gain·√(6 / (fan_in + fan_out)).
Tensor xavier_uniform_(const Target& target, double gain = 1, Generator* generator = nullptr);
/// Normal with deviation gain·√(2 / (fan_in + fan_out)).
Tensor xavier_normal_(const Target& target, double gain = 1, Generator* generator = nullptr);

enum class FanMode : std::uint8_t { fan_in, fan_out };
struct KaimingOptions {
  double a = 0;  // negative slope of leaky_relu
  FanMode mode = FanMode::fan_in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
  Generator* generator = nullptr;
};
/// Uniform in ±gain·√(3 / fan). A weight without elements is left as it is, with a warning.
Tensor kaiming_uniform_(const Target& target, KaimingOptions options = {});
/// Normal with deviation gain / √fan.
Tensor kaiming_normal_(const Target& target, KaimingOptions options = {});

/// A random matrix with orthonormal rows or columns, whichever are fewer, times `gain`. Dimensions
/// after the first count as columns. Throws for less than two dimensions.
Tensor orthogonal_(const Target& target, double gain = 1, Generator* generator = nullptr);

}  // namespace adze::nn::init
