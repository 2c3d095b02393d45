/// \file
/// Eight float32 values in an AVX2 register.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "lanes_xsimd.h"

namespace adze::kernels {

struct Avx2Lanes : XsimdLanes<xsimd::avx2> {
  static constexpr const char* isa = "avx2";

  static F load_first(const float* p, std::int64_t n) {
    return _mm256_maskload_ps(p, first_lanes(n));
  }
  static void store_first(float* p, std::int64_t n, F x) {
    _mm256_maskstore_ps(p, first_lanes(n), x);
  }
  static F first(F x, std::int64_t n) {
    return _mm256_and_ps(_mm256_castsi256_ps(first_lanes(n)), x);
  }
  static I load_bytes(const std::uint8_t* p) { return _mm256_cvtepu8_epi32(load8(p)); }
  static I load_bytes(const std::int8_t* p) { return _mm256_cvtepi8_epi32(load8(p)); }
  /// Stores the low bytes; the values must fit.
  template <class Byte>
  static void store_bytes(Byte* p, I x) {
    const __m256i order =
        _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12,
                         -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i bytes = _mm256_shuffle_epi8(x, order);
    const __m128i packed =
        _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), packed);
  }
  static F where(M m, F a) { return _mm256_and_ps(m, a); }

  /// Loads into a register, where compilers would read the memory for each use.
  static F load_once(const float* p) {
    __m256 x = _mm256_loadu_ps(p);
    asm("" : "+x"(x));
    return x;
  }
  static I lesser_int(I a, I b) { return _mm256_min_epi32(a, b); }
  static I greater_int(I a, I b) { return _mm256_max_epi32(a, b); }
  static I lesser_unsigned(I a, I b) { return _mm256_min_epu32(a, b); }
  static I greater_unsigned(I a, I b) { return _mm256_max_epu32(a, b); }
  /// All lanes combined by an operation whose order does not matter.
  template <class Combine>
  [[gnu::always_inline]] static inline std::int32_t fold(I x, Combine combine) {
    x = combine(x, _mm256_permute2x128_si256(x, x, 1));
    x = combine(x, _mm256_shuffle_epi32(x, 0x4e));
    x = combine(x, _mm256_shuffle_epi32(x, 0xb1));
    return _mm_cvtsi128_si32(_mm256_castsi256_si128(x));
  }
  static M equal_int(I a, I b) { return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b)); }

  static constexpr bool saturates = true;
  /// False if one of them may come from NaN or from a value beyond int32: these give -2³¹.
  static bool all_converted(const I (&x)[4]) {
    const I least = lesser_int(lesser_int(x[0], x[1]), lesser_int(x[2], x[3]));
    const __m256i failed = _mm256_set1_epi32(INT32_MIN);
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(least, failed)) == 0;
  }

  template <class Byte>
  struct Saturation {
    static constexpr bool is_signed = Byte(-1) < Byte(0);
    __m256i zero_point, lowest, highest;
    Saturation(std::int32_t zero, float low, float high)
        : zero_point(_mm256_set1_epi16(static_cast<short>(zero))),
          lowest(byte(low + static_cast<float>(zero))),
          highest(byte(high + static_cast<float>(zero))) {}

   private:
    static __m256i byte(float x) {
      constexpr float least = is_signed ? -128.0f : 0.0f;
      const float bounded = x < least ? least : x > least + 255.0f ? least + 255.0f : x;
      return _mm256_set1_epi8(static_cast<char>(static_cast<std::int32_t>(bounded)));
    }
  };
  template <bool in_order, bool narrow, class Byte>
  [[gnu::always_inline]] static inline bool store_saturated(Byte* p, const F (&v)[4],
                                                            const Saturation<Byte>& s) {
    __m256i low = _mm256_packs_epi32(_mm256_cvtps_epi32(v[0]), _mm256_cvtps_epi32(v[1]));
    __m256i high = _mm256_packs_epi32(_mm256_cvtps_epi32(v[2]), _mm256_cvtps_epi32(v[3]));
    // What may be NaN or beyond int32 is among the lowest words.
    const __m256i lowest_word = _mm256_set1_epi16(INT16_MIN);
    const __m256i least = _mm256_min_epi16(low, high);
    if (_mm256_movemask_epi8(_mm256_cmpeq_epi16(least, lowest_word)) != 0) return false;
    low = _mm256_adds_epi16(low, s.zero_point);
    high = _mm256_adds_epi16(high, s.zero_point);
    __m256i bytes;
    if constexpr (Saturation<Byte>::is_signed) {
      bytes = _mm256_packs_epi16(low, high);
      if (narrow) bytes = _mm256_min_epi8(_mm256_max_epi8(bytes, s.lowest), s.highest);
    } else {
      bytes = _mm256_packus_epi16(low, high);
      if (narrow) bytes = _mm256_min_epu8(_mm256_max_epu8(bytes, s.lowest), s.highest);
    }
    if constexpr (in_order) {
      store_in_order(p, bytes);
    } else {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), bytes);
    }
    return true;
  }

  /// A byte as the last bits of 2²³ is 2²³ + byte; signed ones become byte + 128 before.
  template <class Byte>
  static F difference_base(std::int32_t zero_point) {
    return all(static_cast<float>((1 << 23) + (Byte(-1) < Byte(0) ? 128 : 0) + zero_point));
  }
  template <bool in_order, class Byte>
  [[gnu::always_inline]] static inline void load_differences(const Byte* p, F base, F (&x)[4]) {
    __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    if constexpr (in_order) {
      bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
    }
    if constexpr (Byte(-1) < Byte(0)) bytes = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
    const __m256i zero = _mm256_setzero_si256(), exponent = _mm256_set1_epi16(0x4b00);
    const __m256i low = _mm256_unpacklo_epi8(bytes, zero);
    const __m256i high = _mm256_unpackhi_epi8(bytes, zero);
    x[0] = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpacklo_epi16(low, exponent)), base);
    x[1] = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpackhi_epi16(low, exponent)), base);
    x[2] = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpacklo_epi16(high, exponent)), base);
    x[3] = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpackhi_epi16(high, exponent)), base);
  }
  static void store_mask(std::uint8_t* p, M a, M b, M c, M d) {
    const __m256i low = _mm256_packs_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b));
    const __m256i high = _mm256_packs_epi32(_mm256_castps_si256(c), _mm256_castps_si256(d));
    store_in_order(p, _mm256_and_si256(_mm256_packs_epi16(low, high), _mm256_set1_epi8(1)));
  }
  static void store_mask(std::uint8_t* p, M m) {
    store_bytes(p, I(_mm256_srli_epi32(_mm256_castps_si256(m), 31)));
  }
  static M load_mask(const std::uint8_t* p) {
    const __m256i bytes = _mm256_cvtepu8_epi32(load8(p));
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(bytes, _mm256_setzero_si256()));
  }

 private:
  static __m256i first_lanes(std::int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  /// Undoes what packing within halves did to the order of groups of four.
  static void store_in_order(void* p, __m256i bytes) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm256_permutevar8x32_epi32(bytes, order));
  }
  static __m128i load8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
};

}  // namespace adze::kernels
