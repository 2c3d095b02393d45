#pragma once

#include <array>

#include "adze/nn/optim/optimizer.h"

namespace adze::optim {

struct SGDOptions {
  static constexpr const char* optimizer = "SGD";
  static constexpr std::array buffers = {"momentum_buffer"};

  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;

  /// Throws when a value is out of range, or for nesterov without momentum or with dampening.
  void check() const;
  template <class Self, class F>
  static void each(Self& o, F&& f) {
    f("lr", o.lr), f("momentum", o.momentum), f("dampening", o.dampening);
    f("weight_decay", o.weight_decay), f("nesterov", o.nesterov), f("maximize", o.maximize);
  }
};

/// Stochastic gradient descent: with g = ±grad + weight_decay · p,
///
///     buf = momentum · buf + (1 - dampening) · g      (the first time: buf = g)
///     p   = p - lr · (nesterov ? g + momentum · buf : buf)
class SGD final : public OptimizerOf<SGDOptions> {
 public:
  using OptimizerOf::OptimizerOf;

 protected:
  void update(const Tensor& param, const Tensor& grad, State& state, std::size_t group) override;
};

}  // namespace adze::optim
