/// \file
/// One, four and eight float32 values for sparse products, with AVX2 and FMA.
#pragma once

#include <immintrin.h>

namespace adze::kernels {

struct SparseLanesAvx2x1 {
  using V = float;
  static constexpr int lanes = 1;
  static V zero() { return 0.0f; }
  static V load(const float* p) { return *p; }
  static void store(float* p, V x) { *p = x; }
  static V broadcast(const float* p) { return *p; }
  static V fma(V a, V b, V c) { return __builtin_fmaf(a, b, c); }
};

struct SparseLanesAvx2x4 {
  using V = __m128;
  static constexpr int lanes = 4;
  static V zero() { return _mm_setzero_ps(); }
  static V load(const float* p) { return _mm_loadu_ps(p); }
  static void store(float* p, V x) { _mm_storeu_ps(p, x); }
  static V broadcast(const float* p) { return _mm_broadcast_ss(p); }
  static V fma(V a, V b, V c) { return _mm_fmadd_ps(a, b, c); }
};

struct SparseLanesAvx2x8 {
  using V = __m256;
  static constexpr int lanes = 8;
  static V zero() { return _mm256_setzero_ps(); }
  static V load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, V x) { _mm256_storeu_ps(p, x); }
  static V broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace adze::kernels
