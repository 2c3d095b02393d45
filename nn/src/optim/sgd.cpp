#include "adze/nn/optim/sgd.h"

#include <cmath>

#include "adze/core/creation.h"

#include "loops.h"

namespace adze::optim {

void SGDOptions::check() const {
  check_at_least_zero("SGD", "lr", lr);
  check_at_least_zero("SGD", "momentum", momentum);
  check_at_least_zero("SGD", "weight_decay", weight_decay);
  adze::check(std::isfinite(dampening), "SGD: dampening must be finite, got ", dampening);
  adze::check(!nesterov || (momentum > 0 && dampening == 0),
              "SGD: nesterov needs momentum > 0 and dampening 0, got momentum ", momentum,
              " and dampening ", dampening);
}

void SGD::update(const Tensor& param, const Tensor& grad, State& state, std::size_t group) {
  const SGDOptions& o = options(group);
  Tensor& buffer = state.buffers[0];
  const bool first = !buffer.defined();
  if (o.momentum != 0 && first) buffer = zeros_like(grad);
  visit_float(param.dtype(), [&]<class T>(T) {
    T* p = param.mutable_data<T>();
    const T* g = grad.data<T>();
    T* buf = o.momentum != 0 ? buffer.mutable_data<T>() : nullptr;
    const T lr = static_cast<T>(o.lr), decay = static_cast<T>(o.weight_decay),
            sign = o.maximize ? T(-1) : T(1);
    // The first buffer is the gradient itself: nothing is kept of the zeros, nothing dampened.
    const T keep = first ? T(0) : static_cast<T>(o.momentum);
    const T take = first ? T(1) : static_cast<T>(1 - o.dampening);
    // The update is a · g + b · buf.
    const T a = o.nesterov ? T(1) : T(0), b = o.nesterov ? static_cast<T>(o.momentum) : T(1);
    for_pieces(param.numel(), [&](std::int64_t begin, std::int64_t end) {
      if (!buf) {
        for (std::int64_t i = begin; i < end; ++i) p[i] -= lr * (sign * g[i] + decay * p[i]);
        return;
      }
      for (std::int64_t i = begin; i < end; ++i) {
        const T d = sign * g[i] + decay * p[i];
        buf[i] = keep * buf[i] + take * d;
        p[i] -= lr * (a * d + b * buf[i]);
      }
    });
  });
}

}  // namespace adze::optim
