/// \file
/// The quantization loops for any kind of lanes.
#pragma once

#include <cstdint>

#include "math_functions.h"
#include "quantize_table.h"

namespace adze::kernels {

template <class L>
struct QuantizeLoops {
  using F = typename L::F;
  using I = typename L::I;
  using M = typename L::M;
  using Math = MathFunctions<L>;
  static constexpr int width = L::width;

  /// The last n < width values, filled up with zeros.
  static F load_part(const float* x, std::int64_t n) {
    float buffer[width];
    for (int j = 0; j < width; ++j) buffer[j] = j < n ? x[j] : 0.0f;
    return L::load(buffer);
  }

  /// An AffineRow in registers.
  struct Row {
    F inverse, scale, lowest, highest;
    I zero_point;
    explicit Row(const AffineRow& row)
        : inverse(L::all(row.inverse)),
          scale(L::all(row.scale)),
          lowest(L::all(row.lowest)),
          highest(L::all(row.highest)),
          zero_point(L::all_int(row.zero_point)) {}
  };

  /// lo where x < lo, hi where x > hi; NaN stays.
  [[gnu::always_inline]] static inline F bound(F x, F lo, F hi) {
    return L::lesser(hi, L::greater(lo, x));
  }

  /// round_half_even(v / scale) within the bounds, NaN giving 0. The bounds are whole numbers, so
  /// it is the same to apply them before rounding. If `saturates`, what is too low may stay so.
  template <bool saturates = false>
  [[gnu::always_inline]] static inline I rounded(F v, const Row& row) {
    v = v * row.inverse;
    const F most = L::lesser(row.highest, v);
    const F bounded = saturates ? most : L::greater(row.lowest, most);
    return L::round_to_int(L::where(L::equal(v, v), bounded));
  }
  [[gnu::always_inline]] static inline F value(I q, const Row& row) {
    return L::to_float(q - row.zero_point) * row.scale;
  }

  /// q[i] = the integer for read(i); read_part(i, n) reads the last n < width values only.
  template <class Q, class Read, class ReadPart>
  [[gnu::always_inline]] static inline void quantize_each(Read read, ReadPart read_part,
                                                          std::int64_t n, const AffineRow& to,
                                                          Q* q) {
    using Saturation = typename L::Saturation;
    const Row row(to);
    const auto lowest = static_cast<Q>(static_cast<std::int32_t>(to.lowest) + to.zero_point);
    const Saturation saturation(to.zero_point, lowest);
    const auto next = [&](std::int64_t i) __attribute__((always_inline)) {
      return rounded<Saturation::below>(read(i), row);
    };
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      L::store_quantized(q + i, next(i), next(i + width), next(i + 2 * width), next(i + 3 * width),
                         saturation);
    }
    for (; i + width <= n; i += width) {
      L::store_bytes(q + i, rounded(read(i), row) + row.zero_point);
    }
    if (i < n) {
      Q buffer[width];
      L::store_bytes(buffer, rounded(read_part(i, n - i), row) + row.zero_point);
      for (std::int64_t j = 0; i + j < n; ++j) q[i + j] = buffer[j];
    }
  }

  template <class Q>
  static void quantize(const float* x, std::int64_t n, const AffineRow& row, Q* q) {
    quantize_each([x](std::int64_t i) { return L::load(x + i); },
                  [x](std::int64_t i, std::int64_t count) { return load_part(x + i, count); }, n,
                  row, q);
  }

  template <class Q>
  [[gnu::always_inline]] static inline I load_bytes_part(const Q* q, std::int64_t n) {
    Q buffer[width];
    for (int j = 0; j < width; ++j) buffer[j] = j < n ? q[j] : Q{};
    return L::load_bytes(buffer);
  }

  /// What `a`, `b` and the result are read and written with; `sum` or product.
  template <class Q, bool sum>
  static void combine(const Q* a, const AffineRow& a_row, const Q* b, const AffineRow& b_row,
                      std::int64_t n, const AffineRow& to, Q* q) {
    const Row ra(a_row), rb(b_row);
    const auto f = [&](I x, I y) __attribute__((always_inline)) {
      return sum ? value(x, ra) + value(y, rb) : value(x, ra) * value(y, rb);
    };
    quantize_each(
        [&](std::int64_t i) __attribute__((always_inline)) {
          return f(L::load_bytes(a + i), L::load_bytes(b + i));
        },
        [&](std::int64_t i, std::int64_t count) __attribute__((always_inline)) {
          return f(load_bytes_part(a + i, count), load_bytes_part(b + i, count));
        },
        n, to, q);
  }

  template <class Q>
  static void dequantize(const Q* q, std::int64_t n, const AffineRow& params, float* x) {
    const Row row(params);
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      for (int j = 0; j < 4 * width; j += width) {
        L::store(x + i + j, value(L::load_bytes(q + i + j), row));
      }
    }
    for (; i + width <= n; i += width) L::store(x + i, value(L::load_bytes(q + i), row));
    for (; i < n; ++i) x[i] = static_cast<float>(q[i] - params.zero_point) * params.scale;
  }

  /// y, and where the rounded value lay within the bounds.
  [[gnu::always_inline]] static inline F fake(F v, const Row& row, M* inside) {
    v = v * row.inverse;
    const F r = L::round(v);
    const F q = bound(r, row.lowest, row.highest);
    *inside = L::equal(q, r);                                         // not NaN
    return L::where(L::equal(v, v), (q + L::all(0.0f)) * row.scale);  // + 0: no -0
  }
  [[gnu::always_inline]] static inline F fake(F v, const Row& row) {
    M inside;
    return fake(v, row, &inside);
  }
  static void fake_quantize_mask(const float* x, std::int64_t n, const AffineRow& params, float* y,
                                 std::uint8_t* mask) {
    const Row row(params);
    M inside[4];
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      for (int j = 0; j < 4; ++j) {
        L::store(y + i + j * width, fake(L::load(x + i + j * width), row, &inside[j]));
      }
      L::store_mask(mask + i, inside[0], inside[1], inside[2], inside[3]);
    }
    for (; i + width <= n; i += width) {
      L::store(y + i, fake(L::load(x + i), row, inside));
      L::store_mask(mask + i, inside[0]);
    }
    if (i < n) {
      float values[width];
      std::uint8_t flags[width];
      L::store(values, fake(load_part(x + i, n - i), row, inside));
      L::store_mask(flags, inside[0]);
      for (std::int64_t j = 0; i + j < n; ++j) y[i + j] = values[j];
      for (std::int64_t j = 0; i + j < n; ++j) mask[i + j] = flags[j];
    }
  }
  static void fake_quantize(const float* x, std::int64_t n, const AffineRow& params, float* y) {
    const Row row(params);
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      for (int j = 0; j < 4 * width; j += width) {
        L::store(y + i + j, fake(L::load(x + i + j), row));
      }
    }
    for (; i + width <= n; i += width) L::store(y + i, fake(L::load(x + i), row));
    if (i < n) {
      float values[width];
      L::store(values, fake(load_part(x + i, n - i), row));
      for (std::int64_t j = 0; i + j < n; ++j) y[i + j] = values[j];
    }
  }

  static bool min_max(const float* x, std::int64_t n, float* lo, float* hi) {
    // Four of each, as one waits for the step before.
    F low[4], high[4];
    for (int j = 0; j < 4; ++j) {
      low[j] = L::all(*lo);
      high[j] = L::all(*hi);
    }
    M numbers[2] = {L::equal(low[0], low[0]), L::equal(low[0], low[0])};
    const auto take = [&](F v, int j) __attribute__((always_inline)) {
      low[j] = L::lesser(v, low[j]);
      high[j] = L::greater(v, high[j]);
    };
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      F v[4];
      for (int j = 0; j < 4; ++j) {
        v[j] = L::load(x + i + j * width);
        take(v[j], j);
      }
      numbers[0] = L::both(numbers[0], L::numbers(v[0], v[1]));
      numbers[1] = L::both(numbers[1], L::numbers(v[2], v[3]));
    }
    for (; i + width <= n; i += width) {
      const F v = L::load(x + i);
      take(v, 0);
      numbers[0] = L::both(numbers[0], L::equal(v, v));
    }
    for (int j = 1; j < 4; ++j) {
      low[0] = L::lesser(low[j], low[0]);
      high[0] = L::greater(high[j], high[0]);
    }
    float lows[width], highs[width];
    std::uint8_t flags[width];
    L::store(lows, low[0]);
    L::store(highs, high[0]);
    L::store_mask(flags, L::both(numbers[0], numbers[1]));
    bool all_numbers = true;
    for (int j = 0; j < width; ++j) {
      *lo = lows[j] < *lo ? lows[j] : *lo;
      *hi = highs[j] > *hi ? highs[j] : *hi;
      all_numbers = all_numbers && flags[j] != 0;
    }
    for (; i < n; ++i) {
      *lo = x[i] < *lo ? x[i] : *lo;
      *hi = x[i] > *hi ? x[i] : *hi;
      all_numbers = all_numbers && x[i] == x[i];
    }
    return all_numbers;
  }

  static constexpr QuantizeTable table(const char* name) {
    return {name,
            quantize<std::uint8_t>,
            quantize<std::int8_t>,
            dequantize<std::uint8_t>,
            dequantize<std::int8_t>,
            fake_quantize,
            fake_quantize_mask,
            {combine<std::uint8_t, true>, combine<std::uint8_t, false>},
            {combine<std::int8_t, true>, combine<std::int8_t, false>},
            min_max};
  }
};

}  // namespace adze::kernels
