#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the undefined operand of AVX-512 intrinsics for a mistake (bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <cstdint>
#include <immintrin.h>

#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_panel.h"
#include "gemm_u8s8_vnni_256.h"
#include "u8s8_lanes_256.h"
#include "u8s8_lanes_512.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

/// Up to 6 rows × 4 tiles: 24 sums, 4 weights, 1 activation. vpdpbusd multiplies u8 by s8 and adds
/// in 32 bits, exact for all values.
struct ZmmTile {
  static constexpr int rows = 6;
  static constexpr int tiles = 4;
  static constexpr int rows_for(std::int64_t) { return rows; }

  template <int MR, int NT>
  static void tile_of(const U8S8Weights& weights, std::int64_t t, const std::uint8_t* a,
                      std::int64_t lda, const std::int32_t* start, std::int32_t* sums) {
    __m512i s[NT][MR];
    const std::int8_t* w[NT];
    unroll<NT>([&](auto v) __attribute__((always_inline)) {
      w[v] = weights.tile(t + v);
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        s[v][i] = _mm512_loadu_si512(start + v * u8s8_columns);
      });
    });
    std::int64_t at = 0;
    const std::int64_t ahead = bytes_ahead(weights, MR <= 2);
    const auto step = [&](const std::uint8_t* from) __attribute__((always_inline)) {
      __m512i y[NT];
      unroll<NT>([&](auto v) __attribute__((always_inline)) {
        y[v] = _mm512_loadu_si512(w[v] + at);
        _mm_prefetch(reinterpret_cast<const char*>(w[v] + at + ahead), _MM_HINT_T0);
      });
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        std::int32_t four;
        __builtin_memcpy(&four, from + i * lda, sizeof four);
        const __m512i x = _mm512_set1_epi32(four);
        unroll<NT>([&](auto v) __attribute__((always_inline)) {
          s[v][i] = _mm512_dpbusd_epi32(s[v][i], x, y[v]);
        });
      });
      at += u8s8_group_bytes;
    };
    const std::uint8_t* from = a;
    for (std::int64_t g = weights.groups - 1; g > 0; --g, from += u8s8_group) step(from);
    if (weights.groups > 0) step(a + weights.group_start(weights.groups - 1));
    unroll<NT>([&](auto v) __attribute__((always_inline)) {
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        _mm512_store_si512(sums + (v * rows + i) * u8s8_columns, s[v][i]);
      });
    });
  }

  /// One row and one tile: its weights lie in one piece, and 4 sums of groups in turn keep the
  /// instruction busy. The way to read weights that come from far.
  static void row_of(const U8S8Weights& weights, std::int64_t t, const std::uint8_t* a,
                     const std::int32_t* start, std::int32_t* sums) {
    __m512i s[4] = {_mm512_loadu_si512(start), _mm512_setzero_si512(), _mm512_setzero_si512(),
                    _mm512_setzero_si512()};
    const std::int8_t* w = weights.tile(t);
    const std::int64_t ahead = bytes_ahead(weights, true);
    const auto step = [&](__m512i & sum, const std::uint8_t* from) __attribute__((always_inline)) {
      std::int32_t four;
      __builtin_memcpy(&four, from, sizeof four);
      sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(four), _mm512_loadu_si512(w));
      _mm_prefetch(reinterpret_cast<const char*>(w + ahead), _MM_HINT_T0);
      w += u8s8_group_bytes;
    };
    std::int64_t g = 0;
    for (; g + 4 < weights.groups; g += 4) {
      unroll<4>([&](auto i)
                    __attribute__((always_inline)) { step(s[i], a + (g + i) * u8s8_group); });
    }
    for (; g < weights.groups; ++g) step(s[g % 4], a + weights.group_start(g));
    _mm512_store_si512(
        sums, _mm512_add_epi32(_mm512_add_epi32(s[0], s[1]), _mm512_add_epi32(s[2], s[3])));
  }

  using Tile = void (*)(const U8S8Weights& weights, std::int64_t t, const std::uint8_t* a,
                        std::int64_t lda, const std::int32_t* start, std::int32_t* sums);

  template <int NT>
  static constexpr Tile of_rows[] = {tile_of<1, NT>, tile_of<2, NT>, tile_of<3, NT>,
                                     tile_of<4, NT>, tile_of<5, NT>, tile_of<6, NT>};
  static constexpr const Tile* of_tiles[] = {of_rows<1>, of_rows<2>, of_rows<3>, of_rows<4>};

  static void tile(const U8S8Weights& w, std::int64_t t, int tile_count, const std::uint8_t* a,
                   std::int64_t lda, int row_count, const std::int32_t* start, std::int32_t* sums) {
    if (row_count == 1 && w.k >= 256) {
      for (int i = 0; i < tile_count; ++i) {
        row_of(w, t + i, a, start + i * u8s8_columns, sums + i * rows * u8s8_columns);
      }
      return;
    }
    of_tiles[tile_count - 1][row_count - 1](w, t, a, lda, start, sums);
  }
};

struct YmmDot {
  [[gnu::always_inline]] static inline __m256i add(__m256i s, __m256i a, __m256i w) {
    return _mm256_dpbusd_epi32(s, a, w);
  }
};

void run_zmm(const U8S8Panel& panel) {
  run_panel<ZmmTile, U8S8Lanes512<ZmmTile>>(panel);
}

void run_ymm(const U8S8Panel& panel) {
  run_panel<VnniTile256<YmmDot>, U8S8Lanes256<YmmDot>>(panel);
}

const char* always(const GemmU8S8Problem&) {
  return nullptr;
}

}  // namespace

const U8S8Kernel u8s8_gemm_avx512vnni{"u8s8_gemm_6x64c4_avx512vnni",
                                      Isa::avx512vnni,
                                      U8S8Order::plain,
                                      ZmmTile::rows,
                                      always,
                                      run_zmm,
                                      nullptr};

const U8S8Kernel u8s8_gemm_ymm_avx512vnni{"u8s8_gemm_6x16c4_ymm_avx512vnni",
                                          Isa::avx512vnni,
                                          U8S8Order::plain,
                                          VnniTile256<YmmDot>::rows,
                                          always,
                                          run_ymm,
                                          nullptr};

}  // namespace adze::kernels
