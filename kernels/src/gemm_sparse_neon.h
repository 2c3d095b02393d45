/// \file
/// Sparse int8 products with NEON, for any kind of dot products of signed bytes.
#pragma once

#include <arm_neon.h>
#include <cstdint>

#include "gemm_sparse_channels.h"
#include "gemm_sparse_kernel.h"
#include "gemm_sparse_panel.h"
#include "unroll.h"

namespace adze::kernels {

/// What the dot products of both instruction sets share, see DotAvx2. NEON multiplies bytes of one
/// kind, so activations become a - 128, and sums begin with 128 times those of the weights.
///
/// `File` is a type without a linkage of its own, so that the functions of files with different
/// instruction sets stay apart.
template <class File>
struct DotNeonBase {
  using V = int32x4_t;
  static constexpr int lanes = 4;

  static V zero() { return vdupq_n_s32(0); }
  static V load(const void* p) {
    return vreinterpretq_s32_u8(vld1q_u8(static_cast<const std::uint8_t*>(p)));
  }
  static void store(std::int32_t* p, V x) { vst1q_s32(p, x); }
  static V all(std::int32_t x) { return vdupq_n_s32(x); }
  static V add(V x, V y) { return vaddq_s32(x, y); }
  static V broadcast(const void* p) { return vdupq_n_s32(four(p)); }
  static V start(const std::int32_t* start, const std::int32_t* weight_sums) {
    return vmlaq_n_s32(vld1q_s32(start), vld1q_s32(weight_sums), 128);
  }
  static V start_all(const std::int32_t* start, const std::int32_t* weight_sums) {
    return vmlaq_n_s32(all(*start), all(*weight_sums), 128);
  }

  static std::int32_t four(const void* p) {
    std::int32_t x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  static int8x16_t less_128(V a) {
    return vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_s32(a), vdupq_n_u8(0x80)));
  }
};

/// What kernels run and how many rows they take at a time. D is such a kind of dot products.
template <class D>
struct SparseNeon {
  using V = typename D::V;

  static V dot(V acc, V a, V w) { return D::end(acc, D::first(acc, a, w)); }

  static int one(std::int64_t) { return 1; }
  static int up_to_2(std::int64_t left) { return left < 2 ? 1 : 2; }
  static int power_up_to_4(std::int64_t left) { return left >= 4 ? 4 : left >= 2 ? 2 : 1; }
  static int panel_of_8(std::int64_t) { return 8; }
  static int panel_of_32(std::int64_t left) { return left > 16 ? 32 : left > 8 ? 16 : 8; }
  static int up_to_8(std::int64_t left) { return left < 8 ? static_cast<int>(left) : 8; }

  template <bool contiguous>
  static void rows_1(const SparseJob& x) {
    if (x.rows > 16) return SparsePanel<D, 1, 8, contiguous>::run(x);
    return x.rows > 8 ? SparsePanel<D, 1, 4, contiguous>::run(x)
                      : SparsePanel<D, 1, 2, contiguous>::run(x);
  }
  static void rows_4(const SparseJob& x) { SparsePanel<D, 4, 2, false>::run(x); }

  /// NV registers of channels, up to R rows.
  template <int NV, int R>
  static void channels(const SparseJob& x) {
    if constexpr (R > 1) {
      if (x.rows < R) return channels<NV, R / 2>(x);
    }
    SparseChannels<D, NV, R>::run(x);
  }

  /// Where the inputs of a unit of 1 × 4 or, if `contiguous`, of a block of 1 × 16 begin.
  template <bool contiguous>
  static const std::uint8_t* input(const std::uint8_t* a, std::uint16_t index) {
    return a + index / (index_unit({1, contiguous ? 16 : 4}) / 4);
  }
  /// 4 bytes and zeros.
  static V word(const void* p) { return vsetq_lane_s32(D::four(p), D::zero(), 0); }
  /// The activations that four units meet.
  template <bool contiguous>
  static V gather(const std::uint8_t* a, const std::uint16_t* index) {
    V x = vdupq_n_s32(D::four(input<contiguous>(a, index[0])));
    x = vsetq_lane_s32(D::four(input<contiguous>(a, index[1])), x, 1);
    x = vsetq_lane_s32(D::four(input<contiguous>(a, index[2])), x, 2);
    return vsetq_lane_s32(D::four(input<contiguous>(a, index[3])), x, 3);
  }

  /// One channel, one row: lanes are units. If `contiguous`, blocks are 1 × 16.
  template <bool contiguous>
  [[gnu::always_inline]] static inline V channel(V acc, const SparseView& w, const SparseList* list,
                                                 const std::uint8_t* a) {
    const std::uint16_t* index = w.index + list[0].index;
    const std::int8_t* values = w.values + 4 * std::int64_t{list[0].first};
    const std::uint16_t* end = w.index + list[1].index;
    if constexpr (contiguous) {
      for (int i = list->blocks; i > 0; --i, ++index, values += 16) {
        acc = dot(acc, D::load(input<contiguous>(a, *index)), D::load(values));
      }
    }
    for (; end - index >= 4; index += 4, values += 16) {
      acc = dot(acc, gather<contiguous>(a, index), D::load(values));
    }
    for (; index < end; ++index, values += 4)
      acc = dot(acc, word(input<contiguous>(a, *index)), word(values));
    return acc;
  }
  template <bool contiguous>
  static void dot_products(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(16) std::int32_t tile[16] = {};
    for (std::int64_t c = x.group_begin; c < x.group_end; c += 16) {
      const int count = x.group_end - c < 16 ? static_cast<int>(x.group_end - c) : 16;
      for (int i = 0; i < count; ++i) {
        V acc = D::zero();
        for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
          acc = channel<contiguous>(acc, w, w.lists + kb * w.groups + c + i, x.a + kb * w.k_block);
        }
        tile[i] = vaddvq_s32(acc);
      }
      for (int i = 0; i < 16; i += 4) {
        D::store(tile + i,
                 D::add(D::load(tile + i), D::start(x.start + c + i, x.weight_sums + c + i)));
      }
      x.store(tile, 16, 1, c, count, x.out);
    }
  }

  /// Units of 8 channels × four inputs anywhere, one row: lanes are channels.
  static void few_8x1(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(16) std::int32_t tile[16] = {};
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      V acc[2];
      for (int h = 0; h < 2; ++h) {
        acc[h] = D::start(x.start + 8 * g + 4 * h, x.weight_sums + 8 * g + 4 * h);
      }
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const SparseList* list = w.lists + kb * w.groups + g;
        const std::uint8_t* a = x.a + kb * w.k_block;
        for (std::int64_t u = list[0].first; u < list[1].first; ++u) {
          const std::uint16_t* i = w.index + 4 * u;
          const std::uint8_t inputs[4] = {a[i[0]], a[i[1]], a[i[2]], a[i[3]]};
          const V all = D::broadcast(inputs);
          for (int h = 0; h < 2; ++h)
            acc[h] = dot(acc[h], all, D::load(w.values + 32 * u + 16 * h));
        }
      }
      const int half = g % 2 == 0 ? 0 : 8;
      for (int h = 0; h < 2; ++h) D::store(tile + half + 4 * h, acc[h]);
      if (half == 8 || g + 1 == x.group_end) {
        const std::int64_t first = 8 * g - half, left = w.n - first;
        const int some = half + 8;
        x.store(tile, 16, 1, first, left < some ? static_cast<int>(left) : some, x.out);
      }
    }
  }

  /// The same for a panel of 8 rows: lanes are rows, four columns of the panel are zipped.
  static void columns_8x1(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(16) std::int32_t tile[16 * 8] = {};
    const auto zip = [](const std::uint8_t* p, const std::uint8_t* q) {
      const uint8x8x2_t both = vzip_u8(vld1_u8(p), vld1_u8(q));
      return vreinterpretq_u16_u8(vcombine_u8(both.val[0], both.val[1]));
    };
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      V acc[8][2];
      unroll<8>([&](auto c) __attribute__((always_inline)) {
        acc[c][0] = acc[c][1] = D::start_all(x.start + 8 * g + c, x.weight_sums + 8 * g + c);
      });
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const SparseList* list = w.lists + kb * w.groups + g;
        const std::uint8_t* a = x.a + 8 * kb * w.k_block;
        const std::uint16_t* i = w.index + 4 * std::int64_t{list[0].first};
        const std::int8_t* values = w.values + 32 * std::int64_t{list[0].first};
        for (std::int64_t u = list[0].first; u < list[1].first; ++u, i += 4, values += 32) {
          const uint16x8_t low = zip(a + 8 * i[0], a + 8 * i[1]);
          const uint16x8_t high = zip(a + 8 * i[2], a + 8 * i[3]);
          const V rows[2] = {vreinterpretq_s32_u16(vzip1q_u16(low, high)),
                             vreinterpretq_s32_u16(vzip2q_u16(low, high))};
          unroll<8>([&](auto c) __attribute__((always_inline)) {
            const V weight = D::broadcast(values + 4 * c);
            acc[c][0] = dot(acc[c][0], rows[0], weight);
            acc[c][1] = dot(acc[c][1], rows[1], weight);
          });
        }
      }
      const int half = g % 2 == 0 ? 0 : 8;
      unroll<8>([&](auto c) __attribute__((always_inline)) {
        D::store(tile + (half + c) * 8, acc[c][0]);
        D::store(tile + (half + c) * 8 + 4, acc[c][1]);
      });
      if (half == 8 || g + 1 == x.group_end) {
        const std::int64_t first = 8 * g - half, left = w.n - first;
        const int some = half + 8;
        x.store_transposed(tile, 8, x.rows, first, left < some ? static_cast<int>(left) : some,
                           x.out);
      }
    }
  }
};

}  // namespace adze::kernels
