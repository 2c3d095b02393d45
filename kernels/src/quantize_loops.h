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

  /// round_half_even(v) within the row's bounds, NaN giving 0. The bounds are whole numbers, so it
  /// is the same to apply them before rounding.
  [[gnu::always_inline]] static inline I rounded(F v, const AffineRow& row) {
    v = L::select(L::equal(v, v), v, L::all(0.0f));
    return L::round_to_int(Math::bound(v, row.lowest, row.highest));
  }

  template <class Q>
  static void quantize(const float* x, std::int64_t n, const AffineRow& row, Q* q) {
    const F inverse = L::all(row.inverse);
    const I zero_point = L::all_int(row.zero_point);
    std::int64_t i = 0;
    for (; i + width <= n; i += width) {
      L::store_bytes(q + i, rounded(L::load(x + i) * inverse, row) + zero_point);
    }
    if (i < n) {
      Q buffer[width];
      L::store_bytes(buffer, rounded(load_part(x + i, n - i) * inverse, row) + zero_point);
      for (std::int64_t j = 0; i + j < n; ++j) q[i + j] = buffer[j];
    }
  }

  template <class Q>
  static void dequantize(const Q* q, std::int64_t n, const AffineRow& row, float* x) {
    const F scale = L::all(row.scale);
    const I zero_point = L::all_int(row.zero_point);
    std::int64_t i = 0;
    for (; i + width <= n; i += width) {
      L::store(x + i, L::to_float(L::load_bytes(q + i) - zero_point) * scale);
    }
    for (; i < n; ++i) x[i] = static_cast<float>(q[i] - row.zero_point) * row.scale;
  }

  /// y, and where the rounded value lay within the bounds; one step beyond them is enough to tell.
  [[gnu::always_inline]] static inline F fake(F v, const AffineRow& row, M* inside) {
    const M is_number = L::equal(v, v);
    v = L::select(is_number, v, L::all(0.0f));
    const F r = L::round(Math::bound(v, row.lowest - 1.0f, row.highest + 1.0f));
    const F q = Math::bound(r, row.lowest, row.highest);
    *inside = L::both(L::equal(q, r), is_number);
    return (q + L::all(0.0f)) * L::all(row.scale);  // + 0: no -0
  }
  template <bool with_mask>
  static void fake_quantize(const float* x, std::int64_t n, const AffineRow& row, float* y,
                            std::uint8_t* mask) {
    const F inverse = L::all(row.inverse);
    M inside;
    std::int64_t i = 0;
    for (; i + width <= n; i += width) {
      L::store(y + i, fake(L::load(x + i) * inverse, row, &inside));
      if constexpr (with_mask) L::store_mask(mask + i, inside);
    }
    if (i < n) {
      float values[width];
      std::uint8_t flags[width];
      L::store(values, fake(load_part(x + i, n - i) * inverse, row, &inside));
      L::store_mask(flags, inside);
      for (std::int64_t j = 0; i + j < n; ++j) y[i + j] = values[j];
      for (std::int64_t j = 0; with_mask && i + j < n; ++j) mask[i + j] = flags[j];
    }
  }
  static void fake_quantize_only(const float* x, std::int64_t n, const AffineRow& row, float* y) {
    fake_quantize<false>(x, n, row, y, nullptr);
  }

  static bool min_max(const float* x, std::int64_t n, float* lo, float* hi) {
    F low = L::all(*lo), high = L::all(*hi);
    M numbers = L::equal(low, low);
    std::int64_t i = 0;
    for (; i + width <= n; i += width) {
      const F v = L::load(x + i);
      low = L::lesser(v, low);
      high = L::greater(v, high);
      numbers = L::both(numbers, L::equal(v, v));
    }
    float lows[width], highs[width];
    std::uint8_t flags[width];
    L::store(lows, low);
    L::store(highs, high);
    L::store_mask(flags, numbers);
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
            fake_quantize_only,
            fake_quantize<true>,
            min_max};
  }
};

}  // namespace adze::kernels
