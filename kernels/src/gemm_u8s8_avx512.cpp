#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the undefined operand of AVX-512 intrinsics for a mistake (bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <cstdint>
#include <immintrin.h>

#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_panel.h"
#include "u8s8_lanes_512.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

/// Up to 12 rows × 16 columns of the windows order: one register of 16-bit sums and one of 32-bit
/// sums for each row. Steps are asm statements because compilers reorder sums of intrinsics.
struct WindowTile {
  static constexpr int rows = 12;
  static constexpr int tiles = 1;
  /// So many that their activations stay in L1.
  static constexpr int rows_for(std::int64_t k) { return k > 2048 ? rows / 2 : rows; }

  template <bool narrow>
  [[gnu::always_inline]] static inline __m512i load_weights(const std::int8_t* p) {
    if constexpr (narrow) {
      return _mm512_zextsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    } else {
      return _mm512_loadu_si512(p);
    }
  }

  [[gnu::always_inline]] static inline __m512i four(const std::uint8_t* a) {
    std::int32_t x;
    __builtin_memcpy(&x, a, sizeof x);
    return _mm512_set1_epi32(x);
  }

  /// t = a · w
  [[gnu::always_inline]] static inline void multiply(__m512i& t, __m512i a, __m512i w) {
    asm("vpmaddubsw %2,%1,%0" : "=v"(t) : "v"(a), "v"(w));
  }
  /// t += a · w
  [[gnu::always_inline]] static inline void add(__m512i& t, __m512i a, __m512i w) {
    asm("vpmaddubsw %2,%1,%1\n\tvpaddw %1,%0,%0" : "+v"(t), "+v"(a) : "v"(w));
  }

  /// `count` windows of depth D, or `depth` if D is 0.
  template <int MR, bool narrow, int D>
  [[gnu::always_inline]] static inline void windows(std::int32_t count, int depth,
                                                    const std::uint8_t* a, std::int64_t lda,
                                                    const std::int8_t*& w,
                                                    const std::uint16_t*& offsets,
                                                    std::int64_t ahead, __m512i (&s)[MR]) {
    constexpr int bytes = narrow ? u8s8_group_bytes / 2 : u8s8_group_bytes;
    const __m512i ones = _mm512_set1_epi16(1);
    for (; count > 0; --count) {
      __m512i t[MR];
      const auto group = [&](auto first, int d) __attribute__((always_inline)) {
        const std::uint8_t* from = a + offsets[d];
        const __m512i y = load_weights<narrow>(w + d * bytes);
        _mm_prefetch(reinterpret_cast<const char*>(w + d * bytes + ahead), _MM_HINT_T0);
        unroll<MR>([&](auto i) __attribute__((always_inline)) {
          if constexpr (first) {
            multiply(t[i], four(from + i * lda), y);
          } else {
            add(t[i], four(from + i * lda), y);
          }
        });
      };
      group(Index<true>{}, 0);
      if constexpr (D > 0) {
        unroll<D - 1>([&](auto d) __attribute__((always_inline)) { group(Index<false>{}, d + 1); });
      } else {
        for (int d = 1; d < depth; ++d) group(Index<false>{}, d);
      }
      const int done = D > 0 ? D : depth;
      w += done * bytes;
      offsets += done;
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        s[i] = _mm512_add_epi32(s[i], _mm512_madd_epi16(t[i], ones));
      });
    }
  }

  template <int MR, bool narrow>
  static void tile_of(const U8S8Weights& weights, const U8S8Windows& tile, const std::uint8_t* a,
                      std::int64_t lda, const std::int32_t* start, std::int32_t* sums) {
    __m512i s[MR];
    unroll<MR>([&](auto i) __attribute__((always_inline)) { s[i] = _mm512_loadu_si512(start); });
    const std::int8_t* w = weights.weights + tile.weights;
    const std::uint16_t* offsets = weights.offsets + tile.offsets;
    const std::int64_t ahead = bytes_ahead(weights, MR <= 2);
    if (tile.deep() != 0) {
      for (int d = u8s8_most_depth; d > 4; --d) {
        windows<MR, narrow, 0>(tile.count[d], d, a, lda, w, offsets, ahead, s);
      }
    }
    windows<MR, narrow, 4>(tile.count[4], 4, a, lda, w, offsets, ahead, s);
    windows<MR, narrow, 3>(tile.count[3], 3, a, lda, w, offsets, ahead, s);
    windows<MR, narrow, 2>(tile.count[2], 2, a, lda, w, offsets, ahead, s);
    windows<MR, narrow, 1>(tile.count[1], 1, a, lda, w, offsets, ahead, s);
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      _mm512_store_si512(sums + i * u8s8_columns, s[i]);
    });
  }

  using Tile = void (*)(const U8S8Weights& weights, const U8S8Windows& tile, const std::uint8_t* a,
                        std::int64_t lda, const std::int32_t* start, std::int32_t* sums);

  template <bool narrow>
  static constexpr Tile of_rows[] = {tile_of<1, narrow>,  tile_of<2, narrow>,  tile_of<3, narrow>,
                                     tile_of<4, narrow>,  tile_of<5, narrow>,  tile_of<6, narrow>,
                                     tile_of<7, narrow>,  tile_of<8, narrow>,  tile_of<9, narrow>,
                                     tile_of<10, narrow>, tile_of<11, narrow>, tile_of<12, narrow>};

  [[gnu::always_inline]] static inline void tile(const U8S8Weights& w, std::int64_t t, int,
                                                 const std::uint8_t* a, std::int64_t lda,
                                                 int row_count, const std::int32_t* start,
                                                 std::int32_t* sums) {
    const Tile* of = w.tile_columns(t) == u8s8_columns ? of_rows<false> : of_rows<true>;
    of[row_count - 1](w, w.windows[t], a, lda, start, sums);
  }
};

void run(const U8S8Panel& panel) {
  run_panel<WindowTile, U8S8Lanes512<WindowTile>>(panel);
}

const char* why_not(const GemmU8S8Problem& problem) {
  if (problem.max_activation > u8s8_window_limit) {
    return "16-bit sums may overflow: an activation is above 128";
  }
  return problem.k > u8s8_most_offset_k ? "k is above what 16-bit offsets reach" : nullptr;
}

}  // namespace

const U8S8Kernel u8s8_gemm_windows_avx512{"u8s8_gemm_12x16c4_windows_avx512",
                                          Isa::avx512,
                                          U8S8Order::windows,
                                          WindowTile::rows,
                                          why_not,
                                          run,
                                          nullptr};

}  // namespace adze::kernels
