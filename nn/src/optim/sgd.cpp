#include "adze/nn/optim/sgd.h"

#include <cmath>

#include "adze/core/creation.h"

#include "loops.h"

namespace adze::optim {
namespace {

// The numbers of one update, in the type of the parameter. The functions take them by value: what
// is written through the pointers cannot change them, so that loops vectorise.
template <class T>
struct Step {
  T lr, decay, sign;
  T keep, take;    // buf = keep · buf + take · g
  T plain, ahead;  // p -= lr · (plain · g + ahead · buf)
};

template <class T>
void descend(T* p, const T* g, std::int64_t n, const Step<T> s) {
  for (std::int64_t i = 0; i < n; ++i) p[i] -= s.lr * (s.sign * g[i] + s.decay * p[i]);
}

template <class T>
void descend(T* p, const T* g, T* buf, std::int64_t n, const Step<T> s) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T d = s.sign * g[i] + s.decay * p[i];
    buf[i] = s.keep * buf[i] + s.take * d;
    p[i] -= s.lr * (s.plain * d + s.ahead * buf[i]);
  }
}

}  // namespace

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
  // The first buffer is the gradient itself: nothing is kept of the zeros, nothing dampened.
  const bool first = !buffer.defined();
  if (o.momentum != 0 && first) buffer = zeros_like(grad);
  visit_float(param.dtype(), [&]<class T>(T) {
    const Step<T> step{.lr = static_cast<T>(o.lr),
                       .decay = static_cast<T>(o.weight_decay),
                       .sign = o.maximize ? T(-1) : T(1),
                       .keep = first ? T(0) : static_cast<T>(o.momentum),
                       .take = first ? T(1) : static_cast<T>(1 - o.dampening),
                       .plain = o.nesterov ? T(1) : T(0),
                       .ahead = o.nesterov ? static_cast<T>(o.momentum) : T(1)};
    T* p = param.mutable_data<T>();
    const T* g = grad.data<T>();
    T* buf = o.momentum != 0 ? buffer.mutable_data<T>() : nullptr;
    for_pieces(param.numel(), [&](std::int64_t begin, std::int64_t end) {
      if (buf) {
        descend(p + begin, g + begin, buf + begin, end - begin, step);
      } else {
        descend(p + begin, g + begin, end - begin, step);
      }
    });
  });
}

}  // namespace adze::optim
