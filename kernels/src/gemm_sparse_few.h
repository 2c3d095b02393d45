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
  static constexpr int tile_columns = 128;  ///< channels that wait for the output stage

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

  // Loops end with a part that is masked, not with one that is jumped over: lists are short and as
  // long as they happen to be, so that each such jump would be guessed wrong every other time. What
  // is read beyond a list belongs to the next one, or is zero.

  /// Adds `left` single units of 1 × 4 for R rows, eight at a time: lanes are units.
  template <int R>
  [[gnu::always_inline]] static inline void units(V (&acc)[R], std::int64_t left,
                                                  const std::uint16_t* index,
                                                  const std::int8_t* values, const std::uint8_t* a,
                                                  std::int64_t lda) {
    const auto add = [&](V weights) __attribute__((always_inline)) {
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        acc[r] = dot(acc[r], gather(a + r * lda, index), weights);
      });
    };
    if (left <= 0) return;
    for (; left > 8; left -= 8, index += 8, values += 32) add(D::load(values));
    add(_mm256_and_si256(first_lanes(static_cast<int>(left)), D::load(values)));
  }

  /// Adds `left` blocks of 1 × 16 for R rows, two at a time.
  template <int R>
  [[gnu::always_inline]] static inline void blocks(V (&acc)[R], std::int64_t left,
                                                   const std::uint16_t* index,
                                                   const std::int8_t* values, const std::uint8_t* a,
                                                   std::int64_t lda) {
    const auto add = [&](V weights, std::int64_t second) __attribute__((always_inline)) {
      const std::uint8_t* p0 = input(a, index[0]);
      const std::uint8_t* p1 = input(a, index[second]);
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        acc[r] = dot(acc[r], two(load128(p0 + r * lda), load128(p1 + r * lda)), weights);
      });
    };
    if (left <= 0) return;
    for (; left > 2; left -= 2, index += 8, values += 32) add(D::load(values), 4);
    add(_mm256_and_si256(first_lanes(static_cast<int>(4 * left)), D::load(values)), 4 * (left - 1));
  }

  /// Adds a list of units of 1 × 4 for R rows: lanes are units.
  template <bool contiguous, int R>
  [[gnu::always_inline]] static inline void add_list(V (&acc)[R], const SparseView& w,
                                                     const SparseList* list, const std::uint8_t* a,
                                                     std::int64_t lda) {
    const std::uint16_t* index = w.index + list[0].first;
    const std::int8_t* values = w.values + 4 * std::int64_t{list[0].first};
    std::int64_t left = list[1].first - list[0].first;
    if constexpr (contiguous) {
      const auto pass = [&](std::int64_t count) __attribute__((always_inline)) {
        index += count;
        values += 4 * count;
        left -= count;
      };
      std::int64_t count = list->quads;
      if (list->pairs > 0) {
        blocks(acc, count, index, values, a, lda);
        pass(4 * count);
        units(acc, 2 * list->pairs, index, values, a, lda);
        pass(2 * list->pairs);
        count = 0;
      }
      count += list->double_pairs + list->quadruples;
      blocks(acc, count, index, values, a, lda);
      pass(4 * count);
    }
    units(acc, left, index, values, a, lda);
  }

  template <bool contiguous, int R>
  static void run_channels(const SparseJob& x) {
    const SparseView& w = *x.w;
    constexpr int columns = tile_columns / R / 8 * 8;
    alignas(32) std::int32_t tile[R * columns];
    int column = 0;
    for (std::int64_t c = x.group_begin; c < x.group_end; c += 8) {
      const int count = x.group_end - c < 8 ? static_cast<int>(x.group_end - c) : 8;
      V t[R][8];
      for (int i = count; i < 8; ++i) {
        unroll<R>([&](auto r) __attribute__((always_inline)) { t[r][i] = D::zero(); });
      }
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const SparseList* lists = w.lists + kb * w.groups + c;
        const std::uint8_t* a = x.a + kb * w.k_block;
        for (int i = 0; i < count; ++i) {
          V acc[R];
          unroll<R>([&](auto r)
                        __attribute__((always_inline)) { acc[r] = kb == 0 ? D::zero() : t[r][i]; });
          add_list<contiguous>(acc, w, lists + i, a, x.lda);
          unroll<R>([&](auto r) __attribute__((always_inline)) { t[r][i] = acc[r]; });
        }
      }
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        D::store(tile + r * columns + column, D::add(sums_of(t[r]), D::load(x.start + c)));
      });
      column += count;
      if (column == columns || c + 8 >= x.group_end) {
        x.store(tile, columns, R, c + count - column, column, x.out);
        column = 0;
      }
    }
  }

  template <bool contiguous>
  static void run_channels_any(const SparseJob& x) {
    switch (x.rows) {
      case 1:
        return run_channels<contiguous, 1>(x);
      case 2:
        return run_channels<contiguous, 2>(x);
      case 3:
        return run_channels<contiguous, 3>(x);
      default:
        return run_channels<contiguous, 4>(x);
    }
  }

  /// R rows, units of 4 × 4: two of them side by side, lanes are channels.
  template <int R>
  static void run_two(const SparseJob& x) {
    const SparseView& w = *x.w;
    constexpr int columns = tile_columns / R / 8 * 8;
    alignas(32) std::int32_t tile[R * columns] = {};
    int column = 0;
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      V acc[R], more[R];  // two sums wait less for each other than one
      unroll<R>([&](auto r) __attribute__((always_inline)) { acc[r] = more[r] = D::zero(); });
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const SparseList* list = w.lists + kb * w.groups + g;
        const std::uint8_t* a = x.a + kb * w.k_block;
        const std::uint16_t* index = w.index + list[0].first;
        const std::int8_t* values = w.values + 16 * std::int64_t{list[0].first};
        std::int64_t left = list[1].first - list[0].first;
        const auto add_two = [&](V(&sums)[R], V weights) __attribute__((always_inline)) {
          const std::uint8_t* p0 = input(a, index[0]);
          const std::uint8_t* p1 = input(a, index[1]);
          unroll<R>([&](auto r) __attribute__((always_inline)) {
            const V both = _mm256_blend_epi32(D::broadcast(p0 + r * x.lda),
                                              D::broadcast(p1 + r * x.lda), 0xf0);
            sums[r] = dot(sums[r], both, weights);
          });
          index += 2;
          values += 32;
        };
        const auto some = [&](std::int64_t units) __attribute__((always_inline)) {
          return _mm256_and_si256(first_lanes(static_cast<int>(4 * units)), D::load(values));
        };
        for (; left > 4; left -= 4) {
          add_two(acc, D::load(values));
          add_two(more, D::load(values));
        }
        if (left > 0) {
          add_two(acc, some(left));
          add_two(more, some(left - 2));
        }
      }
      const __m128i begin = load128(x.start + 4 * g);
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const V both = D::add(acc[r], more[r]);
        const __m128i sum =
            _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
        _mm_store_si128(reinterpret_cast<__m128i*>(tile + r * columns + column),
                        _mm_add_epi32(sum, begin));
      });
      column += 4;
      if (column == columns || g + 1 == x.group_end) {
        const std::int64_t first = 4 * (g + 1) - column, left = w.n - first;
        x.store(tile, columns, R, first, left < column ? static_cast<int>(left) : column, x.out);
        column = 0;
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

  /// One row, units of 8 channels × four inputs anywhere: lanes are channels.
  static void run_8x1_few(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(32) std::int32_t tile[tile_columns];
    int column = 0;
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      V acc = D::load(x.start + 8 * g);
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const SparseList* list = w.lists + kb * w.groups + g;
        const std::uint8_t* a = x.a + kb * w.k_block;
        for (std::int64_t u = list[0].first; u < list[1].first; ++u) {
          const std::uint16_t* i = w.index + 4 * u;
          const unsigned low = a[i[0]] | static_cast<unsigned>(a[i[1]]) << 8;
          const unsigned high = a[i[2]] | static_cast<unsigned>(a[i[3]]) << 8;
          acc = dot(acc, D::all(static_cast<std::int32_t>(low | high << 16)),
                    D::load(w.values + 32 * u));
        }
      }
      D::store(tile + column, acc);
      column += 8;
      if (column == tile_columns || g + 1 == x.group_end) {
        const std::int64_t first = 8 * (g + 1) - column, left = w.n - first;
        x.store(tile, tile_columns, 1, first, left < column ? static_cast<int>(left) : column,
                x.out);
        column = 0;
      }
    }
  }

  /// The same for a panel of 8 rows: lanes are rows, four columns of the panel are zipped.
  static void run_8x1(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(32) std::int32_t tile[tile_columns * 8] = {};
    int waiting = 0;
    const auto column = [](const std::uint8_t* a, std::int64_t i) {
      return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(a + 8 * i));
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
          const __m128i low = _mm_unpacklo_epi8(column(a, i[0]), column(a, i[1]));
          const __m128i high = _mm_unpacklo_epi8(column(a, i[2]), column(a, i[3]));
          const V all = two(_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high));
          unroll<8>([&](auto c) __attribute__((always_inline)) {
            acc[c] = dot(acc[c], all, D::broadcast(values + 4 * c));
          });
        }
      }
      unroll<8>([&](auto c)
                    __attribute__((always_inline)) { D::store(tile + (waiting + c) * 8, acc[c]); });
      waiting += 8;
      if (waiting == tile_columns || g + 1 == x.group_end) {
        const std::int64_t first = 8 * (g + 1) - waiting, left = w.n - first;
        x.store_transposed(tile, 8, x.rows, first,
                           left < waiting ? static_cast<int>(left) : waiting, x.out);
        waiting = 0;
      }
    }
  }
};

}  // namespace adze::kernels
