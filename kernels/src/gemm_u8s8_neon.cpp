#include <arm_neon.h>
#include <cstdint>

#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_panel.h"
#include "u8s8_lanes_neon.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

/// Up to 2 rows × 16 channels, each sum in two parts: 16 registers. NEON multiplies bytes of one
/// kind, so activations become a - 128, and sums begin with 128 times those of the weights. A
/// product of two signed bytes fits 16 bits, the sum of two may not: pairs are added in 32 bits.
struct Tile {
  static constexpr int rows = 2;
  static constexpr int tiles = 1;
  static constexpr int rows_for(std::int64_t) { return rows; }

  static int8x16_t activations(const std::uint8_t* p) {
    std::uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
  }

  template <int MR>
  static void tile_of(const U8S8Weights& weights, std::int64_t t, const std::uint8_t* a,
                      std::int64_t lda, const std::int32_t* start, std::int32_t* sums) {
    // Each channel has two sums: of its first two and of its last two k of all groups.
    int32x4_t s[MR][8];
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<8>([&](auto v) __attribute__((always_inline)) { s[i][v] = vdupq_n_s32(0); });
    });
    const std::int8_t* w = weights.tile(t);
    for (std::int64_t g = 0; g < weights.groups; ++g, w += u8s8_group_bytes) {
      const std::uint8_t* from = a + weights.group_start(g);
      int8x16_t x[MR];
      unroll<MR>([&](auto i)
                     __attribute__((always_inline)) { x[i] = activations(from + i * lda); });
      unroll<4>([&](auto v) __attribute__((always_inline)) {
        const int8x16_t y = vld1q_s8(w + 16 * v);
        unroll<MR>([&](auto i) __attribute__((always_inline)) {
          s[i][2 * v] = vpadalq_s16(s[i][2 * v], vmull_s8(vget_low_s8(x[i]), vget_low_s8(y)));
          s[i][2 * v + 1] = vpadalq_s16(s[i][2 * v + 1], vmull_high_s8(x[i], y));
        });
      });
    }
    unroll<4>([&](auto v) __attribute__((always_inline)) {
      const int32x4_t first = vmlaq_n_s32(vld1q_s32(start + 4 * v),
                                          vld1q_s32(weights.sums + t * u8s8_columns + 4 * v), 128);
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        vst1q_s32(sums + i * u8s8_columns + 4 * v,
                  vaddq_s32(first, vpaddq_s32(s[i][2 * v], s[i][2 * v + 1])));
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

using Lanes = U8S8LanesNeon<Tile>;

void run(const U8S8Panel& panel) {
  run_panel<Tile, Lanes>(panel);
}

}  // namespace

const U8S8Kernel u8s8_gemm_neon{"u8s8_gemm_2x16c4_neon",
                                Isa::neon,
                                U8S8Order::plain,
                                Tile::rows,
                                [](const GemmU8S8Problem&) -> const char* { return nullptr; },
                                run,
                                nullptr};

bool any_above_neon(const std::uint8_t* a, std::int64_t n, std::int32_t limit) {
  uint8x16_t most = vdupq_n_u8(0);
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) most = vmaxq_u8(most, vld1q_u8(a + i));
  bool above = vmaxvq_u8(most) > limit;
  for (; i < n; ++i) above |= a[i] > limit;
  return above;
}

}  // namespace adze::kernels
