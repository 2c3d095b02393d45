/// \file
/// Eight sums of the int8 product in a 256-bit register, for files compiled for AVX2 and more.
#pragma once

#include <cstdint>
#include <immintrin.h>

namespace adze::kernels {

/// See ScalarLanes. `File` is a type without a linkage of its own, so that the functions of files
/// with different instruction sets stay apart.
template <class File>
struct U8S8Lanes256 {
  static constexpr int width = 8;
  using F = __m256;
  using M = __m256;
  struct I {
    __m256i value;
    friend I operator+(I a, I b) { return {_mm256_add_epi32(a.value, b.value)}; }
    friend I operator-(I a, I b) { return {_mm256_sub_epi32(a.value, b.value)}; }
    friend I operator*(I a, I b) { return {_mm256_mullo_epi32(a.value, b.value)}; }
  };

  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static I load_int(const std::int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  static void store_int(std::int32_t* p, I x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.value);
  }
  static F all(float x) { return _mm256_set1_ps(x); }
  static I all_int(std::int32_t x) { return {_mm256_set1_epi32(x)}; }
  static M equal(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  static F lesser(F a, F b) { return _mm256_min_ps(a, b); }
  static F greater(F a, F b) { return _mm256_max_ps(a, b); }
  static F if_else_zero(M m, F a) { return _mm256_and_ps(m, a); }
  static I round_to_int(F x) { return {_mm256_cvtps_epi32(x)}; }
  static F to_float(I x) { return _mm256_cvtepi32_ps(x.value); }

  static bool all_true(M m) { return _mm256_movemask_ps(m) == 0xff; }

  static void store_bytes_16(std::uint8_t* p, const I (&x)[2], std::int32_t z) {
    const __m256i y = words(x, z);
    put(p, _mm_packus_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1)));
  }
  static void store_bytes_16(std::int8_t* p, const I (&x)[2], std::int32_t z) {
    const __m256i y = words(x, z);
    put(p, _mm_packs_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1)));
  }

 private:
  static __m256i words(const I (&x)[2], std::int32_t z) {
    return _mm256_add_epi16(_mm256_packs_epi32(x[0].value, x[1].value),
                            _mm256_set1_epi16(static_cast<short>(z)));
  }
  /// The columns stand as 0-3, 8-11, 4-7, 12-15.
  static void put(void* p, __m128i bytes) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm_shuffle_epi32(bytes, 0xd8));
  }
};

}  // namespace adze::kernels
