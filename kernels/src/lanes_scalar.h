/// \file
/// One float32 value behind the same interface as a SIMD register.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace adze::kernels {

/// The operations that the function templates of this room are written in, for one lane.
/// F holds float32, I int32, M the outcome of a comparison; F and I have the usual operators.
struct ScalarLanes {
  static constexpr int width = 1;
  static constexpr const char* isa = "scalar";
  using F = float;
  using I = std::int32_t;
  using M = bool;

  static F load(const float* p) { return *p; }
  static void store(float* p, F x) { *p = x; }
  static I load_int(const std::int32_t* p) { return *p; }
  static void store_int(std::int32_t* p, I x) { *p = x; }
  static F all(float x) { return x; }
  static I all_int(std::int32_t x) { return x; }

  static M less(F a, F b) { return a < b; }
  static M equal(F a, F b) { return a == b; }
  static M both(M a, M b) { return a && b; }
  static M numbers(F a, F b) { return a == a && b == b; }  // neither is NaN
  static F lesser(F a, F b) { return a < b ? a : b; }      // b if either is NaN
  static F greater(F a, F b) { return a > b ? a : b; }     // b if either is NaN
  static F select(M m, F a, F b) { return m ? a : b; }
  static F where(M m, F a) { return m ? a : 0.0f; }
  static F divide(F a, F b) { return a / b; }
  static F sqrt(F x) { return std::sqrt(x); }

  /// Rounds half to even; |x| < 2³¹.
  static F round(F x) { return std::nearbyint(x); }
  static I round_to_int(F x) { return static_cast<I>(round(x)); }
  static I to_int(F x) { return static_cast<I>(x); }
  static F to_float(I x) { return static_cast<F>(x); }
  static I bits(F x) { return std::bit_cast<I>(x); }
  static F from_bits(I x) { return std::bit_cast<F>(x); }
  static I shift_left(I x, int n) { return static_cast<I>(static_cast<std::uint32_t>(x) << n); }
  static I shift_right(I x, int n) { return x >> n; }  // arithmetic

  template <class Byte>
  static I load_bytes(const Byte* p) {
    return *p;
  }
  template <class Byte>
  static void store_bytes(Byte* p, I x) {
    *p = static_cast<Byte>(x);
  }
  /// The values of four in a row.
  template <class Byte>
  static void store_bytes(Byte* p, I a, I b, I c, I d) {
    store_bytes(p, a);
    store_bytes(p + 1, b);
    store_bytes(p + 2, c);
    store_bytes(p + 3, d);
  }
  /// What store_quantized asks of its values.
  struct Saturation {
    static constexpr bool below = false;  ///< values of -2³¹ are fine
    I zero_point;
    template <class Byte>
    Saturation(I zero, Byte /*lowest*/) : zero_point(zero) {}
  };
  /// The bytes x + zero_point, from the lowest on.
  template <class Byte>
  static void store_quantized(Byte* p, I a, I b, I c, I d, const Saturation& s) {
    store_bytes(p, a + s.zero_point, b + s.zero_point, c + s.zero_point, d + s.zero_point);
  }
  static void store_mask(std::uint8_t* p, M m) { *p = m ? 1 : 0; }
  static void store_mask(std::uint8_t* p, M a, M b, M c, M d) { store_bytes(p, a, b, c, d); }
  static M load_mask(const std::uint8_t* p) { return *p != 0; }
};

}  // namespace adze::kernels
