/// \file
/// Sixteen float32 values in an AVX-512 register, for the element-wise loops.
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

  static M load_mask(const std::uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return M(_mm_test_epi8_mask(bytes, bytes));
  }

 private:
  static __mmask16 first_lanes(std::int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
};

}  // namespace adze::kernels
