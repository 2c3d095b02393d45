/// \file
/// The softmax of rows, for any kind of lanes.
#pragma once

#include <cstdint>

#include "math_functions.h"
#include "range_loops.h"

namespace adze::kernels {

template <class L>
struct SoftmaxLoops {
  using F = typename L::F;
  using Math = MathFunctions<L>;
  static constexpr int width = L::width;
  static constexpr int parts = 32;  // partial sums, in the order of `sum`

  /// y = e^(x - max x) / sum of these, for rows of n values of which `sum` makes one piece. Rows go
  /// through each step together, as each step of one row waits for the step before.
  static void rows(const float* x, std::int64_t rows, std::int64_t n, float* y) {
    constexpr std::int64_t together = 16, values = 4096;
    const std::int64_t most = n * together <= values ? together : values / n > 0 ? values / n : 1;
    for (std::int64_t count; rows > 0; rows -= count, x += count * n, y += count * n) {
      count = rows < most ? rows : most;
      Top tops[together];
      float sums[together];
      for (std::int64_t r = 0; r < count; ++r) tops[r] = top_of(x + r * n, n);
      for (std::int64_t r = 0; r < count; ++r) {
        const F top = L::all(tops[r].value);
        const float* from = x + r * n;
        float* to = y + r * n;
        sums[r] = tops[r].normal_powers
                      ? powers(from, n, top, to, [](F v) { return Math::exp_normal(v); })
                      : powers(from, n, top, to, [](F v) { return Math::exp(v); });
      }
      for (std::int64_t r = 0; r < count; ++r) {
        float* to = y + r * n;
        const F sum = L::all(sums[r]);
        std::int64_t i = 0;
        for (; i + width <= n; i += width) L::store(to + i, L::divide(L::load(to + i), sum));
        if (i < n) L::store_first(to + i, n - i, L::divide(L::load_first(to + i, n - i), sum));
      }
    }
  }

 private:
  struct Top {
    float value;
    bool normal_powers;
  };
  static Top top_of(const float* x, std::int64_t n) {
    constexpr float infinity = __builtin_inff();
    float lo = infinity, hi = -infinity;
    if (!RangeLoops<L>::min_max(x, n, &lo, &hi)) {
      return {__builtin_nanf(""), false};
    }
    return {hi + 0.0f, lo - hi >= Math::lowest_normal};
  }

  /// y = power(x - top); returns their sum.
  template <class Power>
  [[gnu::always_inline]] static inline float powers(const float* x, std::int64_t n, F top, float* y,
                                                    Power power) {
    constexpr int registers = parts / width;
    F sums[registers];
    for (F& sum : sums) sum = L::all(0.0f);
    std::int64_t i = 0;
    for (; i + parts <= n; i += parts) {
      for (int r = 0; r < registers; ++r) {
        const F v = power(L::load(x + i + r * width) - top);
        L::store(y + i + r * width, v);
        sums[r] = sums[r] + v;
      }
    }
    for (int r = 0; i < n && r < registers; ++r, i += width) {
      if (i + width <= n) {
        const F v = power(L::load(x + i) - top);
        L::store(y + i, v);
        sums[r] = sums[r] + v;
      } else {
        // Adding 0 changes no sum of powers, which are not -0.
        const F v = L::first(power(L::load_first(x + i, n - i) - top), n - i);
        L::store_first(y + i, n - i, v);
        sums[r] = sums[r] + v;
      }
    }
    for (int h = registers / 2; h >= 1; h /= 2) {
      for (int j = 0; j < h; ++j) sums[j] = sums[j] + sums[j + h];
    }
    float partial[width];
    L::store(partial, sums[0]);
    for (int h = width / 2; h >= 1; h /= 2) {
      for (int j = 0; j < h; ++j) partial[j] += partial[j + h];
    }
    return partial[0];
  }
};

}  // namespace adze::kernels
