/// \file
/// The range of float32 values, found in their bits, for any kind of lanes.
#pragma once

#include <cstdint>

namespace adze::kernels {

template <class L>
struct RangeLoops {
  using I = typename L::I;
  static constexpr int width = L::width;

  /// Widens {*lo, *hi} to hold the n values; false if one of them is NaN.
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
      const auto most = __builtin_bit_cast(float, found.as_signed);
      const auto least = __builtin_bit_cast(float, found.as_unsigned);
      if (!all_negative && most > *hi) *hi = most;
      if (!none_negative && least < *lo) *lo = least;
    }
    return true;
  }

 private:
  static bool above_unsigned(std::int32_t a, std::int32_t b) {
    return static_cast<std::uint32_t>(a) > static_cast<std::uint32_t>(b);
  }

  /// What the bits of values say: as signed integers the largest is the largest value, if one is
  /// not negative; as unsigned integers the largest is the smallest value, if one is negative.
  struct LargestBits {
    std::int32_t as_signed = INT32_MIN;
    std::int32_t as_unsigned = 0;
    bool numbers() const {
      constexpr std::int32_t infinity = 0x7f800000;
      return as_signed <= infinity && !above_unsigned(as_unsigned, infinity | sign_bit);
    }
  };
  static constexpr std::int32_t sign_bit = INT32_MIN;

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
        const auto bits = __builtin_bit_cast(std::int32_t, x[i]);
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
        const auto bits = __builtin_bit_cast(std::int32_t, x[i]);
        found = above_unsigned(found, bits) ? bits : found;
      }
      return __builtin_bit_cast(float, found);
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
    return __builtin_bit_cast(
        float, L::fold(lesser(lesser(least[0], least[1]), lesser(least[2], least[3])), lesser));
  }
};

}  // namespace adze::kernels
