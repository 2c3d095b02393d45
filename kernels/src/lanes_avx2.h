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
  static void store_mask(std::uint8_t* p, M m) {
    store_bytes(p, I(_mm256_srli_epi32(_mm256_castps_si256(m), 31)));
  }
  static M load_mask(const std::uint8_t* p) {
    const __m256i zero = _mm256_cmpeq_epi32(_mm256_cvtepu8_epi32(load8(p)), _mm256_setzero_si256());
    return _mm256_castsi256_ps(_mm256_xor_si256(zero, _mm256_set1_epi32(-1)));
  }

 private:
  static __m128i load8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
};

}  // namespace adze::kernels
