/// \file
/// Four float32 values in a NEON register of AArch64.
#pragma once

#include <arm_neon.h>
#include <cstdint>

#include "lanes_xsimd.h"

namespace adze::kernels {

struct NeonLanes : XsimdLanes<xsimd::neon64> {
  static constexpr const char* isa = "neon";

  // NEON's own minimum and maximum give NaN if either is NaN.
  static F lesser(F a, F b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static F greater(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static F where(M m, F a) { return vreinterpretq_f32_u32(vandq_u32(m, vreinterpretq_u32_f32(a))); }
  // Those of xsimd are approximations.
  static F divide(F a, F b) { return vdivq_f32(a, b); }
  static F sqrt(F x) { return vsqrtq_f32(x); }
  static F round(F x) { return vrndnq_f32(x); }
  static I round_to_int(F x) { return vcvtnq_s32_f32(x); }
  static I to_int(F x) { return vcvtq_s32_f32(x); }

  static I load_bytes(const std::uint8_t* p) {
    const uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(load4(p)));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(wide)));
  }
  static I load_bytes(const std::int8_t* p) {
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(load4(p)))));
  }
  /// Stores the low bytes; the values must fit.
  template <class Byte>
  static void store_bytes(Byte* p, I x) {
    const int16x4_t half = vmovn_s32(x);
    const uint32x2_t bytes = vreinterpret_u32_s8(vmovn_s16(vcombine_s16(half, half)));
    const std::uint32_t four = vget_lane_u32(bytes, 0);
    __builtin_memcpy(p, &four, sizeof four);
  }
  template <class Byte>
  static void store_bytes(Byte* p, I a, I b, I c, I d) {
    const int16x8_t low = vcombine_s16(vmovn_s32(a), vmovn_s32(b));
    const int16x8_t high = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
    const int8x16_t bytes = vcombine_s8(vmovn_s16(low), vmovn_s16(high));
    __builtin_memcpy(p, &bytes, sizeof bytes);
  }

  struct Saturation {
    static constexpr bool below = false;
    I zero_point;
    template <class Byte>
    Saturation(std::int32_t zero, Byte /*lowest*/) : zero_point(all_int(zero)) {}
  };
  template <class Byte>
  static void store_quantized(Byte* p, I a, I b, I c, I d, const Saturation& s) {
    store_bytes(p, a + s.zero_point, b + s.zero_point, c + s.zero_point, d + s.zero_point);
  }

  static void store_mask(std::uint8_t* p, M m) { store_bytes(p, ones(m)); }
  static void store_mask(std::uint8_t* p, M a, M b, M c, M d) {
    store_bytes(p, ones(a), ones(b), ones(c), ones(d));
  }
  static M load_mask(const std::uint8_t* p) {
    const I bytes = load_bytes(p);
    return vtstq_s32(bytes, bytes);
  }

 private:
  static I ones(M m) { return vreinterpretq_s32_u32(vshrq_n_u32(m, 31)); }
  static uint32x2_t load4(const void* p) {
    std::uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vdup_n_u32(four);
  }
};

}  // namespace adze::kernels
