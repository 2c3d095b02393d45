/// \file
/// Products of 4 activations and 4 weights in each 32-bit lane, with AVX-512 VNNI.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "gemm_sparse_dot_avx2.h"

namespace adze::kernels {

/// vpdpbusd sums in 32 bits: windows need no bounds. See DotAvx2.
struct DotAvx512Vnni256 : DotAvx2 {
  static constexpr int chains = 4;

  static V first(V acc, V a, V w) { return _mm256_dpbusd_epi32(acc, a, w); }
  static V next(V sum, V a, V w) { return _mm256_dpbusd_epi32(sum, a, w); }
  static V end(V, V sum) { return sum; }
};

struct DotAvx512Vnni {
  using V = __m512i;
  static constexpr int lanes = 16;
  static constexpr int chains = 4;

  static V zero() { return _mm512_setzero_si512(); }
  static V load(const void* p) { return _mm512_loadu_si512(p); }
  static void store(void* p, V x) { _mm512_storeu_si512(p, x); }
  static V all(std::int32_t x) { return _mm512_set1_epi32(x); }
  static V start(const std::int32_t* start, const std::int32_t* /*weight_sums*/) {
    return load(start);
  }
  static V start_all(const std::int32_t* start, const std::int32_t* /*weight_sums*/) {
    return all(*start);
  }
  static V add(V x, V y) { return _mm512_add_epi32(x, y); }
  static V broadcast(const void* p) {
    std::int32_t x;
    __builtin_memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
  }

  static V first(V acc, V a, V w) { return _mm512_dpbusd_epi32(acc, a, w); }
  static V next(V sum, V a, V w) { return _mm512_dpbusd_epi32(sum, a, w); }
  static V end(V, V sum) { return sum; }
};

}  // namespace adze::kernels
