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
  using Row = const std::uint8_t*;
  static constexpr int tile_columns = 128;  ///< channels that wait for the output stage

  [[gnu::always_inline]] static inline V dot(V acc, V a, V w) {
    return D::end(acc, D::first(acc, a, w));
  }
  static int four(const void* p) {
    int x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  static_assert(index_unit({1, 16}) == 4, "indices of 1 x 16 are distances in a row in place");
  static_assert(index_unit({1, 4}) == 16 && index_unit({4, 4}) == 16,
                "indices of 1 x 4 and 4 x 4 are distances in a row that is spread");
  static V two(__m128i low, __m128i high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  }
  static __m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  /// Lanes below `count`.
  static V first_lanes(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  /// The sum of the lanes of each of eight registers.
  template <int r, int R>
  static V sums_of(const V (&t)[8][R]) {
    const auto four_of = [&](int i) __attribute__((always_inline)) {
      return _mm256_hadd_epi32(_mm256_hadd_epi32(t[i][r], t[i + 1][r]),
                               _mm256_hadd_epi32(t[i + 2][r], t[i + 3][r]));
    };
    const V x = four_of(0), y = four_of(4);
    return _mm256_add_epi32(_mm256_permute2x128_si256(x, y, 0x20),
                            _mm256_permute2x128_si256(x, y, 0x31));
  }

  /// The activations that eight units meet, from a row in place.
  static V gather(const std::uint8_t* a, const std::uint16_t* index) {
    __m128i low = _mm_cvtsi32_si128(four(a + index[0]));
    __m128i high = _mm_cvtsi32_si128(four(a + index[4]));
    low = _mm_insert_epi32(low, four(a + index[1]), 1);
    high = _mm_insert_epi32(high, four(a + index[5]), 1);
    low = _mm_insert_epi32(low, four(a + index[2]), 2);
    high = _mm_insert_epi32(high, four(a + index[6]), 2);
    low = _mm_insert_epi32(low, four(a + index[3]), 3);
    high = _mm_insert_epi32(high, four(a + index[7]), 3);
    return two(low, high);
  }

  /// The same from a row that is spread.
  static V gather_spread(const std::uint8_t* a, const std::uint16_t* index) {
    const auto four_of = [&](const std::uint16_t* i) __attribute__((always_inline)) {
      std::uint64_t all;  // one load and shifts: loads are what limits this
      __builtin_memcpy(&all, i, sizeof all);
      __m128i x = load128(a + (all & 0xffff));
      x = _mm_blend_epi32(x, load128(a + (all >> 16 & 0xffff)), 2);
      x = _mm_blend_epi32(x, load128(a + (all >> 32 & 0xffff)), 4);
      return _mm_blend_epi32(x, load128(a + (all >> 48)), 8);
    };
    return two(four_of(index), four_of(index + 4));
  }

  // Loops end with a part that is masked, not with one that is jumped over: lists are short and as
  // long as they happen to be, so that each such jump would be guessed wrong every other time. What
  // is read beyond a list belongs to the next one, or is zero.

  /// Kept blocks from some list on.
  struct Place {
    const std::uint16_t* index;
    const std::int8_t* values;

    void pass(std::int64_t units, std::int64_t indices) {
      index += indices;
      values += 4 * units;
    }
  };

  /// Adds `left` units of 1 × 4 for R rows, eight at a time: lanes are units.
  template <bool spread, int R>
  [[gnu::always_inline]] static inline void units(V (&acc)[R], std::int64_t left, Place& place,
                                                  const Row (&rows)[R]) {
    const auto add = [&](V weights) __attribute__((always_inline)) {
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const V x = spread ? gather_spread(rows[r], place.index) : gather(rows[r], place.index);
        acc[r] = dot(acc[r], x, weights);
      });
    };
    if (left <= 0) return;
    for (; left > 8; left -= 8, place.pass(8, 8)) add(D::load(place.values));
    add(_mm256_and_si256(first_lanes(static_cast<int>(left)), D::load(place.values)));
    place.pass(left, left);
  }

  /// Adds `left` blocks of 1 × 16 for R rows, two at a time.
  template <int R>
  [[gnu::always_inline]] static inline void blocks(V (&acc)[R], int left, Place& place,
                                                   const Row (&rows)[R]) {
    const auto add_two = [&](V weights, std::int64_t i0, std::int64_t i1)
        __attribute__((always_inline)) {
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        acc[r] = dot(acc[r], two(load128(rows[r] + i0), load128(rows[r] + i1)), weights);
      });
    };
    const auto add = [&]() __attribute__((always_inline)) {
      const auto both = static_cast<std::uint32_t>(four(place.index));
      add_two(D::load(place.values), R == 1 ? both & 0xffff : place.index[0],
              R == 1 ? both >> 16 : place.index[1]);
      place.pass(8, 2);
    };
    if (left <= 0) return;
    if constexpr (R == 1) {
      for (; left > 4; left -= 4) {
        add();
        add();
      }
    }
    for (; left > 2; left -= 2) add();
    // What follows the last block may be the index of a unit, behind which no 16 bytes need exist.
    add_two(_mm256_and_si256(first_lanes(4 * left), D::load(place.values)), place.index[0],
            place.index[left - 1]);
    place.pass(4 * left, left);
  }

  /// Adds the units of blocks of 1 × 16 that were split, apart from the loops over whole blocks,
  /// which have all registers to themselves that way.
  template <int R>
  [[gnu::noinline]] static Place split_units(V* sums, std::int64_t left, Place place,
                                             const Row (&rows)[R]) {
    V acc[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { acc[r] = sums[r]; });
    units<false>(acc, left, place, rows);
    unroll<R>([&](auto r) __attribute__((always_inline)) { sums[r] = acc[r]; });
    return place;
  }

  /// Blocks of 1 × 16, rows in place; or units of 1 × 4, rows that are spread.
  template <bool contiguous, int R>
  static void run_channels(const SparseJob& x) {
    const SparseView& w = *x.w;
    constexpr int columns = tile_columns / R / 8 * 8;
    alignas(32) std::int32_t tile[R * columns];
    for (std::int64_t c = x.group_begin; c < x.group_end; c += columns) {
      const int count = x.group_end - c < columns ? static_cast<int>(x.group_end - c) : columns;
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        Row rows[R];
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          rows[r] = x.a + r * x.lda + kb * w.k_block * (contiguous ? 1 : 4);
        });
        const SparseList* list = w.lists + kb * w.groups + c;
        Place place{w.index + list->index, w.values + 4 * std::int64_t{list->first}};
        for (int column = 0; column < count; column += 8) {
          const SparseList* const end = list + (count - column < 8 ? count - column : 8);
          V t[8][R];
          int i = 0;
          for (; list < end; ++list, ++i) {
            V acc[R];
            unroll<R>([&](auto r) __attribute__((always_inline)) { acc[r] = D::zero(); });
            std::int64_t left = list[1].first - list[0].first;
            if constexpr (contiguous) {
              left -= 4 * list->blocks;
              blocks(acc, list->blocks, place, rows);
            } else {
              units<true>(acc, left, place, rows);
            }
            unroll<R>([&](auto r) __attribute__((always_inline)) { t[i][r] = acc[r]; });
            if (contiguous && left > 0) place = split_units<R>(t[i], left, place, rows);
          }
          for (; i < 8; ++i) {
            unroll<R>([&](auto r) __attribute__((always_inline)) { t[i][r] = D::zero(); });
          }
          unroll<R>([&](auto r) __attribute__((always_inline)) {
            std::int32_t* to = tile + r * columns + column;
            const V before = kb == 0 ? D::load(x.start + c + column) : D::load(to);
            D::store(to, D::add(before, sums_of<r>(t)));
          });
        }
      }
      x.store(tile, columns, R, c, count, x.out);
    }
  }

  static void run_1x4(const SparseJob& x) { run_channels<false, 1>(x); }

  static void run_1x16_any(const SparseJob& x) {
    switch (x.rows) {
      case 1:
        return run_channels<true, 1>(x);
      case 2:
        return run_channels<true, 2>(x);
      case 3:
        return run_channels<true, 3>(x);
      default:
        return run_channels<true, 4>(x);
    }
  }

  /// R rows that are spread, units of 4 × 4: two of them side by side, lanes are channels.
  template <int R>
  static void run_two(const SparseJob& x) {
    const SparseView w = *x.w;
    constexpr int columns = tile_columns / R / 8 * 8;
    alignas(32) std::int32_t tile[R * columns] = {};
    int column = 0;
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      V acc[R], more[R];  // two sums wait less for each other than one
      unroll<R>([&](auto r) __attribute__((always_inline)) { acc[r] = more[r] = D::zero(); });
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const SparseList* list = w.lists + kb * w.groups + g;
        Row rows[R];
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          rows[r] = x.a + r * x.lda + kb * w.k_block * 4;
        });
        const std::uint16_t* index = w.index + list[0].index;
        const std::int8_t* values = w.values + 16 * std::int64_t{list[0].first};
        std::int64_t left = list[1].first - list[0].first;
        const auto add_two = [&](V(&sums)[R], V weights) __attribute__((always_inline)) {
          const std::int64_t i0 = index[0], i1 = index[1];
          unroll<R>([&](auto r) __attribute__((always_inline)) {
            sums[r] = dot(sums[r], two(load128(rows[r] + i0), load128(rows[r] + i1)), weights);
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

  /// One window of W units of 8 channels for a panel of 8 rows: lanes are rows, four columns of the
  /// panel are zipped for each unit.
  template <int W>
  [[gnu::always_inline]] static inline void window_8x1(V (&acc)[8], const std::uint8_t* a,
                                                       const std::uint16_t* index,
                                                       const std::int8_t* values) {
    const auto column = [&](int i) __attribute__((always_inline)) {
      return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(a + 8 * std::int64_t{index[i]}));
    };
    V inputs[W];
    unroll<W>([&](auto u) __attribute__((always_inline)) {
      const __m128i low = _mm_unpacklo_epi8(column(4 * u), column(4 * u + 1));
      const __m128i high = _mm_unpacklo_epi8(column(4 * u + 2), column(4 * u + 3));
      inputs[u] = two(_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high));
    });
    unroll<8>([&](auto c) __attribute__((always_inline)) {
      auto sum = D::first(acc[c], inputs[0], D::broadcast(values + 4 * c));
      unroll<W - 1>([&](auto u) __attribute__((always_inline)) {
        sum = D::next(sum, inputs[u + 1], D::broadcast(values + 32 * (u + 1) + 4 * c));
      });
      acc[c] = D::end(acc[c], sum);
    });
  }

  static void run_8x1(const SparseJob& x) {
    const SparseView& w = *x.w;
    constexpr std::int64_t groups = tile_columns / 8;
    alignas(32) std::int32_t tile[tile_columns * 8];
    for (std::int64_t first = x.group_begin; first < x.group_end; first += groups) {
      const std::int64_t left = x.group_end - first;
      const int count = static_cast<int>(left < groups ? left : groups);
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const std::uint8_t* a = x.a + 8 * kb * w.k_block;
        const SparseList* list = w.lists + kb * w.groups + first;
        const std::uint16_t* index = w.index + list->index;
        const std::int8_t* values = w.values + 32 * std::int64_t{list->first};
        const std::int32_t* start = x.start + 8 * first;
        for (std::int32_t* sums = tile; sums < tile + 64 * count; sums += 64, start += 8, ++list) {
          V acc[8];
          unroll<8>([&](auto c) __attribute__((always_inline)) {
            acc[c] = kb == 0 ? D::all(start[c]) : D::load(sums + 8 * c);
          });
          const std::uint16_t* end = index + 16 * list->quads;
          for (; index != end; index += 16, values += 128) window_8x1<4>(acc, a, index, values);
          end += 8 * list->pairs;
          for (; index != end; index += 8, values += 64) window_8x1<2>(acc, a, index, values);
          end = w.index + list[1].index;
          for (; index != end; index += 4, values += 32) window_8x1<1>(acc, a, index, values);
          unroll<8>([&](auto c) __attribute__((always_inline)) { D::store(sums + 8 * c, acc[c]); });
        }
      }
      if (count % 2 != 0) {
        for (int c = 0; c < 8; ++c) D::store(tile + 64 * count + 8 * c, D::zero());
      }
      const std::int64_t exist = w.n - 8 * first;
      x.store_transposed(tile, 8, x.rows, 8 * first,
                         exist < 8 * count ? static_cast<int>(exist) : 8 * count, x.out);
    }
  }
};

}  // namespace adze::kernels
