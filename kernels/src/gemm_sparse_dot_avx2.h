/// \file
/// Products of 4 activations and 4 weights in each 32-bit lane, with AVX2.
#pragma once

#include <cstdint>
#include <immintrin.h>

namespace adze::kernels {

/// vpmaddubsw adds two products in 16 bits, vpmaddwd widens; sums in between are proven to fit.
///
/// A window is acc = end(acc, next(next(first(acc, a0, w0), a1, w1), a2, w2)).
struct DotAvx2 {
  using V = __m256i;
  static constexpr int lanes = 8;
  static constexpr int chains = 1;  ///< independent sums that hide the latency of a window

  static V zero() { return _mm256_setzero_si256(); }
  static V load(const void* p) { return _mm256_loadu_si256(static_cast<const V*>(p)); }
  static void store(void* p, V x) { _mm256_storeu_si256(static_cast<V*>(p), x); }
  static V all(std::int32_t x) { return _mm256_set1_epi32(x); }
  /// What the sums of some channels, or of all lanes' one channel, begin with.
  static V start(const std::int32_t* start, const std::int32_t* /*weight_sums*/) {
    return load(start);
  }
  static V start_all(const std::int32_t* start, const std::int32_t* /*weight_sums*/) {
    return all(*start);
  }
  static V add(V x, V y) { return _mm256_add_epi32(x, y); }
  /// 4 bytes in each lane.
  static V broadcast(const void* p) {
    return _mm256_castps_si256(_mm256_broadcast_ss(static_cast<const float*>(p)));
  }

  static V first(V, V a, V w) { return _mm256_maddubs_epi16(a, w); }
  static V next(V sum, V a, V w) { return _mm256_add_epi16(sum, _mm256_maddubs_epi16(a, w)); }
  static V end(V acc, V sum) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(sum, _mm256_set1_epi16(1)));
  }
};

}  // namespace adze::kernels
