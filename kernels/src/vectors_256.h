/// \file
/// 256-bit registers of integers, for files compiled for AVX2 and more.
#pragma once

#include <immintrin.h>

#include "unroll.h"

namespace adze::kernels {

[[gnu::always_inline]] inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

[[gnu::always_inline]] inline void store(void* p, __m256i x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), x);
}

/// 8 × 8 values of 32 bits: r[i] holds value i of all eight afterwards.
[[gnu::always_inline]] inline void transpose(__m256i (&r)[8]) {
  __m256i s[8];
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    s[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    s[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  });
  unroll<2>([&](auto i) __attribute__((always_inline)) {
    r[4 * i] = _mm256_unpacklo_epi64(s[4 * i], s[4 * i + 2]);
    r[4 * i + 1] = _mm256_unpackhi_epi64(s[4 * i], s[4 * i + 2]);
    r[4 * i + 2] = _mm256_unpacklo_epi64(s[4 * i + 1], s[4 * i + 3]);
    r[4 * i + 3] = _mm256_unpackhi_epi64(s[4 * i + 1], s[4 * i + 3]);
  });
  unroll<4>([&](auto i) __attribute__((always_inline)) {
    s[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
    s[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
  });
  unroll<8>([&](auto i) __attribute__((always_inline)) { r[i] = s[i]; });
}

}  // namespace adze::kernels
