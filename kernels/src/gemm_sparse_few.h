/// \file
/// Sparse int8 products for few rows of activations and blocks lower than a register, and for
/// blocks of 8 × 1. For dot products in 256 bits, see DotAvx2.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "gemm_sparse_kernel.h"
#include "unroll.h"

namespace adze::kernels {

template <class D>
struct SparseFew {
  using V = typename D::V;

  [[gnu::always_inline]] static inline V dot(V acc, V a, V w) {
    return D::end(acc, D::first(acc, a, w));
  }
  static int four(const std::uint8_t* p) {
    int x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  /// Where the inputs of a unit lower than 8 begin.
  static const std::uint8_t* input(const std::uint8_t* a, std::uint16_t index) {
    return a + index / (panel_index_unit / 4);
  }
  static V two(__m128i low, __m128i high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  }
  static __m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  /// Lanes below `count`.
  static V first_lanes(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  /// The sum of the lanes of each of eight registers.
  static V sums_of(const V (&t)[8]) {
    const V x = _mm256_hadd_epi32(_mm256_hadd_epi32(t[0], t[1]), _mm256_hadd_epi32(t[2], t[3]));
    const V y = _mm256_hadd_epi32(_mm256_hadd_epi32(t[4], t[5]), _mm256_hadd_epi32(t[6], t[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(x, y, 0x20),
                            _mm256_permute2x128_si256(x, y, 0x31));
  }

  /// The activations that eight single units meet.
  static V gather(const std::uint8_t* a, const std::uint16_t* index) {
    __m128i low = _mm_cvtsi32_si128(four(input(a, index[0])));
    __m128i high = _mm_cvtsi32_si128(four(input(a, index[4])));
    low = _mm_insert_epi32(low, four(input(a, index[1])), 1);
    high = _mm_insert_epi32(high, four(input(a, index[5])), 1);
    low = _mm_insert_epi32(low, four(input(a, index[2])), 2);
    high = _mm_insert_epi32(high, four(input(a, index[6])), 2);
    low = _mm_insert_epi32(low, four(input(a, index[3])), 3);
    high = _mm_insert_epi32(high, four(input(a, index[7])), 3);
    return two(low, high);
  }

  /// Adds `left` single units of 1 × 4, eight at a time: lanes are units. Goes on to what follows.
  [[gnu::always_inline]] static inline V units(V acc, std::int64_t left,
                                               const std::uint16_t*& index,
                                               const std::int8_t*& values, const std::uint8_t* a) {
    for (; left >= 8; left -= 8, index += 8, values += 32) {
      acc = dot(acc, gather(a, index), D::load(values));
    }
    if (left > 0) {
      const V some = _mm256_and_si256(first_lanes(static_cast<int>(left)), D::load(values));
      std::uint16_t own[8] = {};
      for (int i = 0; i < left; ++i) own[i] = index[i];
      acc = dot(acc, gather(a, own), some);
      index += left;
      values += 4 * left;
    }
    return acc;
  }

  /// Adds blocks of 1 × 16, two at a time. Goes on to what follows.
  [[gnu::always_inline]] static inline V blocks(V acc, int left, const std::uint16_t*& index,
                                                const std::int8_t*& values, const std::uint8_t* a) {
    for (; left >= 2; left -= 2, index += 8, values += 32) {
      acc =
          dot(acc, two(load128(input(a, index[0])), load128(input(a, index[4]))), D::load(values));
    }
    if (left > 0) {
      acc = dot(acc, two(load128(input(a, index[0])), _mm_setzero_si128()),
                two(load128(values), _mm_setzero_si128()));
      index += 4;
      values += 16;
    }
    return acc;
  }

  /// One channel, one row, units of 1 × 4: lanes are units.
  template <bool contiguous>
  [[gnu::always_inline]] static inline V channel(const SparseView& w, const SparseList* list,
                                                 const std::uint8_t* a) {
    const std::uint16_t* index = w.index + list[0].first;
    const std::int8_t* values = w.values + 4 * std::int64_t{list[0].first};
    std::int64_t left = list[1].first - list[0].first;
    V acc = D::zero();
    if constexpr (contiguous) {
      acc = blocks(acc, list->quads, index, values, a);
      left -= 4 * list->quads;
      const int pairs = 2 * list->pairs;
      if (pairs > 0) acc = units(acc, pairs, index, values, a);
      left -= pairs;
      const int more = list->double_pairs + list->quadruples;
      acc = blocks(acc, more, index, values, a);
      left -= 4 * more;
    }
    return units(acc, left, index, values, a);
  }
  template <bool contiguous>
  static void run_channels(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(32) std::int32_t tile[8];
    for (std::int64_t c = x.group_begin; c < x.group_end; c += 8) {
      const int count = x.group_end - c < 8 ? static_cast<int>(x.group_end - c) : 8;
      for (int r = 0; r < x.rows; ++r) {
        V t[8];
        for (int i = 0; i < 8; ++i) t[i] = D::zero();
        for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
          const SparseList* list = w.lists + kb * w.groups + c;
          const std::uint8_t* a = x.a + r * x.lda + kb * w.k_block;
          for (int i = 0; i < count; ++i) {
            t[i] = _mm256_add_epi32(t[i], channel<contiguous>(w, list + i, a));
          }
        }
        D::store(tile, _mm256_add_epi32(sums_of(t), D::load(x.start + c)));
        store_row(x, r, tile, 8, c, count);
      }
    }
  }

  static void store_row(const SparseJob& x, int r, const std::int32_t* tile, std::int64_t ld,
                        std::int64_t channel, int columns) {
    SparseOutput out = x.out;
    out.out += r * out.ldo * output_bytes(out.stage->type);
    if (out.row_sums != nullptr) out.row_sums += r;
    x.store(tile, ld, 1, channel, columns, out);
  }

  /// R rows, units of 4 × 4: two of them side by side, lanes are channels.
  template <int R>
  static void run_two(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(32) std::int32_t tile[R * 8] = {};
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      V acc[R], more[R];  // two sums wait less for each other than one
      unroll<R>([&](auto r) __attribute__((always_inline)) { acc[r] = more[r] = D::zero(); });
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const SparseList* list = w.lists + kb * w.groups + g;
        const std::uint8_t* a = x.a + kb * w.k_block;
        const std::uint16_t* index = w.index + list[0].first;
        const std::int8_t* values = w.values + 16 * std::int64_t{list[0].first};
        std::int64_t left = list[1].first - list[0].first;
        const auto add_two = [&](V(&sums)[R]) __attribute__((always_inline)) {
          const V weights = D::load(values);
          const std::uint8_t* p0 = input(a, index[0]);
          const std::uint8_t* p1 = input(a, index[1]);
          unroll<R>([&](auto r) __attribute__((always_inline)) {
            const V both = _mm256_blend_epi32(D::broadcast(p0 + r * x.lda),
                                              D::broadcast(p1 + r * x.lda), 0xf0);
            sums[r] = dot(sums[r], both, weights);
          });
          left -= 2;
          index += 2;
          values += 32;
        };
        while (left >= 4) {
          add_two(acc);
          add_two(more);
        }
        if (left >= 2) add_two(acc);
        if (left > 0) {
          const V weights = two(load128(values), _mm_setzero_si128());
          unroll<R>([&](auto r) __attribute__((always_inline)) {
            acc[r] = dot(acc[r], D::broadcast(input(a, index[0]) + r * x.lda), weights);
          });
        }
      }
      const __m128i begin = load128(x.start + 4 * g);
      const int half = g % 2 == 0 ? 0 : 4;
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const V both = D::add(acc[r], more[r]);
        const __m128i sum =
            _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
        _mm_store_si128(reinterpret_cast<__m128i*>(tile + r * 8 + half), _mm_add_epi32(sum, begin));
      });
      if (half == 4 || g + 1 == x.group_end) {
        const std::int64_t first = 4 * g - half, left = w.n - first;
        const int some = half + 4;
        x.store(tile, 8, R, first, left < some ? static_cast<int>(left) : some, x.out);
      }
    }
  }

  static void run_two_any(const SparseJob& x) {
    switch (x.rows) {
      case 1:
        return run_two<1>(x);
      case 2:
        return run_two<2>(x);
      case 3:
        return run_two<3>(x);
      default:
        return run_two<4>(x);
    }
  }

  /// Units of 8 channels × four inputs anywhere, few rows: lanes are channels.
  static void run_8x1_few(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(32) std::int32_t tile[8];
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      const std::int64_t left = w.n - 8 * g;
      for (int r = 0; r < x.rows; ++r) {
        V acc = D::load(x.start + 8 * g);
        for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
          const SparseList* list = w.lists + kb * w.groups + g;
          const std::uint8_t* a = x.a + r * x.lda + kb * w.k_block;
          for (std::int64_t u = list[0].first; u < list[1].first; ++u) {
            const std::uint16_t* i = w.index + 4 * u;
            const unsigned low = a[i[0]] | static_cast<unsigned>(a[i[1]]) << 8;
            const unsigned high = a[i[2]] | static_cast<unsigned>(a[i[3]]) << 8;
            acc = dot(acc, D::all(static_cast<std::int32_t>(low | high << 16)),
                      D::load(w.values + 32 * u));
          }
        }
        D::store(tile, acc);
        store_row(x, r, tile, 8, 8 * g, left < 8 ? static_cast<int>(left) : 8);
      }
    }
  }

  /// The same for a panel of 8 rows: lanes are rows, four columns of the panel are zipped.
  static void run_8x1(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(32) std::int32_t tile[16 * 8] = {};
    const auto load8 = [](const std::uint8_t* p) {
      return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    };
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      V acc[8];
      unroll<8>([&](auto c)
                    __attribute__((always_inline)) { acc[c] = D::all(x.start[8 * g + c]); });
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const SparseList* list = w.lists + kb * w.groups + g;
        const std::uint8_t* a = x.a + 8 * kb * w.k_block;
        const std::uint16_t* i = w.index + 4 * std::int64_t{list[0].first};
        const std::int8_t* values = w.values + 32 * std::int64_t{list[0].first};
        for (std::int64_t u = list[0].first; u < list[1].first; ++u, i += 4, values += 32) {
          const __m128i low = _mm_unpacklo_epi8(load8(a + 8 * i[0]), load8(a + 8 * i[1]));
          const __m128i high = _mm_unpacklo_epi8(load8(a + 8 * i[2]), load8(a + 8 * i[3]));
          const V all = two(_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high));
          unroll<8>([&](auto c) __attribute__((always_inline)) {
            acc[c] = dot(acc[c], all, D::broadcast(values + 4 * c));
          });
        }
      }
      const int half = g % 2 == 0 ? 0 : 8;
      unroll<8>([&](auto c)
                    __attribute__((always_inline)) { D::store(tile + (half + c) * 8, acc[c]); });
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
