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

  static F load_first(const float* p, std::int64_t n) {
    float buffer[width];
    for (int j = 0; j < width; ++j) buffer[j] = j < n ? p[j] : 0.0f;
    return load(buffer);
  }
  static void store_first(float* p, std::int64_t n, F x) {
    float buffer[width];
    store(buffer, x);
    for (std::int64_t j = 0; j < n; ++j) p[j] = buffer[j];
  }
  static F first(F x, std::int64_t n) {
    float buffer[width];
    store(buffer, x);
    return load_first(buffer, n);
  }
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

  static F load_once(const float* p) { return load(p); }
  static I lesser_int(I a, I b) { return vminq_s32(a, b); }
  static I greater_int(I a, I b) { return vmaxq_s32(a, b); }
  static I lesser_unsigned(I a, I b) {
    return vreinterpretq_s32_u32(vminq_u32(vreinterpretq_u32_s32(a), vreinterpretq_u32_s32(b)));
  }
  static I greater_unsigned(I a, I b) {
    return vreinterpretq_s32_u32(vmaxq_u32(vreinterpretq_u32_s32(a), vreinterpretq_u32_s32(b)));
  }
  template <class Combine>
  [[gnu::always_inline]] static inline std::int32_t fold(I x, Combine combine) {
    x = combine(x, vextq_s32(x, x, 2));
    x = combine(x, vextq_s32(x, x, 1));
    return vgetq_lane_s32(x, 0);
  }
  static M equal_int(I a, I b) { return vceqq_s32(a, b); }

  static constexpr bool saturates = true;
  /// NaN becomes 0 and is not told from it; what is beyond int32 is its bound.
  static bool all_converted(const I (&/*x*/)[4]) { return false; }

  template <class Byte>
  struct Saturation {
    static constexpr bool is_signed = Byte(-1) < Byte(0);
    int16x8_t zero_point, lowest, highest;
    Saturation(std::int32_t zero, float low, float high)
        : zero_point(vdupq_n_s16(static_cast<std::int16_t>(zero))),
          lowest(word(low + static_cast<float>(zero))),
          highest(word(high + static_cast<float>(zero))) {}

   private:
    static int16x8_t word(float x) {
      const float bounded = x < -32768.0f ? -32768.0f : x > 32767.0f ? 32767.0f : x;
      return vdupq_n_s16(static_cast<std::int16_t>(bounded));
    }
  };
  template <bool in_order, bool narrow, class Byte>
  [[gnu::always_inline]] static inline bool store_saturated(Byte* p, const F (&v)[4],
                                                            const Saturation<Byte>& s) {
    store_8<narrow>(p, v[0], v[1], s);
    store_8<narrow>(p + 8, v[2], v[3], s);
    return true;
  }

  template <class Byte>
  static F difference_base(std::int32_t zero_point) {
    return all(static_cast<float>(zero_point));
  }
  template <bool in_order, class Byte>
  [[gnu::always_inline]] static inline void load_differences(const Byte* p, F base, F (&x)[4]) {
    for (int j = 0; j < 4; ++j) x[j] = to_float(load_bytes(p + 4 * j)) - base;
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
  template <bool narrow, class Byte>
  [[gnu::always_inline]] static inline void store_8(Byte* p, F a, F b, const Saturation<Byte>& s) {
    int16x8_t words = vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(a)), vqmovn_s32(vcvtnq_s32_f32(b)));
    words = vqaddq_s16(words, s.zero_point);
    if (narrow) words = vminq_s16(vmaxq_s16(words, s.lowest), s.highest);
    if constexpr (Saturation<Byte>::is_signed) {
      vst1_s8(p, vqmovn_s16(words));
    } else {
      vst1_u8(p, vqmovun_s16(words));
    }
  }
  static I ones(M m) { return vreinterpretq_s32_u32(vshrq_n_u32(m, 31)); }
  static uint32x2_t load4(const void* p) {
    std::uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vdup_n_u32(four);
  }
};

}  // namespace adze::kernels
