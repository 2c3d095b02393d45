#include "adze/nn/optim/adam.h"

#include <algorithm>
#include <cmath>

#include "adze/core/creation.h"
#include "adze/kernels/elementwise.h"

#include "loops.h"

namespace adze::optim {
namespace {

template <class Options>
void check_adam(const char* where, const Options& o) {
  check_at_least_zero(where, "lr", o.lr);
  check_at_least_zero(where, "eps", o.eps);
  check_at_least_zero(where, "weight_decay", o.weight_decay);
  for (const double beta : o.betas)
    adze::check(beta >= 0 && beta < 1, where, ": betas must be in [0, 1), got ", o.betas[0],
                " and ", o.betas[1]);
}

void square_roots(const float* x, std::int64_t n, float* out) {
  kernels::sqrt(x, n, out);
}
void square_roots(const double* x, std::int64_t n, double* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = std::sqrt(x[i]);
}

// The numbers of one update, in the type of the parameter.
template <class T>
struct Step {
  T sign, decay, shrink, mean_weight, keep_square, add_square, root_correction, eps, size;

  template <class Options>
  Step(const Options& o, double decoupled_decay, double added_decay, std::int64_t step)
      : sign(o.maximize ? T(-1) : T(1)),
        decay(static_cast<T>(added_decay)),
        shrink(static_cast<T>(1 - o.lr * decoupled_decay)),
        mean_weight(static_cast<T>(1 - o.betas[0])),
        keep_square(static_cast<T>(o.betas[1])),
        add_square(static_cast<T>(1 - o.betas[1])),
        eps(static_cast<T>(o.eps)) {
    const double t = static_cast<double>(step);
    root_correction = static_cast<T>(std::sqrt(1 - std::pow(o.betas[1], t)));
    size = static_cast<T>(-o.lr / (1 - std::pow(o.betas[0], t)));
  }
};

constexpr std::int64_t block = 1024;

// Updates one block of at most `block` elements. `largest` null: no amsgrad. The numbers come by
// value: what is written through the pointers cannot change them, so that loops vectorise.
template <class T>
void descend(T* p, const T* g, T* mean, T* square, T* largest, std::int64_t n, const Step<T> s) {
  T root[block];
  // As the mean weight exceeds one half, the difference is taken from the other side.
  const bool near = s.mean_weight < T(0.5);
  const T other_weight = T(1) - s.mean_weight;
  for (std::int64_t i = 0; i < n; ++i) {
    p[i] *= s.shrink;
    const T d = s.sign * g[i] + s.decay * p[i];
    const T difference = d - mean[i];
    mean[i] = near ? mean[i] + s.mean_weight * difference : d - difference * other_weight;
    square[i] = s.keep_square * square[i] + s.add_square * d * d;
  }
  if (largest)
    for (std::int64_t i = 0; i < n; ++i) largest[i] = std::max(largest[i], square[i]);
  square_roots(largest ? largest : square, n, root);
  for (std::int64_t i = 0; i < n; ++i)
    p[i] += s.size * mean[i] / (root[i] / s.root_correction + s.eps);
}

// `decoupled`: weight decay shrinks the parameter instead of being added to the gradient.
template <class Options>
void update_adam(const Tensor& param, const Tensor& grad, std::vector<Tensor>& state,
                 std::int64_t step, const Options& o, bool decoupled) {
  for (std::size_t i = 0; i < (o.amsgrad ? 3U : 2U); ++i)
    if (!state[i].defined()) state[i] = zeros_like(grad);
  visit_float(param.dtype(), [&]<class T>(T) {
    const Step<T> numbers(o, decoupled ? o.weight_decay : 0, decoupled ? 0 : o.weight_decay, step);
    T* p = param.mutable_data<T>();
    const T* g = grad.data<T>();
    T* mean = state[0].mutable_data<T>();
    T* square = state[1].mutable_data<T>();
    T* largest = o.amsgrad ? state[2].mutable_data<T>() : nullptr;
    for_pieces(param.numel(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += block)
        descend(p + i, g + i, mean + i, square + i, largest ? largest + i : nullptr,
                std::min(block, end - i), numbers);
    });
  });
}

}  // namespace

void AdamOptions::check() const {
  check_adam("Adam", *this);
}
void AdamWOptions::check() const {
  check_adam("AdamW", *this);
}

void Adam::update(const Tensor& param, const Tensor& grad, State& state, std::size_t group) {
  update_adam(param, grad, state.buffers, state.step, options(group), /*decoupled=*/false);
}
void AdamW::update(const Tensor& param, const Tensor& grad, State& state, std::size_t group) {
  update_adam(param, grad, state.buffers, state.step, options(group), /*decoupled=*/true);
}

}  // namespace adze::optim
