#include <arm_neon.h>
#include <cstdint>

#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_panel.h"
#include "u8s8_lanes_neon.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

/// Up to 4 rows × 16 channels: 16 sums, 4 activations, 4 weights. sdot multiplies signed bytes, so
/// activations become a - 128, and sums begin with 128 times those of the weights. It adds four
/// products in 32 bits, exact for all values.
struct Tile {
  static constexpr int rows = 4;
  static constexpr int tiles = 1;
  static constexpr int rows_for(std::int64_t) { return rows; }

  /// 4 groups of one row.
  static int8x16_t four_groups(const std::uint8_t* p) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p), vdupq_n_u8(0x80)));
  }
  static int8x16_t one_group(const std::uint8_t* p) {
    std::uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
  }

  template <int MR>
  static void tile_of(const U8S8Weights& weights, std::int64_t t, const std::uint8_t* a,
                      std::int64_t lda, const std::int32_t* start, std::int32_t* sums) {
    int32x4_t s[MR][4];
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      const int32x4_t first = vmlaq_n_s32(vld1q_s32(start + 4 * v),
                                          vld1q_s32(weights.sums + t * u8s8_columns + 4 * v), 128);
      unroll<MR>([&](auto i) __attribute__((always_inline)) { s[i][v] = first; });
    });
    const std::int8_t* w = weights.tile(t);
    int8x16_t x[MR];
    const auto step = [&](auto lane) __attribute__((always_inline)) {
      unroll<4>([&](auto v) __attribute__((always_inline)) {
        const int8x16_t y = vld1q_s8(w + 16 * v);
        unroll<MR>([&](auto i) __attribute__((always_inline)) {
          s[i][v] = vdotq_laneq_s32(s[i][v], y, x[i], decltype(lane){});
        });
      });
      w += u8s8_group_bytes;
    };
    std::int64_t g = 0;
    for (; g + 4 < weights.groups; g += 4) {
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        x[i] = four_groups(a + i * lda + g * u8s8_group);
      });
      unroll<4>(step);
    }
    for (; g < weights.groups; ++g) {
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        x[i] = one_group(a + i * lda + weights.group_start(g));
      });
      step(Index<0>{});
    }
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<4>([&](auto v) __attribute__((always_inline)) {
        vst1q_s32(sums + i * u8s8_columns + 4 * v, s[i][v]);
      });
    });
  }

  static void tile(const U8S8Weights& w, std::int64_t t, int, const std::uint8_t* a,
                   std::int64_t lda, int row_count, const std::int32_t* start, std::int32_t* sums) {
    unroll<rows>([&](auto i) __attribute__((always_inline)) {
      if (row_count == i + 1) tile_of<i + 1>(w, t, a, lda, start, sums);
    });
  }
};

void run(const U8S8Panel& panel) {
  run_panel<Tile, U8S8LanesNeon<Tile>>(panel);
}

}  // namespace

const U8S8Kernel u8s8_gemm_neondot{"u8s8_gemm_4x16c4_neondot",
                                   Isa::neondot,
                                   U8S8Order::plain,
                                   Tile::rows,
                                   [](const GemmU8S8Problem&) -> const char* { return nullptr; },
                                   run,
                                   nullptr};

}  // namespace adze::kernels
