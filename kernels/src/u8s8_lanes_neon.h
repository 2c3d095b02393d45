/// \file
/// Four sums of the int8 product in a NEON register, for files compiled for NEON and more.
#pragma once

#include <arm_neon.h>
#include <cstdint>

namespace adze::kernels {

/// See U8S8Lanes256.
template <class File>
struct U8S8LanesNeon {
  static constexpr int width = 4;
  using F = float32x4_t;
  using M = uint32x4_t;
  struct I {
    int32x4_t value;
    friend I operator+(I a, I b) { return {vaddq_s32(a.value, b.value)}; }
    friend I operator-(I a, I b) { return {vsubq_s32(a.value, b.value)}; }
    friend I operator*(I a, I b) { return {vmulq_s32(a.value, b.value)}; }
  };

  static F load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, F x) { vst1q_f32(p, x); }
  static I load_int(const std::int32_t* p) { return {vld1q_s32(p)}; }
  static void store_int(std::int32_t* p, I x) { vst1q_s32(p, x.value); }
  static F all(float x) { return vdupq_n_f32(x); }
  static I all_int(std::int32_t x) { return {vdupq_n_s32(x)}; }
  static M equal(F a, F b) { return vceqq_f32(a, b); }
  // NEON's own minimum and maximum give NaN if either is NaN.
  static F lesser(F a, F b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static F greater(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static F if_else_zero(M m, F a) {
    return vreinterpretq_f32_u32(vandq_u32(m, vreinterpretq_u32_f32(a)));
  }
  static I round_to_int(F x) { return {vcvtnq_s32_f32(x)}; }
  static F to_float(I x) { return vcvtq_f32_s32(x.value); }

  static bool all_true(M m) { return vminvq_u32(m) != 0; }

  template <class Byte>
  static void store_bytes_16(Byte* p, const I (&x)[4], std::int32_t z) {
    const int16x8_t zero_point = vdupq_n_s16(static_cast<std::int16_t>(z));
    const int16x8_t low = vcombine_s16(vmovn_s32(x[0].value), vmovn_s32(x[1].value));
    const int16x8_t high = vcombine_s16(vmovn_s32(x[2].value), vmovn_s32(x[3].value));
    const int8x16_t bytes =
        vcombine_s8(vmovn_s16(vaddq_s16(low, zero_point)), vmovn_s16(vaddq_s16(high, zero_point)));
    __builtin_memcpy(p, &bytes, sizeof bytes);
  }
};

}  // namespace adze::kernels
