#include "adze/core/ops/functional.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/kernels/elementwise.h"
#include "adze/kernels/parallel.h"
#include "adze/kernels/quantize.h"

#include "ops/families.h"
#include "ops/operands.h"

namespace adze {

using autograd::BackwardContext;
using autograd::Gradients;
using namespace detail;

namespace {

void check_floating(std::string_view op, const Tensor& a) {
  check_plain(op, a);
  check(a.is_floating_point(), op, ": needs a floating dtype, got ", a.dtype(),
        "; convert it with to(float32)");
}

// ---- softmax
// ----------------------------------------------------------------------------------------

// What a softmax is made of, for both precisions.
template <class T>
struct Row;

template <>
struct Row<float> {
  static float largest(const float* x, std::int64_t n) { return kernels::min_max(x, n).max; }
  static void exp(const float* x, std::int64_t n, float* y) { kernels::exp(x, n, y); }
  static float sum(const float* x, std::int64_t n) { return kernels::sum(x, n); }
  static void subtract(const float* x, float v, std::int64_t n, float* y) {
    kernels::sub(x, v, n, y);
  }
  static void divide(float* x, float v, std::int64_t n) { kernels::div(x, v, n, x); }
};

template <>
struct Row<double> {
  static double largest(const double* x, std::int64_t n) { return *std::max_element(x, x + n); }
  static void exp(const double* x, std::int64_t n, double* y) {
    std::transform(x, x + n, y, [](double v) { return std::exp(v); });
  }
  static double sum(const double* x, std::int64_t n) { return std::accumulate(x, x + n, 0.0); }
  static void subtract(const double* x, double v, std::int64_t n, double* y) {
    std::transform(x, x + n, y, [v](double e) { return e - v; });
  }
  static void divide(double* x, double v, std::int64_t n) {
    std::transform(x, x + n, x, [v](double e) { return e / v; });
  }
};

// Rows of n neighbouring elements. Their largest is taken off first, so that exp cannot overflow.
template <class T>
void softmax_rows(const T* x, std::int64_t rows, std::int64_t n, bool logarithm, T* y) {
  using R = Row<T>;
  for (std::int64_t r = 0; r < rows; ++r)
    R::subtract(x + r * n, R::largest(x + r * n, n), n, y + r * n);
  std::vector<T> powers(logarithm ? static_cast<std::size_t>(rows * n) : 0);
  T* e = logarithm ? powers.data() : y;
  R::exp(y, rows * n, e);
  for (std::int64_t r = 0; r < rows; ++r) {
    const T sum = R::sum(e + r * n, n);
    if (logarithm) {
      R::subtract(y + r * n, std::log(sum), n, y + r * n);
    } else {
      R::divide(y + r * n, sum, n);
    }
  }
}

Tensor softmax_along(std::string_view op, const Tensor& a, std::int64_t dim, bool logarithm) {
  check_floating(op, a);
  check(a.dim() > 0, op, ": needs a tensor with at least one dimension, got shape ()");
  const std::int64_t d = wrap_dim(dim, a.sizes().size(), op);
  const DType dtype = a.dtype() == float64 ? float64 : float32;
  const Tensor x = packed(converted(transpose(a, d, -1), dtype));
  const Tensor y = make_tensor(x.sizes(), dtype);
  const std::int64_t n = x.size(-1), rows = n == 0 ? 0 : x.numel() / n;
  visit_floating(dtype, "softmax", [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::floating_point<T>) {
      constexpr std::int64_t in_cache = 1 << 13;  // elements
      const std::int64_t block = 1 + in_cache / (1 + n);
      const T* from = x.data<T>();
      T* to = y.mutable_data<T>();
      if constexpr (std::is_same_v<T, float>) {
        if (!logarithm) {
          kernels::softmax(from, rows, n, to);
          return;
        }
      }
      kernels::parallel_for(0, rows, block, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t r = first; r < last; r += block) {
          softmax_rows(from + r * n, std::min(block, last - r), n, logarithm, to + r * n);
        }
      });
    }
  });
  return converted(packed(transpose(y, d, -1)), a.dtype());
}

Gradients softmax_derivative(const BackwardContext& c) {
  const Tensor flow = c.grad() * c.output();
  return {flow - c.output() * sum(flow, {c.args[1].to_int()}, true)};
}

Gradients log_softmax_derivative(const BackwardContext& c) {
  return {c.grad() - exp(c.output()) * sum(c.grad(), {c.args[1].to_int()}, true)};
}

// ---- dropout
// ------------------------------------------------------------------------------------------

double kept_scale(double p) {
  return p < 1 ? 1 / (1 - p) : 0;
}

std::tuple<Tensor, Tensor> dropout_forward(const Tensor& a, double p) {
  check_floating("dropout", a);
  check(p >= 0 && p <= 1, "dropout: the probability must lie in [0, 1], got ", p);
  const Tensor mask = converted(bernoulli(a.sizes(), 1 - p), boolean);
  return {where(mask, a * kept_scale(p), 0), mask};
}

Gradients dropout_derivative(const BackwardContext& c) {
  return {where(c.output(1), c.grad() * kept_scale(c.args[1].to_double()), 0)};
}

// ---- losses
// -------------------------------------------------------------------------------------------

Tensor reduce(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      return sum(losses);
    default:
      return losses;
  }
}

// The classes of the samples, all checked.
Tensor checked_target(const Tensor& log_probs, const Tensor& target) {
  check(log_probs.dim() == 2, "nll_loss: input must have shape (samples, classes), got ",
        log_probs.sizes());
  check(target.dtype() == int64, "nll_loss: target must hold int64 class numbers, got ",
        target.dtype());
  check(target.sizes() == Shape{log_probs.size(0)}, "nll_loss: target must have shape ",
        Shape{log_probs.size(0)}, " for input ", log_probs.sizes(), ", got ", target.sizes());
  const Tensor classes = packed(target);
  const std::span<const std::int64_t> values = classes.span<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    check(values[i] >= 0 && values[i] < log_probs.size(1), "nll_loss: target ", values[i],
          " of sample ", i, " is outside of [0, ", log_probs.size(1), ")");
  }
  return classes;
}

Tensor nll_loss_forward(const Tensor& log_probs, const Tensor& target, std::int64_t reduction) {
  check_floating("nll_loss", log_probs);
  check(reduction >= 0 && reduction <= 2, "nll_loss: no such reduction: ", reduction);
  const Tensor classes = checked_target(log_probs, target);
  const Tensor losses = neg(squeeze(gather(log_probs, 1, unsqueeze(classes, 1)), 1));
  return reduce(losses, static_cast<Reduction>(reduction));
}

Gradients nll_loss_derivative(const BackwardContext& c) {
  const Shape sizes = c.sizes(0);
  const std::int64_t samples = sizes[0], classes = sizes[1];
  const Tensor target = packed(c.tensor(1));
  const bool averaged = static_cast<Reduction>(c.args[2].to_int()) == Reduction::mean;
  const Tensor each = packed(expand(averaged ? c.grad() / samples : c.grad(), {samples}));
  const Tensor out = zeros(sizes, each.dtype());
  visit_floating(each.dtype(), "nll_loss", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* from = each.data<T>();
    const auto* t = target.data<std::int64_t>();
    T* to = out.mutable_data<T>();
    for (std::int64_t i = 0; i < samples; ++i)
      to[i * classes + t[i]] = convert<T>(-convert<compute_t<T>>(from[i]));
  });
  return {out};
}

}  // namespace

namespace ops {

constinit const Op<Tensor(const Tensor&, std::int64_t)> softmax{
    {.name = "softmax",
     .forward = [](const Tensor& a,
                   std::int64_t dim) { return softmax_along("softmax", a, dim, false); },
     .derivative = softmax_derivative}};
constinit const Op<Tensor(const Tensor&, std::int64_t)> log_softmax{
    {.name = "log_softmax",
     .forward = [](const Tensor& a,
                   std::int64_t dim) { return softmax_along("log_softmax", a, dim, true); },
     .derivative = log_softmax_derivative}};
constinit const Op<std::tuple<Tensor, Tensor>(const Tensor&, double)> native_dropout{
    {.name = "native_dropout",
     .forward = dropout_forward,
     .derivative = dropout_derivative,
     .traits = {.elementwise = true, .random = true}}};
constinit const Op<Tensor(const Tensor&, const Tensor&, std::int64_t)> nll_loss{
    {.name = "nll_loss", .forward = nll_loss_forward, .derivative = nll_loss_derivative}};

}  // namespace ops

std::vector<const OpBase*> functional_ops() {
  return {&ops::softmax, &ops::log_softmax, &ops::native_dropout, &ops::nll_loss};
}

Tensor softmax(const Tensor& a, std::int64_t dim) {
  return ops::softmax(a, dim);
}
Tensor log_softmax(const Tensor& a, std::int64_t dim) {
  return ops::log_softmax(a, dim);
}

Tensor dropout(const Tensor& a, double p, bool training) {
  check(p >= 0 && p <= 1, "dropout: the probability must lie in [0, 1], got ", p);
  if (!training || p == 0) return a;
  return std::get<0>(ops::native_dropout(a, p));
}

Tensor nll_loss(const Tensor& log_probs, const Tensor& target, Reduction reduction) {
  return ops::nll_loss(log_probs, target, static_cast<std::int64_t>(reduction));
}

Tensor cross_entropy(const Tensor& logits, const Tensor& target, double label_smoothing,
                     Reduction reduction) {
  check(label_smoothing >= 0 && label_smoothing <= 1,
        "cross_entropy: label_smoothing must lie in [0, 1], got ", label_smoothing);
  const Tensor log_probs = log_softmax(logits, 1);
  const Tensor chosen = nll_loss(log_probs, target, reduction);
  if (label_smoothing == 0) return chosen;
  const Tensor uniform = reduce(neg(mean(log_probs, {1})), reduction);
  return chosen * (1 - label_smoothing) + uniform * label_smoothing;
}

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  if (!input.is_symbolic() && !target.is_symbolic()) {
    check(input.sizes() == target.sizes(), "mse_loss: target must have the shape of input, ",
          input.sizes(), ", got ", target.sizes());
  }
  return reduce(square(input - target), reduction);
}

}  // namespace adze
