/// \file
/// Eight sums of the int8 product in a 256-bit register, for files compiled for AVX2 and more.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "output_bounds.h"

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

  /// Rounded values, 16 to a row, to bytes T; the bounds fit T.
  template <class T>
  class Bytes {
   public:
    [[gnu::always_inline]] explicit Bytes(const OutputBounds& bounds)
        : zero_point_(_mm256_set1_epi16(static_cast<short>(bounds.zero_point))),
          lowest_(_mm256_set1_epi8(static_cast<char>(bounds.out_min))),
          highest_(_mm256_set1_epi8(static_cast<char>(bounds.out_max))) {}

    [[gnu::always_inline]] void store(const I (&x)[2], T* to) const {
      const __m256i y = words(x);
      // Columns 0-3, 4-7 of the low words, 8-11, 12-15 of the high ones.
      const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                       _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(bytes(y, y), order)));
    }
    [[gnu::always_inline]] void store(const I (&x)[2], const I (&y)[2], T* to, T* next) const {
      const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
      const __m256i both = _mm256_permutevar8x32_epi32(pack(x, y), order);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(both));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(next), _mm256_extracti128_si256(both, 1));
    }

    /// 0-3 of x[0], x[1], y[0] and y[1] in the low 128 bits, 4-7 in the high ones.
    [[gnu::always_inline]] __m256i pack(const I (&x)[2], const I (&y)[2]) const {
      return bytes(words(x), words(y));
    }

   private:
    // Saturation on the way leaves values beyond the bounds there.
    [[gnu::always_inline]] __m256i words(const I (&x)[2]) const {
      return _mm256_adds_epi16(_mm256_packs_epi32(x[0].value, x[1].value), zero_point_);
    }
    [[gnu::always_inline]] __m256i bytes(__m256i x, __m256i y) const {
      if constexpr (static_cast<T>(-1) > 0) {
        return _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(x, y), lowest_), highest_);
      } else {
        return _mm256_min_epi8(_mm256_max_epi8(_mm256_packs_epi16(x, y), lowest_), highest_);
      }
    }

    __m256i zero_point_, lowest_, highest_;
  };

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
