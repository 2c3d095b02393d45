/// \file
/// Sixteen sums of the int8 product in a 512-bit register, for files compiled for AVX-512.
#pragma once

#include <cstdint>
#include <immintrin.h>

namespace adze::kernels {

/// See U8S8Lanes256.
template <class File>
struct U8S8Lanes512 {
  static constexpr int width = 16;
  using F = __m512;
  using M = __mmask16;
  struct I {
    __m512i value;
    friend I operator+(I a, I b) { return {_mm512_add_epi32(a.value, b.value)}; }
    friend I operator-(I a, I b) { return {_mm512_sub_epi32(a.value, b.value)}; }
    friend I operator*(I a, I b) { return {_mm512_mullo_epi32(a.value, b.value)}; }
  };

  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static I load_int(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static void store_int(std::int32_t* p, I x) { _mm512_storeu_si512(p, x.value); }
  static F all(float x) { return _mm512_set1_ps(x); }
  static I all_int(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
  static M equal(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static F lesser(F a, F b) { return _mm512_min_ps(a, b); }
  static F greater(F a, F b) { return _mm512_max_ps(a, b); }
  static F if_else_zero(M m, F a) { return _mm512_maskz_mov_ps(m, a); }
  static I round_to_int(F x) { return {_mm512_cvtps_epi32(x)}; }
  static F to_float(I x) { return _mm512_cvtepi32_ps(x.value); }

  static bool all_true(M m) { return m == 0xffff; }

  template <class Byte>
  static void store_bytes_16(Byte* p, const I (&x)[1], std::int32_t z) {
    const I y = x[0] + all_int(z);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(y.value));
  }
};

}  // namespace adze::kernels
