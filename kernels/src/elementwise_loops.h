/// \file
/// The element-wise loops for any kind of lanes.
#pragma once

#include <cstdint>

#include "elementwise_table.h"
#include "math_functions.h"
#include "softmax_loops.h"

namespace adze::kernels {

template <class L>
struct ElementwiseLoops {
  using F = typename L::F;
  using Math = MathFunctions<L>;
  static constexpr int width = L::width;

  /// out[i] = f(inputs[i]...); the last, incomplete group goes through a buffer of full width.
  /// Functions of few instructions are unrolled: all inputs of four registers are read before the
  /// first output is written, which a processor may take for one of the next inputs.
  template <bool unrolled = false, class Function, class... In>
  [[gnu::always_inline]] static inline void map(Function f, std::int64_t n, float* out,
                                                const In*... in) {
    std::int64_t i = 0;
    for (; unrolled && i + 4 * width <= n; i += 4 * width) {
      F y[4];
      for (int j = 0; j < 4; ++j) y[j] = f(L::load(in + i + j * width)...);
      for (int j = 0; j < 4; ++j) L::store(out + i + j * width, y[j]);
    }
    for (; i + width <= n; i += width) L::store(out + i, f(L::load(in + i)...));
    if (i < n) {
      float result[width];
      L::store(result, f(load_part(in + i, n - i)...));
      for (std::int64_t j = 0; i + j < n; ++j) out[i + j] = result[j];
    }
  }
  static F load_part(const float* x, std::int64_t n) {
    float buffer[width];
    for (int j = 0; j < width; ++j) buffer[j] = j < n ? x[j] : 1.0f;
    return L::load(buffer);
  }
  template <int op>
  [[gnu::always_inline]] static inline F binary_op(F a, F b) {
    if constexpr (op == binary_add) return a + b;
    if constexpr (op == binary_sub) return a - b;
    if constexpr (op == binary_mul) return a * b;
    if constexpr (op == binary_div) return L::divide(a, b);
  }
  template <int op>
  static void binary(const float* a, const float* b, std::int64_t n, float* out) {
    map<true>([](F x, F y) { return binary_op<op>(x, y); }, n, out, a, b);
  }
  template <int op>
  static void binary_right(const float* a, float b, std::int64_t n, float* out) {
    const F value = L::all(b);
    map<true>([value](F x) { return binary_op<op>(x, value); }, n, out, a);
  }
  template <int op>
  static void binary_left(float a, const float* b, std::int64_t n, float* out) {
    const F value = L::all(a);
    map<true>([value](F y) { return binary_op<op>(value, y); }, n, out, b);
  }

  static void relu(const float* x, std::int64_t n, float* out) {
    map<true>([](F v) { return L::greater(L::all(0.0f), v); }, n, out, x);
  }
  static void sqrt(const float* x, std::int64_t n, float* out) {
    map([](F v) { return L::sqrt(v); }, n, out, x);
  }
  static void exp(const float* x, std::int64_t n, float* out) {
    map([](F v) { return Math::exp(v); }, n, out, x);
  }
  static void log(const float* x, std::int64_t n, float* out) {
    map([](F v) { return Math::log(v); }, n, out, x);
  }
  static void sigmoid(const float* x, std::int64_t n, float* out) {
    map([](F v) { return Math::sigmoid(v); }, n, out, x);
  }
  static void tanh(const float* x, std::int64_t n, float* out) {
    map([](F v) { return Math::tanh(v); }, n, out, x);
  }
  static void clamp(const float* x, float lo, float hi, std::int64_t n, float* out) {
    map([lo, hi](F v) { return Math::bound(v, lo, hi); }, n, out, x);
  }
  static void threshold_backward(const float* dy, const float* x, float threshold, std::int64_t n,
                                 float* out) {
    const F bound = L::all(threshold);
    map([bound](F d, F v) { return L::select(L::less(bound, v), d, L::all(0.0f)); }, n, out, dy, x);
  }

  static void select(const std::uint8_t* mask, const float* a, const float* b, std::int64_t n,
                     float* out) {
    std::int64_t i = 0;
    for (; i + width <= n; i += width) {
      L::store(out + i, L::select(L::load_mask(mask + i), L::load(a + i), L::load(b + i)));
    }
    for (; i < n; ++i) out[i] = mask[i] != 0 ? a[i] : b[i];
  }
  static void select_value(const std::uint8_t* mask, const float* a, float b, std::int64_t n,
                           float* out) {
    const F value = L::all(b);
    std::int64_t i = 0;
    for (; i + width <= n; i += width) {
      L::store(out + i, L::select(L::load_mask(mask + i), L::load(a + i), value));
    }
    for (; i < n; ++i) out[i] = mask[i] != 0 ? a[i] : b;
  }

  static void axpby(float alpha, const float* x, float beta, std::int64_t n, float* y) {
    const F p = L::all(alpha), q = L::all(beta);
    map([p, q](F u, F v) { return p * u + q * v; }, n, y, x, y);
  }
  static void axpy(float alpha, const float* x, std::int64_t n, float* y) {
    const F p = L::all(alpha);
    map([p](F u, F v) { return v + p * u; }, n, y, x, y);
  }
  static void addcmul(float alpha, const float* a, const float* b, std::int64_t n, float* y) {
    const F p = L::all(alpha);
    map([p](F u, F w, F v) { return v + p * (u * w); }, n, y, a, b, y);
  }
  static void addcdiv(float alpha, const float* a, const float* b, std::int64_t n, float* y) {
    const F p = L::all(alpha);
    map([p](F u, F w, F v) { return v + p * L::divide(u, w); }, n, y, a, b, y);
  }
  static void accumulate(const float* x, std::int64_t n, float* y) {
    map<true>([](F u, F v) { return v + u; }, n, y, x, y);
  }

  template <bool squares>
  static float sum_piece(const float* x, std::int64_t n) {
    constexpr int parts = 32;
    constexpr int registers = parts / width;
    F sums[registers];
    for (int r = 0; r < registers; ++r) sums[r] = L::all(0.0f);
    std::int64_t i = 0;
    for (; i + parts <= n; i += parts) {
      for (int r = 0; r < registers; ++r) {
        const F v = L::load(x + i + r * width);
        sums[r] = sums[r] + (squares ? v * v : v);
      }
    }
    float partial[parts];
    for (int r = 0; r < registers; ++r) L::store(partial + r * width, sums[r]);
    for (int j = 0; i + j < n; ++j) partial[j] += squares ? x[i + j] * x[i + j] : x[i + j];
    for (int h = parts / 2; h >= 1; h /= 2) {
      for (int j = 0; j < h; ++j) partial[j] += partial[j + h];
    }
    return partial[0];
  }

  static constexpr ElementwiseTable table(const char* name) {
    return {
        name,
        {relu, sqrt, exp, log, sigmoid, tanh},
        {binary<binary_add>, binary<binary_sub>, binary<binary_mul>, binary<binary_div>},
        {binary_right<binary_add>, binary_right<binary_sub>, binary_right<binary_mul>,
         binary_right<binary_div>},
        {binary_left<binary_add>, binary_left<binary_sub>, binary_left<binary_mul>,
         binary_left<binary_div>},
        clamp,
        threshold_backward,
        select,
        select_value,
        axpby,
        axpy,
        addcmul,
        addcdiv,
        sum_piece<false>,
        sum_piece<true>,
        SoftmaxLoops<L>::rows,
        accumulate,
    };
  }
};

}  // namespace adze::kernels
