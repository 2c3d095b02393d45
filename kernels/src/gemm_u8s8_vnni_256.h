/// \file
/// The int8 product with vpdpbusd in 256-bit registers, for both encodings of the instruction.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_panel.h"
#include "unroll.h"

namespace adze::kernels {

/// `Dot` is a type without a linkage of its own; Dot::add(s, a, w) is s + the sums of four
/// neighbouring products, exact in 32 bits.
template <class Dot>
struct VnniTile256 {
  static constexpr int rows = 6;
  static constexpr int tiles = 1;
  static constexpr int rows_for(std::int64_t) { return rows; }

  static __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

  template <int MR>
  static void tile_of(const U8S8Weights& weights, std::int64_t t, const std::uint8_t* a,
                      std::int64_t lda, const std::int32_t* start, std::int32_t* sums) {
    __m256i s[MR][2];
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      s[i][0] = load(start);
      s[i][1] = load(start + 8);
    });
    const std::int8_t* w = weights.tile(t);
    const std::int64_t ahead = bytes_ahead(weights, MR <= 2);
    const auto step = [&](const std::uint8_t* from) __attribute__((always_inline)) {
      const __m256i w0 = load(w), w1 = load(w + 32);
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        std::int32_t four;
        __builtin_memcpy(&four, from + i * lda, sizeof four);
        const __m256i x = _mm256_set1_epi32(four);
        s[i][0] = Dot::add(s[i][0], x, w0);
        s[i][1] = Dot::add(s[i][1], x, w1);
      });
      _mm_prefetch(reinterpret_cast<const char*>(w + ahead), _MM_HINT_T0);
      w += u8s8_group_bytes;
    };
    const std::uint8_t* from = a;
    for (std::int64_t g = weights.groups - 1; g > 0; --g, from += u8s8_group) step(from);
    if (weights.groups > 0) step(a + weights.group_start(weights.groups - 1));
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      for (int v = 0; v < 2; ++v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + i * u8s8_columns + 8 * v), s[i][v]);
      }
    });
  }

  static void tile(const U8S8Weights& w, std::int64_t t, int, const std::uint8_t* a,
                   std::int64_t lda, int row_count, const std::int32_t* start, std::int32_t* sums) {
    unroll<rows>([&](auto i) __attribute__((always_inline)) {
      if (row_count == i + 1) tile_of<i + 1>(w, t, a, lda, start, sums);
    });
  }
};

}  // namespace adze::kernels
