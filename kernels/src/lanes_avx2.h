/// \file
/// Eight float32 values in an AVX2 register.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "lanes_xsimd.h"

namespace adze::kernels {

struct Avx2Lanes : XsimdLanes<xsimd::avx2> {
  static constexpr const char* isa = "avx2";

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

  struct Saturation {
    static constexpr bool below = true;
    __m256i zero_point, lowest;
    template <class Byte>
    Saturation(std::int32_t zero, Byte low)
        : zero_point(_mm256_set1_epi16(static_cast<short>(zero))),
          lowest(_mm256_set1_epi8(static_cast<char>(low))) {}
  };
  template <class Byte>
  static void store_quantized(Byte* p, I a, I b, I c, I d, const Saturation& s) {
    const __m256i low = _mm256_adds_epi16(_mm256_packs_epi32(a, b), s.zero_point);
    const __m256i high = _mm256_adds_epi16(_mm256_packs_epi32(c, d), s.zero_point);
    if constexpr (Byte(-1) < Byte(0)) {
      store_in_order(p, _mm256_max_epi8(_mm256_packs_epi16(low, high), s.lowest));
    } else {
      store_in_order(p, _mm256_max_epu8(_mm256_packus_epi16(low, high), s.lowest));
    }
  }
  static void store_mask(std::uint8_t* p, M a, M b, M c, M d) {
    const __m256i low = _mm256_packs_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b));
    const __m256i high = _mm256_packs_epi32(_mm256_castps_si256(c), _mm256_castps_si256(d));
    store_in_order(p, _mm256_and_si256(_mm256_packs_epi16(low, high), _mm256_set1_epi8(1)));
  }
  static M numbers(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_ORD_Q); }
  static void store_mask(std::uint8_t* p, M m) {
    store_bytes(p, I(_mm256_srli_epi32(_mm256_castps_si256(m), 31)));
  }
  static M load_mask(const std::uint8_t* p) {
    const __m256i zero = _mm256_cmpeq_epi32(_mm256_cvtepu8_epi32(load8(p)), _mm256_setzero_si256());
    return _mm256_castsi256_ps(_mm256_xor_si256(zero, _mm256_set1_epi32(-1)));
  }

 private:
  /// Undoes what packing within halves did to the order of groups of four.
  static void store_in_order(void* p, __m256i bytes) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm256_permutevar8x32_epi32(bytes, order));
  }
  static __m128i load8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
};

}  // namespace adze::kernels
