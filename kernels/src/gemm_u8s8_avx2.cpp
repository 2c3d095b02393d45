#include <cstdint>
#include <immintrin.h>

#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_panel.h"
#include "u8s8_lanes_256.h"
#include "unroll.h"
#include "vectors_256.h"

namespace adze::kernels {

namespace {

// A tile of 6 rows × 16 columns. For 3 rows and more the 16-bit sums of a window have the registers
// and the 32-bit sums lie in L1: a load and a store for each window costs less than reading weights
// again for each row. 12 sums, 2 weights, 1 activation and 1 product make 16 registers. Steps are
// asm statements because compilers reorder sums of intrinsics and then run out of registers.

/// The rows of a tile at one k, and how to reach them from the first without further sums.
struct Rows {
  const std::uint8_t* a;
  std::int64_t lda, lda3, lda5;

  /// Four activations of row i, for all columns.
  template <int i>
  [[gnu::always_inline]] __m256i four() const {
    __m256i x;
    const auto* memory = reinterpret_cast<const std::uint8_t(*)[1 << 30]>(a);
    if constexpr (i == 0) {
      asm volatile("vpbroadcastd (%1),%0" : "=x"(x) : "r"(a), "m"(*memory));
    } else if constexpr (i == 3) {
      asm volatile("vpbroadcastd (%1,%2),%0" : "=x"(x) : "r"(a), "r"(lda3), "m"(*memory));
    } else if constexpr (i == 5) {
      asm volatile("vpbroadcastd (%1,%2),%0" : "=x"(x) : "r"(a), "r"(lda5), "m"(*memory));
    } else {
      asm volatile("vpbroadcastd (%1,%2,%c3),%0"
                   : "=x"(x)
                   : "r"(a), "r"(lda), "i"(i), "m"(*memory));
    }
    return x;
  }
};

/// Four activations at `a` + k, for all columns.
[[gnu::always_inline]] inline __m256i four(const std::uint8_t* a, std::int64_t k) {
  __m256i x;
  const auto* memory = reinterpret_cast<const std::uint8_t(*)[1 << 30]>(a);
  asm volatile("vpbroadcastd (%1,%2),%0" : "=x"(x) : "r"(a), "r"(k), "m"(*memory));
  return x;
}

[[gnu::always_inline]] inline __m256i ones16() {
  __m256i x;
  asm volatile("vpcmpeqw %0,%0,%0\n\tvpsrlw $15,%0,%0" : "=x"(x));
  return x;
}

/// t = a · w
[[gnu::always_inline]] inline void multiply(__m256i& t, __m256i a, __m256i w) {
  asm volatile("vpmaddubsw %2,%1,%0" : "=x"(t) : "x"(a), "x"(w));
}

/// t += a · w, for one register of columns and for two.
[[gnu::always_inline]] inline void add(__m256i (&t)[1], __m256i a, const __m256i (&w)[1]) {
  asm volatile("vpmaddubsw %2,%1,%1\n\tvpaddw %1,%0,%0" : "+x"(t[0]), "+x"(a) : "x"(w[0]));
}
[[gnu::always_inline]] inline void add(__m256i (&t)[2], __m256i a, const __m256i (&w)[2]) {
  __m256i x;
  asm volatile("vpmaddubsw %4,%3,%2\n\tvpmaddubsw %5,%3,%3\n\tvpaddw %2,%0,%0\n\tvpaddw %3,%1,%1"
               : "+x"(t[0]), "+x"(t[1]), "=&x"(x), "+x"(a)
               : "x"(w[0]), "x"(w[1]));
}

alignas(32) const std::int16_t ones_in_memory[16] = {1, 1, 1, 1, 1, 1, 1, 1,
                                                     1, 1, 1, 1, 1, 1, 1, 1};

/// s += a · w in 32 bits.
[[gnu::always_inline]] inline void add_widened(__m256i (&s)[1], __m256i a, const __m256i (&w)[1]) {
  asm volatile("vpmaddubsw %2,%1,%1\n\tvpmaddwd %3,%1,%1\n\tvpaddd %1,%0,%0"
               : "+x"(s[0]), "+x"(a)
               : "x"(w[0]), "m"(ones_in_memory));
}
[[gnu::always_inline]] inline void add_widened(__m256i (&s)[2], __m256i a, const __m256i (&w)[2]) {
  __m256i x;
  asm volatile(
      "vpmaddubsw %4,%3,%2\n\tvpmaddubsw %5,%3,%3\n\tvpmaddwd %6,%2,%2\n\tvpmaddwd %6,%3,%3\n\t"
      "vpaddd %2,%0,%0\n\tvpaddd %3,%1,%1"
      : "+x"(s[0]), "+x"(s[1]), "=&x"(x), "+x"(a)
      : "x"(w[0]), "x"(w[1]), "m"(ones_in_memory));
}

/// sums += t widened, `offset` bytes behind `sums`
template <int offset>
[[gnu::always_inline]] inline void widen(__m256i& t, __m256i one, std::int32_t* sums) {
  asm volatile("vpmaddwd %2,%0,%0\n\tvpaddd %c3(%1),%0,%0\n\tvmovdqu %0,%c3(%1)"
               : "+x"(t)
               : "r"(sums), "x"(one), "i"(offset)
               : "memory");
}

/// Where a tile is: the next group's weights and offset.
struct Place {
  const std::int8_t* weights;
  const std::uint16_t* offsets;
  std::int64_t ahead;

  [[gnu::always_inline]] void prefetch(std::int64_t at) const {
    _mm_prefetch(reinterpret_cast<const char*>(weights + ahead + at), _MM_HINT_T0);
  }
};

template <int NV>
[[gnu::always_inline]] inline void load_weights(const std::int8_t* p, __m256i (&w)[NV]) {
  unroll<NV>([&](auto v) __attribute__((always_inline)) { w[v] = load(p + 32 * v); });
}

template <int MR, int NV, bool first>
[[gnu::always_inline]] inline void group(__m256i (&t)[MR][NV], Rows rows, const std::uint16_t* k,
                                         const std::int8_t* weights) {
  rows.a += *k;
  __m256i w[NV];
  load_weights(weights, w);
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    const __m256i a = rows.template four<i>();
    if constexpr (first) {
      unroll<NV>([&](auto v) __attribute__((always_inline)) { multiply(t[i][v], a, w[v]); });
    } else {
      add(t[i], a, w);
    }
  });
}

/// `count` windows of depth D, or `depth` if D is 0: 16-bit sums in registers, 32-bit sums in L1.
template <int MR, int NV, int D>
[[gnu::always_inline]] inline void windows(std::int32_t count, int depth, const Rows& rows,
                                           Place& at, std::int32_t* sums) {
  constexpr int bytes = NV * 32;
  for (; count > 0; --count) {
    __m256i t[MR][NV];
    group<MR, NV, true>(t, rows, at.offsets, at.weights);
    at.prefetch(0);
    if constexpr (D > 0) {
      unroll<D - 1>([&](auto d) __attribute__((always_inline)) {
        group<MR, NV, false>(t, rows, at.offsets + d + 1, at.weights + (d + 1) * bytes);
        at.prefetch((d + 1) * bytes);
      });
      at.weights += D * bytes;
      at.offsets += D;
    } else {
      for (int d = 1; d < depth; ++d) {
        group<MR, NV, false>(t, rows, at.offsets + d, at.weights + d * bytes);
        at.prefetch(d * bytes);
      }
      at.weights += depth * bytes;
      at.offsets += depth;
    }
    const __m256i one = ones16();
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        constexpr int at_row = decltype(i){} * u8s8_columns;
        widen<(at_row + 8 * decltype(v){}) * 4>(t[i][v], one, sums);
      });
    });
  }
}

/// `count` windows of depth 1, 32-bit sums in registers.
template <int MR, int NV>
[[gnu::always_inline]] inline void singles(std::int32_t count, const Rows& rows, Place& at,
                                           std::int32_t* sums) {
  if (count == 0) return;
  __m256i s[MR][NV];
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    load_weights(reinterpret_cast<const std::int8_t*>(sums + i * u8s8_columns), s[i]);
  });
  for (; count > 0; --count) {
    Rows here = rows;
    here.a += *at.offsets++;
    __m256i w[NV];
    load_weights(at.weights, w);
    at.prefetch(0);
    at.weights += NV * 32;
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      add_widened(s[i], here.template four<i>(), w);
    });
  }
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    unroll<NV>([&](auto v) __attribute__((always_inline)) {
      store(sums + i * u8s8_columns + 8 * v, s[i][v]);
    });
  });
}

/// t = a · w or t += a · w
template <bool first>
[[gnu::always_inline]] inline void from_memory(__m256i& t, __m256i a, const std::int8_t* w) {
  const auto& memory = *reinterpret_cast<const std::int8_t(*)[32]>(w);
  if constexpr (first) {
    asm volatile("vpmaddubsw %2,%1,%0" : "=x"(t) : "x"(a), "m"(memory));
  } else {
    __m256i x;
    asm volatile("vpmaddubsw %3,%2,%1\n\tvpaddw %1,%0,%0"
                 : "+x"(t), "=&x"(x)
                 : "x"(a), "m"(memory));
  }
}

/// `count` windows for 1 or 2 rows, all sums in registers.
template <int MR, int NV, int D>
[[gnu::always_inline]] inline void few_rows(std::int32_t count, int depth, const Rows& rows,
                                            Place& at, __m256i (&s)[MR][NV]) {
  constexpr int bytes = NV * 32;
  const __m256i one = ones16();
  for (; count > 0; --count) {
    __m256i t[MR][NV];
    const auto step = [&](auto first, int d) __attribute__((always_inline)) {
      if constexpr (MR == 1) {
        const __m256i a = four(rows.a, at.offsets[d]);
        unroll<NV>([&](auto v) __attribute__((always_inline)) {
          from_memory<first>(t[0][v], a, at.weights + d * bytes + 32 * v);
        });
      } else {
        group<MR, NV, first>(t, rows, at.offsets + d, at.weights + d * bytes);
      }
      at.prefetch(d * bytes);
    };
    step(Index<true>{}, 0);
    if constexpr (D > 0) {
      unroll<D - 1>([&](auto d) __attribute__((always_inline)) { step(Index<false>{}, d + 1); });
    } else {
      for (int d = 1; d < depth; ++d) step(Index<false>{}, d);
    }
    const int done = D > 0 ? D : depth;
    at.weights += done * bytes;
    at.offsets += done;
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        s[i][v] = _mm256_add_epi32(s[i][v], _mm256_madd_epi16(t[i][v], one));
      });
    });
  }
}

template <int MR, int NV>
[[gnu::always_inline]] inline void tile(const U8S8Windows& tile, Place at, const Rows& rows,
                                        const std::int32_t* start, std::int32_t* sums) {
  const auto each = [&](auto&& body) __attribute__((always_inline)) {
    if (tile.deep() != 0) {
      for (int d = u8s8_most_depth; d > 4; --d) body(Index<0>{}, d, tile.count[d]);
    }
    body(Index<4>{}, 4, tile.count[4]);
    body(Index<3>{}, 3, tile.count[3]);
    body(Index<2>{}, 2, tile.count[2]);
  };
  if constexpr (NV == 1) {
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      store(sums + i * u8s8_columns + 8, _mm256_setzero_si256());
    });
  }
  if constexpr (MR <= 2) {
    __m256i s[MR][NV];
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      load_weights(reinterpret_cast<const std::int8_t*>(start), s[i]);
    });
    each([&](auto depth, int d, std::int32_t count)
             __attribute__((always_inline)) { few_rows<MR, NV, depth>(count, d, rows, at, s); });
    few_rows<MR, NV, 1>(tile.count[1], 1, rows, at, s);
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        store(sums + i * u8s8_columns + 8 * v, s[i][v]);
      });
    });
  } else {
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        store(sums + i * u8s8_columns + 8 * v, load(start + 8 * v));
      });
    });
    each([&](auto depth, int d, std::int32_t count)
             __attribute__((always_inline)) { windows<MR, NV, depth>(count, d, rows, at, sums); });
    singles<MR, NV>(tile.count[1], rows, at, sums);
  }
}

/// `parts` times MR rows of each tile.
template <int MR, int NV>
void block(const U8S8Weights& w, std::int64_t first, int tiles, const std::uint8_t* a,
           std::int64_t lda, std::int64_t parts, const std::int32_t* start, std::int32_t* sums) {
  const U8S8Windows* windows = w.windows + first;
  const std::int8_t* const weights = w.weights;
  const std::uint16_t* const offsets = w.offsets;
  const std::int64_t ahead = bytes_ahead(w, MR <= 2);
  for (; tiles > 0; --tiles, ++windows, start += u8s8_columns) {
    const Place at{weights + windows->weights, offsets + windows->offsets, ahead};
    Rows rows{a, lda, 3 * lda, 5 * lda};
    for (std::int64_t i = parts; i > 0; --i, rows.a += MR * lda, sums += MR * u8s8_columns) {
      tile<MR, NV>(*windows, at, rows, start, sums);
    }
  }
}

using Block = void (*)(const U8S8Weights& w, std::int64_t first, int tiles, const std::uint8_t* a,
                       std::int64_t lda, std::int64_t parts, const std::int32_t* start,
                       std::int32_t* sums);

constexpr Block blocks_16[] = {block<1, 2>, block<2, 2>, block<3, 2>,
                               block<4, 2>, block<5, 2>, block<6, 2>};
constexpr Block blocks_8[] = {block<1, 1>, block<2, 1>, block<3, 1>,
                              block<4, 1>, block<5, 1>, block<6, 1>};

struct WindowTile {
  static constexpr int rows = 6;
  static constexpr int tiles = 1;
  static constexpr int rows_for(std::int64_t) { return rows; }

  [[gnu::always_inline]] static inline void block(const U8S8Weights& w, std::int64_t first,
                                                  int tile_count, const std::uint8_t* a,
                                                  std::int64_t lda, int row_count,
                                                  std::int64_t parts, const std::int32_t* start,
                                                  std::int32_t* sums) {
    const std::int64_t last = first + tile_count - 1;
    const bool narrow = w.tile_columns(last) < u8s8_columns;
    if (narrow) --tile_count;
    if (tile_count > 0) {
      blocks_16[row_count - 1](w, first, tile_count, a, lda, parts, start, sums);
    }
    if (narrow) {
      blocks_8[row_count - 1](w, last, 1, a, lda, parts, start + tile_count * u8s8_columns,
                              sums + tile_count * parts * row_count * u8s8_columns);
    }
  }
};

struct File;
using Lanes = U8S8Lanes256<File>;

void run(const U8S8Panel& panel) {
  run_panel<WindowTile, Lanes>(panel);
}

const char* why_not(const GemmU8S8Problem& problem) {
  if (problem.max_activation > u8s8_window_limit) {
    return "16-bit sums may overflow: an activation is above 128";
  }
  return problem.k > u8s8_most_offset_k ? "k is above what 16-bit offsets reach" : nullptr;
}

}  // namespace

const U8S8Kernel u8s8_gemm_windows_avx2{"u8s8_gemm_6x16c4_windows_avx2",
                                        Isa::avx2,
                                        U8S8Order::windows,
                                        WindowTile::rows,
                                        why_not,
                                        run,
                                        nullptr};

bool any_above_avx2(const std::uint8_t* a, std::int64_t n, std::int32_t limit) {
  const __m256i bound = _mm256_set1_epi8(static_cast<char>(limit));
  __m256i most = bound;
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) most = _mm256_max_epu8(most, load(a + i));
  if (n >= 32) {
    most = _mm256_max_epu8(most, load(a + n - 32));
    return _mm256_movemask_epi8(_mm256_cmpeq_epi8(most, bound)) != -1;
  }
  for (; i < n; ++i) {
    if (a[i] > limit) return true;
  }
  return false;
}

}  // namespace adze::kernels
