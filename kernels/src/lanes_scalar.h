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
  static F load_once(const float* p) { return *p; }  // for two uses
  static void store(float* p, F x) { *p = x; }
  /// The first n < width lanes, 0 in the others; only these are read or written.
  static F load_first(const float* /*p*/, std::int64_t /*n*/) { return 0.0f; }
  static void store_first(float* /*p*/, std::int64_t /*n*/, F /*x*/) {}
  static F first(F /*x*/, std::int64_t /*n*/) { return 0.0f; }
  static I load_int(const std::int32_t* p) { return *p; }
  static void store_int(std::int32_t* p, I x) { *p = x; }
  static F all(float x) { return x; }
  static I all_int(std::int32_t x) { return x; }

  static M less(F a, F b) { return a < b; }
  static M equal(F a, F b) { return a == b; }
  static M both(M a, M b) { return a && b; }
  static F lesser(F a, F b) { return a < b ? a : b; }   // b if either is NaN
  static F greater(F a, F b) { return a > b ? a : b; }  // b if either is NaN
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
  /// True if the instruction set packs bytes with saturation. Then there are Saturation<Byte>, the
  /// zero point and bounds of bytes, and
  ///   bool store_saturated<in_order, narrow>(p, v, saturation): the bytes round(v) + zero_point of
  ///     4 registers, bounded if `narrow`; false, and nothing stored, where it cannot tell what one
  ///     of them is;
  static constexpr bool saturates = false;

  /// False if one of 4 registers of round_to_int may not be what it has to be.
  static bool all_converted(const I (&/*x*/)[4]) { return false; }
  static I lesser_int(I a, I b) { return a < b ? a : b; }
  static I greater_int(I a, I b) { return a > b ? a : b; }
  static I lesser_unsigned(I a, I b) { return unsigned_bits(a) < unsigned_bits(b) ? a : b; }
  static I greater_unsigned(I a, I b) { return unsigned_bits(a) > unsigned_bits(b) ? a : b; }
  /// All lanes combined by an operation whose order does not matter.
  template <class Combine>
  static I fold(I x, Combine /*combine*/) {
    return x;
  }
  static M equal_int(I a, I b) { return a == b; }

  /// What load_differences takes off.
  template <class Byte>
  static F difference_base(std::int32_t zero_point) {
    return static_cast<F>(zero_point);
  }
  /// q - zero_point of 4 registers; if not `in_order`, in the order that store_saturated<false>
  /// undoes.
  template <bool in_order, class Byte>
  static void load_differences(const Byte* p, F base, F (&x)[4]) {
    for (int j = 0; j < 4; ++j) x[j] = static_cast<F>(p[j]) - base;
  }
  static void store_mask(std::uint8_t* p, M m) { *p = m ? 1 : 0; }
  static void store_mask(std::uint8_t* p, M a, M b, M c, M d) { store_bytes(p, a, b, c, d); }
  static M load_mask(const std::uint8_t* p) { return *p != 0; }

 private:
  static std::uint32_t unsigned_bits(I x) { return static_cast<std::uint32_t>(x); }
};

}  // namespace adze::kernels
