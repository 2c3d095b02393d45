/// \file
/// Sixteen float32 values in an AVX-512 register.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "lanes_xsimd.h"

namespace adze::kernels {

struct Avx512Lanes : XsimdLanes<xsimd::avx512bw> {
  static constexpr const char* isa = "avx512";

  // Those of xsimd may be written for several registers or compare more than is needed.
  static F lesser(F a, F b) { return _mm512_min_ps(a, b); }
  static F greater(F a, F b) { return _mm512_max_ps(a, b); }
  static F where(M m, F a) { return _mm512_maskz_mov_ps(m, a); }
  static F select(M m, F a, F b) { return _mm512_mask_blend_ps(m, b, a); }
  static F round(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
  static I to_int(F x) { return _mm512_cvttps_epi32(x); }

  static F load_once(const float* p) { return load(p); }
  static F load_first(const float* p, std::int64_t n) {
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
  }
  static void store_first(float* p, std::int64_t n, F x) {
    _mm512_mask_storeu_ps(p, first_lanes(n), x);
  }
  static F first(F x, std::int64_t n) { return _mm512_maskz_mov_ps(first_lanes(n), x); }

  static I lesser_int(I a, I b) { return _mm512_min_epi32(a, b); }
  static M equal_int(I a, I b) { return M(_mm512_cmpeq_epi32_mask(a, b)); }
  static I round_to_int(F x) { return _mm512_cvtps_epi32(x); }
  static I lesser_unsigned(I a, I b) { return _mm512_min_epu32(a, b); }
  static I greater_int(I a, I b) { return _mm512_max_epi32(a, b); }
  static I greater_unsigned(I a, I b) { return _mm512_max_epu32(a, b); }
  template <class Combine>
  [[gnu::always_inline]] static inline std::int32_t fold(I x, Combine combine) {
    x = combine(x, I(_mm512_shuffle_i32x4(x, x, 0x4e)));
    x = combine(x, I(_mm512_shuffle_i32x4(x, x, 0xb1)));
    x = combine(x, I(_mm512_shuffle_epi32(x, _MM_PERM_BADC)));
    x = combine(x, I(_mm512_shuffle_epi32(x, _MM_PERM_CDAB)));
    return _mm_cvtsi128_si32(_mm512_castsi512_si128(x));
  }

  static I load_bytes(const std::uint8_t* p) { return _mm512_cvtepu8_epi32(load16(p)); }
  static I load_bytes(const std::int8_t* p) { return _mm512_cvtepi8_epi32(load16(p)); }
  /// Stores the low bytes; the values must fit.
  template <class Byte>
  static void store_bytes(Byte* p, I x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
  }

  static constexpr bool saturates = true;
  /// False if one of them may come from NaN or from a value beyond int32: these give -2³¹.
  static bool all_converted(const I (&x)[4]) {
    const I least = lesser_int(lesser_int(x[0], x[1]), lesser_int(x[2], x[3]));
    const __m512i failed = _mm512_set1_epi32(INT32_MIN);
    return _mm512_cmpeq_epi32_mask(least, failed) == 0;
  }

  template <class Byte>
  struct Saturation {
    static constexpr bool is_signed = Byte(-1) < Byte(0);
    __m512i zero_point, lowest, highest;
    Saturation(std::int32_t zero, float low, float high)
        : zero_point(_mm512_set1_epi16(static_cast<short>(zero))),
          lowest(byte(low + static_cast<float>(zero))),
          highest(byte(high + static_cast<float>(zero))) {}

   private:
    static __m512i byte(float x) {
      constexpr float least = is_signed ? -128.0f : 0.0f;
      const float bounded = x < least ? least : x > least + 255.0f ? least + 255.0f : x;
      return _mm512_set1_epi8(static_cast<char>(static_cast<std::int32_t>(bounded)));
    }
  };
  template <bool in_order, bool narrow, class Byte>
  [[gnu::always_inline]] static inline bool store_saturated(Byte* p, const F (&v)[4],
                                                            const Saturation<Byte>& s) {
    __m512i low = _mm512_packs_epi32(_mm512_cvtps_epi32(v[0]), _mm512_cvtps_epi32(v[1]));
    __m512i high = _mm512_packs_epi32(_mm512_cvtps_epi32(v[2]), _mm512_cvtps_epi32(v[3]));
    // What may be NaN or beyond int32 is among the lowest words.
    const __m512i lowest_word = _mm512_set1_epi16(INT16_MIN);
    if (_mm512_cmpeq_epi16_mask(_mm512_min_epi16(low, high), lowest_word) != 0) return false;
    low = _mm512_adds_epi16(low, s.zero_point);
    high = _mm512_adds_epi16(high, s.zero_point);
    __m512i bytes;
    if constexpr (Saturation<Byte>::is_signed) {
      bytes = _mm512_packs_epi16(low, high);
      if (narrow) bytes = _mm512_min_epi8(_mm512_max_epi8(bytes, s.lowest), s.highest);
    } else {
      bytes = _mm512_packus_epi16(low, high);
      if (narrow) bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, s.lowest), s.highest);
    }
    _mm512_storeu_si512(p, in_order ? transposed(bytes) : bytes);
    return true;
  }

  /// A byte as the last bits of 2²³ is 2²³ + byte; signed ones become byte + 128 before.
  template <class Byte>
  static F difference_base(std::int32_t zero_point) {
    return all(static_cast<float>((1 << 23) + (Byte(-1) < Byte(0) ? 128 : 0) + zero_point));
  }
  template <bool in_order, class Byte>
  [[gnu::always_inline]] static inline void load_differences(const Byte* p, F base, F (&x)[4]) {
    __m512i bytes = _mm512_loadu_si512(p);
    if constexpr (in_order) bytes = transposed(bytes);
    if constexpr (Byte(-1) < Byte(0)) bytes = _mm512_xor_si512(bytes, _mm512_set1_epi8(-128));
    const __m512i zero = _mm512_setzero_si512(), exponent = _mm512_set1_epi16(0x4b00);
    const __m512i low = _mm512_unpacklo_epi8(bytes, zero);
    const __m512i high = _mm512_unpackhi_epi8(bytes, zero);
    x[0] = _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpacklo_epi16(low, exponent)), base);
    x[1] = _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpackhi_epi16(low, exponent)), base);
    x[2] = _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpacklo_epi16(high, exponent)), base);
    x[3] = _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpackhi_epi16(high, exponent)), base);
  }

  static void store_mask(std::uint8_t* p, M a, M b, M c, M d) {
    const auto wide = [](M m) { return static_cast<std::uint64_t>(static_cast<__mmask16>(m)); };
    const std::uint64_t all_lanes = wide(a) | wide(b) << 16 | wide(c) << 32 | wide(d) << 48;
    _mm512_storeu_si512(p, _mm512_maskz_set1_epi8(all_lanes, 1));
  }
  static void store_mask(std::uint8_t* p, M m) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_maskz_set1_epi8(static_cast<__mmask16>(m), 1));
  }
  static M load_mask(const std::uint8_t* p) {
    const __m128i bytes = load16(p);
    return M(_mm_test_epi8_mask(bytes, bytes));
  }

 private:
  /// Packing and unpacking within quarters transposes the 4 × 4 groups of four bytes.
  static __m512i transposed(__m512i bytes) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, bytes);
  }
  static __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static __mmask16 first_lanes(std::int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
};

}  // namespace adze::kernels
