/// \file
/// The definition of exp, log, sigmoid and tanh, for any kind of lanes. Only +, -, *, / and
/// selections, each rounded to float32, so that all instruction sets give the same bits.
#pragma once

#include <cstdint>

namespace adze::kernels {

template <class L>
struct MathFunctions {
  using F = typename L::F;
  using I = typename L::I;

  static F all(float x) { return L::all(x); }

  /// 2ⁿ for -126 <= n <= 127.
  static F power_of_two(I n) { return L::from_bits(L::shift_left(n + L::all_int(127), 23)); }

  /// lo where x < lo, hi where x > hi; NaN stays.
  static F bound(F x, float lo, float hi) { return L::lesser(all(hi), L::greater(all(lo), x)); }

  /// eˣ = 2ⁿ eʳ with n = round(x / ln 2) and |r| <= ln 2 / 2: {n, eʳ}.
  struct ScaledPower {
    F exponent, factor;
  };
  [[gnu::always_inline]] static inline ScaledPower scaled_power(F x) {
    const F n = L::round(x * all(1.44269504f));
    // ln 2 in two parts: 0.693359375 has 9 bits, so n * 0.693359375 is exact.
    const F r = (x - n * all(0.693359375f)) - n * all(-2.12194440e-4f);
    // A minimax polynomial for (eʳ - 1 - r) / r².
    F p = all(1.9875691500e-4f);
    p = p * r + all(1.3981999507e-3f);
    p = p * r + all(8.3334519073e-3f);
    p = p * r + all(4.1665795894e-2f);
    p = p * r + all(1.6666665459e-1f);
    p = p * r + all(5.0000001201e-1f);
    return {n, (p * (r * r) + r) + all(1.0f)};
  }
  static F exp(F x) {
    const auto is_number = L::equal(x, x);
    // Beyond these bounds the result is inf or 0 anyway.
    const F y = L::select(is_number, bound(x, -104.5f, 89.5f), all(0.0f));
    const ScaledPower power = scaled_power(y);
    // In two steps, for 2ⁿ itself may overflow or be subnormal.
    const I whole = L::to_int(power.exponent);
    const I half = L::shift_right(whole, 1);
    const F result = (power.factor * power_of_two(half)) * power_of_two(whole - half);
    return L::select(is_number, result, x);
  }
  /// The same bits for lowest_normal <= x <= 0, where n > -126 and so 2ⁿ eʳ is normal and exact.
  static constexpr float lowest_normal = -86.0f;
  [[gnu::always_inline]] static inline F exp_normal(F x) {
    const ScaledPower power = scaled_power(x);
    return L::from_bits(L::bits(power.factor) + L::shift_left(L::to_int(power.exponent), 23));
  }

  /// log(2ᵉ m) = e ln 2 + log m with sqrt(1/2) <= m < sqrt(2).
  static F log(F x) {
    constexpr float tiny = 1.17549435e-38f;  // the smallest normal number
    const F positive = L::select(L::less(all(0.0f), x), x, all(1.0f));
    const auto subnormal = L::less(positive, all(tiny));
    const F scaled = L::select(subnormal, positive * all(8388608.0f), positive);  // 2²³
    const F shift = L::select(subnormal, all(-23.0f), all(0.0f));
    // Subtracting the bits of sqrt(1/2) puts the boundary between exponents there.
    const I root_half = L::all_int(0x3f3504f3);
    const I offset = L::bits(scaled) - root_half;
    const I exponent = L::shift_right(offset, 23);
    const F m = L::from_bits(offset - L::shift_left(exponent, 23) + root_half);
    const F e = L::to_float(exponent) + shift;
    const F f = m - all(1.0f);
    const F z = f * f;
    // A minimax polynomial for (log(1 + f) - f + f²/2) / f³.
    F p = all(7.0376836292e-2f);
    p = p * f + all(-1.1514610310e-1f);
    p = p * f + all(1.1676998740e-1f);
    p = p * f + all(-1.2420140846e-1f);
    p = p * f + all(1.4249322787e-1f);
    p = p * f + all(-1.6668057665e-1f);
    p = p * f + all(2.0000714765e-1f);
    p = p * f + all(-2.4999993993e-1f);
    p = p * f + all(3.3333331174e-1f);
    F y = (f * z) * p + e * all(-2.12194440e-4f);
    y = y - all(0.5f) * z;
    y = (f + y) + e * all(0.693359375f);
    const F infinity = L::from_bits(L::all_int(0x7f800000));
    const F nan = L::from_bits(L::all_int(0x7fc00000));
    y = L::select(L::equal(x, infinity), x, y);
    y = L::select(L::equal(x, all(0.0f)), all(0.0f) - infinity, y);
    y = L::select(L::less(x, all(0.0f)), nan, y);
    return L::select(L::equal(x, x), y, x);
  }

  static F absolute(F x) { return L::greater(x, all(0.0f) - x); }

  /// From e⁻|ˣ|, which cannot overflow.
  static F sigmoid(F x) {
    const F e = exp(all(0.0f) - absolute(x));
    return L::divide(L::select(L::less(x, all(0.0f)), e, all(1.0f)), all(1.0f) + e);
  }

  /// An odd polynomial below 0.625, else 1 - 2 / (e²|ˣ| + 1) with the sign of x.
  static F tanh(F x) {
    const F a = absolute(x);
    const F z = x * x;
    F p = all(-5.70498872745e-3f);
    p = p * z + all(2.06390887954e-2f);
    p = p * z + all(-5.37397155531e-2f);
    p = p * z + all(1.33314422036e-1f);
    p = p * z + all(-3.33332819422e-1f);
    const F near_zero = (p * z) * x + x;
    const F large = all(1.0f) - L::divide(all(2.0f), exp(a + a) + all(1.0f));
    const F far_from_zero = L::select(L::less(x, all(0.0f)), all(0.0f) - large, large);
    const F y = L::select(L::less(a, all(0.625f)), near_zero, far_from_zero);
    return L::select(L::equal(x, all(0.0f)), x, y);  // keeps -0
  }
};

}  // namespace adze::kernels
