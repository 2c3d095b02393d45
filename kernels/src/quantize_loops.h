/// \file
/// The quantization loops for any kind of lanes.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

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

  /// round_half_even(v) within the bounds, NaN giving 0. The bounds are whole numbers, so it is the
  /// same to apply them before rounding.
  [[gnu::always_inline]] static inline I rounded(F v, const Row& row) {
    const F bounded = bound(v, row.lowest, row.highest);
    return L::round_to_int(L::where(L::equal(v, v), bounded));
  }

  /// q[i] = round_half_even(x_i) + zero_point within the bounds, NaN giving the zero point.
  /// read_4(i, v) gives x_i for the 4 * width elements from i on, in memory order or in that of
  /// L::load_differences<false>; read(i) those of one register; read_part(i, n) the last n < width.
  /// If not `narrow`, the bounds are those of Q.
  template <bool in_order, bool narrow, class Q, class Read4, class Read, class ReadPart>
  [[gnu::always_inline]] static inline void quantize_within(Read4 read_4, Read read,
                                                            ReadPart read_part, std::int64_t n,
                                                            const AffineRow& to, Q* q) {
    const Row row(to);
    const auto store_one = [&](std::int64_t i) __attribute__((always_inline)) {
      L::store_bytes(q + i, rounded(read(i), row) + row.zero_point);
    };
    std::int64_t i = 0;
    if constexpr (L::saturates) {
      const typename L::template Saturation<Q> saturation(to.zero_point, to.lowest, to.highest);
      for (; i + 4 * width <= n; i += 4 * width) {
        F v[4];
        read_4(i, v);
        if (L::template store_saturated<in_order, narrow>(q + i, v, saturation)) continue;
        for (int j = 0; j < 4 * width; j += width) store_one(i + j);
      }
    }
    for (; i + width <= n; i += width) store_one(i);
    if (i < n) {
      Q buffer[width];
      L::store_bytes(buffer, rounded(read_part(i, n - i), row) + row.zero_point);
      for (std::int64_t j = 0; i + j < n; ++j) q[i + j] = buffer[j];
    }
  }
  template <bool in_order, class Q, class Read4, class Read, class ReadPart>
  [[gnu::always_inline]] static inline void quantize_each(Read4 read_4, Read read,
                                                          ReadPart read_part, std::int64_t n,
                                                          const AffineRow& to, Q* q) {
    constexpr std::int32_t least = Q(-1) < Q(0) ? -128 : 0;
    if (to.lowest + static_cast<float>(to.zero_point) <= static_cast<float>(least) &&
        to.highest + static_cast<float>(to.zero_point) >= static_cast<float>(least + 255)) {
      quantize_within<in_order, false>(read_4, read, read_part, n, to, q);
    } else {
      quantize_within<in_order, true>(read_4, read, read_part, n, to, q);
    }
  }

  template <class Q>
  static void quantize(const float* x, std::int64_t n, const AffineRow& to, Q* q) {
    const F inverse = L::all(to.inverse);
    quantize_each<true>(
        [=](std::int64_t i, F(&v)[4]) __attribute__((always_inline)) {
          for (int j = 0; j < 4; ++j) v[j] = L::load(x + i + j * width) * inverse;
        },
        [=](std::int64_t i) __attribute__((always_inline)) { return L::load(x + i) * inverse; },
        [=](std::int64_t i, std::int64_t count) { return load_part(x + i, count) * inverse; }, n,
        to, q);
  }

  template <class Q>
  [[gnu::always_inline]] static inline I load_bytes_part(const Q* q, std::int64_t n) {
    Q buffer[width];
    for (int j = 0; j < width; ++j) buffer[j] = j < n ? q[j] : Q{};
    return L::load_bytes(buffer);
  }
  [[gnu::always_inline]] static inline F value(I q, const Row& row) {
    return L::to_float(q - row.zero_point) * row.scale;
  }

  /// q = quantize(dequantize(a) + dequantize(b)) if `sum`, else of their product.
  template <class Q, bool sum>
  static void combine(const Q* a, const AffineRow& a_row, const Q* b, const AffineRow& b_row,
                      std::int64_t n, const AffineRow& to, Q* q) {
    const Row ra(a_row), rb(b_row);
    const F base_a = L::template difference_base<Q>(a_row.zero_point);
    const F base_b = L::template difference_base<Q>(b_row.zero_point);
    const F inverse = L::all(to.inverse);
    const auto f = [&](F x, F y) __attribute__((always_inline)) {
      return (sum ? x + y : x * y) * inverse;
    };
    quantize_each<false>(
        [&](std::int64_t i, F(&v)[4]) __attribute__((always_inline)) {
          F w[4];
          L::template load_differences<false>(a + i, base_a, v);
          L::template load_differences<false>(b + i, base_b, w);
          for (int j = 0; j < 4; ++j) v[j] = f(v[j] * ra.scale, w[j] * rb.scale);
        },
        [&](std::int64_t i) __attribute__((always_inline)) {
          return f(value(L::load_bytes(a + i), ra), value(L::load_bytes(b + i), rb));
        },
        [&](std::int64_t i, std::int64_t count) __attribute__((always_inline)) {
          return f(value(load_bytes_part(a + i, count), ra),
                   value(load_bytes_part(b + i, count), rb));
        },
        n, to, q);
  }

  template <class Q>
  static void dequantize(const Q* q, std::int64_t n, const AffineRow& params, float* x) {
    const Row row(params);
    const F base = L::template difference_base<Q>(params.zero_point);
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      F v[4];
      L::template load_differences<true>(q + i, base, v);
      for (int j = 0; j < 4; ++j) L::store(x + i + j * width, v[j] * row.scale);
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
  /// Four registers of any values.
  template <bool masked>
  [[gnu::noinline]] static void fake_any_4(const float* x, const AffineRow& params, float* y,
                                           std::uint8_t* mask) {
    const Row row(params);
    for (int j = 0; j < 4 * width; j += width) {
      M inside;
      L::store(y + j, fake(L::load(x + j), row, &inside));
      if (masked) L::store_mask(mask + j, inside);
    }
  }
  /// The same for values that int32 holds; false, and nothing done, if one may be another.
  template <bool masked>
  [[gnu::always_inline]] static inline bool fake_int_4(const float* x, const Row& row,
                                                       const I& least, const I& most, float* y,
                                                       std::uint8_t* mask) {
    I r[4];
    M inside[4];
    for (int j = 0; j < 4; ++j) r[j] = L::round_to_int(L::load(x + j * width) * row.inverse);
    if (!L::all_converted(r)) return false;
    for (int j = 0; j < 4; ++j) {
      const I q = L::lesser_int(L::greater_int(r[j], least), most);
      inside[j] = L::equal_int(q, r[j]);
      L::store(y + j * width, L::to_float(q) * row.scale);
    }
    if (masked) L::store_mask(mask, inside[0], inside[1], inside[2], inside[3]);
    return true;
  }
  template <bool masked>
  [[gnu::always_inline]] static inline void fake_each(const float* x, std::int64_t n,
                                                      const AffineRow& params, float* y,
                                                      std::uint8_t* mask) {
    const Row row(params);
    const I least = L::all_int(static_cast<std::int32_t>(params.lowest));
    const I most = L::all_int(static_cast<std::int32_t>(params.highest));
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      if (!fake_int_4<masked>(x + i, row, least, most, y + i, mask + i)) {
        fake_any_4<masked>(x + i, params, y + i, mask + i);
      }
    }
    for (; i < n; i += width) {
      const std::int64_t count = n - i < width ? n - i : width;
      float values[width];
      std::uint8_t flags[width];
      M inside;
      L::store(values, fake(load_part(x + i, count), row, &inside));
      L::store_mask(flags, inside);
      for (std::int64_t j = 0; j < count; ++j) y[i + j] = values[j];
      for (std::int64_t j = 0; masked && j < count; ++j) mask[i + j] = flags[j];
    }
  }
  static void fake_quantize(const float* x, std::int64_t n, const AffineRow& row, float* y) {
    fake_each<false>(x, n, row, y, nullptr);
  }
  static void fake_quantize_mask(const float* x, std::int64_t n, const AffineRow& row, float* y,
                                 std::uint8_t* mask) {
    fake_each<true>(x, n, row, y, mask);
  }

  static bool above_unsigned(std::int32_t a, std::int32_t b) {
    return static_cast<std::uint32_t>(a) > static_cast<std::uint32_t>(b);
  }

  /// What the bits of values say: as signed integers the largest is the largest value, if one is
  /// not negative; as unsigned integers the largest is the smallest value, if one is negative.
  struct LargestBits {
    std::int32_t as_signed = std::numeric_limits<std::int32_t>::min();
    std::int32_t as_unsigned = 0;
    bool numbers() const {
      constexpr std::int32_t infinity = 0x7f800000;
      return as_signed <= infinity && !above_unsigned(as_unsigned, infinity | sign_bit);
    }
  };
  static constexpr std::int32_t sign_bit = std::numeric_limits<std::int32_t>::min();

  /// Calls take(register, j) with all values, n >= width, some of them twice; j < 4 goes round.
  template <class Take>
  [[gnu::always_inline]] static inline void for_registers(const float* x, std::int64_t n,
                                                          Take take) {
    std::int64_t i = 0;
    for (; i + 8 * width <= n; i += 8 * width) {
      for (int j = 0; j < 8; ++j) take(L::bits(L::load_once(x + i + j * width)), j % 4);
    }
    for (; i < n; i += width) {
      take(L::bits(L::load(x + (i + width <= n ? i : n - width))), 0);
    }
  }

  static LargestBits largest_bits(const float* x, std::int64_t n) {
    LargestBits found;
    if (n < width) {
      for (std::int64_t i = 0; i < n; ++i) {
        const auto bits = std::bit_cast<std::int32_t>(x[i]);
        found.as_signed = bits > found.as_signed ? bits : found.as_signed;
        found.as_unsigned = above_unsigned(bits, found.as_unsigned) ? bits : found.as_unsigned;
      }
      return found;
    }
    I high[4], low[4];
    for (int j = 0; j < 4; ++j) {
      high[j] = L::all_int(found.as_signed);
      low[j] = L::all_int(found.as_unsigned);
    }
    for_registers(
        x, n, [&](const I& bits, int j) __attribute__((always_inline)) {
          high[j] = L::greater_int(high[j], bits);
          low[j] = L::greater_unsigned(low[j], bits);
        });
    const auto greater = [](I a, I b) __attribute__((always_inline)) {
      return L::greater_int(a, b);
    };
    const auto greater_unsigned = [](I a, I b) __attribute__((always_inline)) {
      return L::greater_unsigned(a, b);
    };
    return {L::fold(greater(greater(high[0], high[1]), greater(high[2], high[3])), greater),
            L::fold(greater_unsigned(greater_unsigned(low[0], low[1]),
                                     greater_unsigned(low[2], low[3])),
                    greater_unsigned)};
  }
  /// Of values that have one sign and are not NaN: the one next to zero.
  static float next_to_zero(const float* x, std::int64_t n) {
    if (n < width) {
      std::int32_t found = -1;
      for (std::int64_t i = 0; i < n; ++i) {
        const auto bits = std::bit_cast<std::int32_t>(x[i]);
        found = above_unsigned(found, bits) ? bits : found;
      }
      return std::bit_cast<float>(found);
    }
    I least[4];
    for (I& bits : least) bits = L::all_int(-1);
    const auto lesser = [](I a, I b) __attribute__((always_inline)) {
      return L::lesser_unsigned(a, b);
    };
    for_registers(
        x, n, [&](const I& bits, int j) __attribute__((always_inline)) {
          least[j] = lesser(least[j], bits);
        });
    return std::bit_cast<float>(
        L::fold(lesser(lesser(least[0], least[1]), lesser(least[2], least[3])), lesser));
  }

  static bool min_max(const float* x, std::int64_t n, float* lo, float* hi) {
    constexpr std::int64_t block = 4096;  // stays in L1 for a second look
    for (std::int64_t count; n > 0; x += count, n -= count) {
      count = n < block ? n : block;
      const LargestBits found = largest_bits(x, count);
      if (!found.numbers()) return false;
      const bool all_negative = found.as_signed < 0, none_negative = found.as_unsigned >= 0;
      // Values of one sign need the second look only while the other bound may be among them.
      if ((all_negative && *hi < 0.0f) || (none_negative && *lo > 0.0f)) {
        const float value = next_to_zero(x, count);
        *lo = value < *lo ? value : *lo;
        *hi = value > *hi ? value : *hi;
      }
      const auto most = std::bit_cast<float>(found.as_signed);
      const auto least = std::bit_cast<float>(found.as_unsigned);
      if (!all_negative && most > *hi) *hi = most;
      if (!none_negative && least < *lo) *lo = least;
    }
    return true;
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
