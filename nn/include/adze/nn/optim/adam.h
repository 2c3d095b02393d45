#pragma once

#include <array>

#include "adze/nn/optim/optimizer.h"

namespace adze::optim {

struct AdamOptions {
  static constexpr const char* optimizer = "Adam";
  static constexpr std::array buffers = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};

  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;  // added to the gradient
  bool amsgrad = false;
  bool maximize = false;

  /// Throws when a value is out of range.
  void check() const;
  template <class Self, class F>
  static void each(Self& o, F&& f) {
    f("lr", o.lr), f("betas.0", o.betas[0]), f("betas.1", o.betas[1]), f("eps", o.eps);
    f("weight_decay", o.weight_decay), f("amsgrad", o.amsgrad), f("maximize", o.maximize);
  }
};

struct AdamWOptions {
  static constexpr const char* optimizer = "AdamW";
  static constexpr std::array buffers = AdamOptions::buffers;

  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 1e-2;  // shrinks the parameter itself
  bool amsgrad = false;
  bool maximize = false;

  /// Throws when a value is out of range.
  void check() const;
  template <class Self, class F>
  static void each(Self& o, F&& f) {
    AdamOptions::each(o, f);
  }
};

/// Adam: with g = ±grad + weight_decay · p, at step t,
///
///     m = m + (1 - β₁)(g - m),   v = β₂ v + (1 - β₂) g²
///     p = p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + eps)
///
/// With amsgrad, the largest v so far stands for v in the last line.
class Adam final : public OptimizerOf<AdamOptions> {
 public:
  using OptimizerOf::OptimizerOf;

 protected:
  void update(const Tensor& param, const Tensor& grad, State& state, std::size_t group) override;
};

/// Adam with g = ±grad, after p = p · (1 - lr · weight_decay).
class AdamW final : public OptimizerOf<AdamWOptions> {
 public:
  using OptimizerOf::OptimizerOf;

 protected:
  void update(const Tensor& param, const Tensor& grad, State& state, std::size_t group) override;
};

}  // namespace adze::optim
