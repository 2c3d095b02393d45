/// \file
/// A SIMD register of float32 values, through xsimd. Only for files compiled for one instruction
/// set.
#pragma once

#include <cstdint>

#include <xsimd/xsimd.hpp>

namespace adze::kernels {

/// See ScalarLanes; each instruction set adds the functions that move bytes.
template <class Arch>
struct XsimdLanes {
  using F = xsimd::batch<float, Arch>;
  using I = xsimd::batch<std::int32_t, Arch>;
  using M = xsimd::batch_bool<float, Arch>;
  static constexpr int width = static_cast<int>(F::size);

  static F load(const float* p) { return F::load_unaligned(p); }
  static void store(float* p, F x) { x.store_unaligned(p); }
  static I load_int(const std::int32_t* p) { return I::load_unaligned(p); }
  static void store_int(std::int32_t* p, I x) { x.store_unaligned(p); }
  static F all(float x) { return F(x); }
  static I all_int(std::int32_t x) { return I(x); }

  static M less(F a, F b) { return a < b; }
  static M equal(F a, F b) { return a == b; }
  static M both(M a, M b) { return a & b; }
  static F lesser(F a, F b) { return xsimd::min(a, b); }
  static F greater(F a, F b) { return xsimd::max(a, b); }
  static F select(M m, F a, F b) { return xsimd::select(m, a, b); }
  static F where(M m, F a) { return xsimd::select(m, a, F(0.0f)); }
  static F divide(F a, F b) { return a / b; }
  static F sqrt(F x) { return xsimd::sqrt(x); }

  static F round(F x) { return xsimd::nearbyint(x); }
  static I round_to_int(F x) { return xsimd::nearbyint_as_int(x); }
  static I to_int(F x) { return xsimd::to_int(x); }
  static F to_float(I x) { return xsimd::to_float(x); }
  static I bits(F x) { return xsimd::bitwise_cast<I>(x); }
  static F from_bits(I x) { return xsimd::bitwise_cast<F>(x); }
  static I shift_left(I x, int n) { return x << n; }
  static I shift_right(I x, int n) { return x >> n; }
};

}  // namespace adze::kernels
