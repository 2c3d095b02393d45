#pragma once

// Derivatives of ops against central differences.

#include <cmath>
#include <functional>
#include <vector>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"

#include "support/catch.h"

namespace adze::testing {

using Function = std::function<Tensor(const TensorList&)>;

/// Standard normal float64 numbers; the same for the same seed.
inline Tensor random_double(const Shape& sizes, std::uint64_t seed) {
  Generator generator(seed);
  return randn(sizes, &generator).to(float64);
}

/// The same numbers, laid out with the dimensions in reverse order and every other element unused.
inline Tensor random_strided(const Shape& sizes, std::uint64_t seed) {
  Shape reversed, order;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    reversed.push_back(sizes[i]);
    order.push_back(static_cast<std::int64_t>(i));
  }
  if (sizes.empty()) return random_double(sizes, seed);
  reversed.back() *= 2;
  const Tensor wide = zeros(reversed, float64);
  const Tensor view = wide.slice(-1, 0, std::nullopt, 2).permute(order);
  view.copy_(random_double(sizes, seed));
  return view;
}

/// Compares the gradients of f, whose arguments are `inputs` (float64), with central differences.
/// The result of f may have any shape: its elements are weighted with fixed random numbers.
inline void check_gradients(const Function& f, const TensorList& inputs, double tolerance = 1e-6) {
  constexpr double step = 1e-5;
  TensorList leaves;
  for (const Tensor& input : inputs) {
    REQUIRE(input.dtype() == float64);
    leaves.push_back(input.detach());
    leaves.back().requires_grad_();
  }
  const Tensor result = f(leaves);
  const Tensor weights = random_double(result.sizes(), 4711);
  const TensorList gradients = autograd::grad({result}, leaves, {weights});

  const NoGrad guard;
  const auto value = [&] { return sum(f(inputs) * weights).item(); };
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& input = inputs[k];
    CAPTURE(k, input.sizes());
    const Tensor gradient = gradients[k].defined() ? gradients[k] : zeros(input.sizes(), float64);
    REQUIRE(gradient.sizes() == input.sizes());
    REQUIRE(gradient.dtype() == float64);
    const std::vector<double> analytic = gradient.to_vector<double>();
    for (std::int64_t i = 0; i < input.numel(); ++i) {
      std::int64_t rest = i, offset = 0;
      for (std::size_t d = input.sizes().size(); d-- > 0;) {
        offset += rest % input.sizes()[d] * input.strides()[d];
        rest /= input.sizes()[d];
      }
      double& element = input.mutable_data<double>()[offset];
      const double before = element;
      element = before + step;
      const double above = value();
      element = before - step;
      const double below = value();
      element = before;
      const double numeric = (above - below) / (2 * step);
      CAPTURE(i);
      REQUIRE(analytic[static_cast<std::size_t>(i)] ==
              Approx(numeric).epsilon(tolerance).margin(tolerance));
    }
  }
}

}  // namespace adze::testing
