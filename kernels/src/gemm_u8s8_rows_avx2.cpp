#include <cstdint>
#include <immintrin.h>

#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_panel.h"
#include "u8s8_lanes_256.h"
#include "unroll.h"
#include "vectors_256.h"

namespace adze::kernels {

namespace {

// A vector holds a group of 8 rows, and weights are broadcast: the windows of a pair of channels
// depend on the weights of these two alone, so they stay deep even where each weight counts 255
// times. Rows are interleaved first, 32 at a time: all rows of a group stand together. Sums of four
// tiles wait in L1 for the next block of k, see RowsBlocks.

constexpr int most_rows = 32;
constexpr int group_stride = most_rows * u8s8_group;  ///< bytes of an interleaved group

/// Interleaves `rows` rows of k values, in vectors of 8; rows that do not exist are copies of the
/// last one, k that do not exist zeros.
void interleave(const std::uint8_t* a, std::int64_t lda, int rows, std::int64_t k,
                std::uint8_t* to) {
  for (int v = 0; 8 * v < rows; ++v, to += 32) {
    const std::uint8_t* row[8];
    for (int i = 0; i < 8; ++i) {
      const int r = 8 * v + i;
      row[i] = a + (r < rows ? r : rows - 1) * lda;
    }
    std::int64_t p = 0;
    std::uint8_t* out = to;
    for (; p + 32 <= k; p += 32, out += 8 * group_stride) {
      __m256i x[8];
      for (int i = 0; i < 8; ++i) x[i] = load(row[i] + p);
      transpose(x);
      for (int i = 0; i < 8; ++i) store(out + i * group_stride, x[i]);
    }
    for (; p < k; p += u8s8_group, out += group_stride) {
      for (int i = 0; i < 8; ++i) {
        for (int j = 0; j < u8s8_group; ++j) {
          out[i * u8s8_group + j] = p + j < k ? row[i][p + j] : std::uint8_t{0};
        }
      }
    }
  }
}

/// Where a pair of channels is: the weights and number of the next group.
struct Place {
  const std::int8_t* weights;
  const std::uint16_t* groups;
};

constexpr int pair_bytes = 2 * u8s8_group;
constexpr std::int64_t bytes_ahead = 512;

// Asm statements keep compilers from reordering sums, which makes them run out of registers.

/// The weights of two channels, each for all rows.
[[gnu::always_inline]] inline void broadcast(const std::int8_t* weights, __m256i& w0, __m256i& w1) {
  const auto& memory = *reinterpret_cast<const std::int8_t(*)[pair_bytes]>(weights);
  asm volatile("vpbroadcastd (%2),%0\n\tvpbroadcastd 4(%2),%1"
               : "=&x"(w0), "=x"(w1)
               : "r"(weights), "m"(memory));
}

/// t = a · w
[[gnu::always_inline]] inline void multiply(__m256i (&t)[2], __m256i a, __m256i w0, __m256i w1) {
  asm volatile("vpmaddubsw %3,%2,%0\n\tvpmaddubsw %4,%2,%1"
               : "=&x"(t[0]), "=x"(t[1])
               : "x"(a), "x"(w0), "x"(w1));
}

/// t += a · w
[[gnu::always_inline]] inline void add(__m256i (&t)[2], __m256i a, __m256i w0, __m256i w1) {
  __m256i x;
  asm volatile("vpmaddubsw %4,%3,%2\n\tvpmaddubsw %5,%3,%3\n\tvpaddw %2,%0,%0\n\tvpaddw %3,%1,%1"
               : "+x"(t[0]), "+x"(t[1]), "=&x"(x), "+x"(a)
               : "x"(w0), "x"(w1));
}

/// sums += t widened, `offset` bytes behind `sums`
template <int offset>
[[gnu::always_inline]] inline void widen(__m256i& t, __m256i one, std::int32_t* sums) {
  asm volatile("vpmaddwd %2,%0,%0\n\tvpaddd %c3(%1),%0,%0\n\tvmovdqu %0,%c3(%1)"
               : "+x"(t)
               : "r"(sums), "x"(one), "i"(offset)
               : "memory");
}

/// `count` windows of depth D. The sums of the second channel stand
/// `most_rows` behind those of the first.
template <int V, int D>
[[gnu::always_inline]] inline void windows(std::int32_t count, const std::uint8_t* a, Place& at,
                                           std::int32_t* sums) {
  for (; count > 0; --count) {
    __m256i t[V][2];
    const auto step = [&](auto first, int d) __attribute__((always_inline)) {
      const std::uint8_t* from = a + std::int64_t{at.groups[d]} * group_stride;
      __m256i w0, w1;
      broadcast(at.weights + d * pair_bytes, w0, w1);
      unroll<V>([&](auto v) __attribute__((always_inline)) {
        const __m256i x = load(from + 32 * v);
        if constexpr (first) {
          multiply(t[v], x, w0, w1);
        } else {
          add(t[v], x, w0, w1);
        }
      });
    };
    step(Index<true>{}, 0);
    unroll<D - 1>([&](auto d) __attribute__((always_inline)) { step(Index<false>{}, d + 1); });
    _mm_prefetch(reinterpret_cast<const char*>(at.weights + bytes_ahead), _MM_HINT_T0);
    at.weights += D * pair_bytes;
    at.groups += D;
    const __m256i one = _mm256_set1_epi16(1);
    unroll<V>([&](auto v) __attribute__((always_inline)) {
      unroll<2>([&](auto c) __attribute__((always_inline)) {
        constexpr int channel = decltype(c){} * most_rows;
        widen<(channel + 8 * decltype(v){}) * 4>(t[v][c], one, sums);
      });
    });
  }
}

/// Adds the products of a list of a pair of channels and 8 · V rows to `sums`.
template <int V>
void pair(const U8S8Weights& w, std::int64_t list, const std::uint8_t* a, std::int32_t* sums) {
  const U8S8Windows& of = w.windows[list];
  Place at{w.weights + of.weights, w.offsets + of.offsets};
  windows<V, 4>(of.count[4], a, at, sums);
  windows<V, 3>(of.count[3], a, at, sums);
  windows<V, 2>(of.count[2], a, at, sums);
  windows<V, 1>(of.count[1], a, at, sums);
}

using Pair = void (*)(const U8S8Weights& w, std::int64_t list, const std::uint8_t* a,
                      std::int32_t* sums);
constexpr Pair pairs[] = {pair<1>, pair<2>, pair<3>, pair<4>};

struct File;
using Lanes = U8S8Lanes256<File>;
using Output = OutputStageLoops<Lanes>;

/// Sums of 16 channels × rows to rows × 16 channels.
void to_rows(const std::int32_t* by_channel, int vectors, std::int32_t* by_row) {
  for (int v = 0; v < vectors; ++v) {
    for (int c = 0; c < u8s8_columns; c += 8) {
      __m256i x[8];
      for (int i = 0; i < 8; ++i) x[i] = load(by_channel + (c + i) * most_rows + 8 * v);
      transpose(x);
      for (int i = 0; i < 8; ++i) store(by_row + (8 * v + i) * u8s8_columns + c, x[i]);
    }
  }
}

void run(const U8S8Panel& p) {
  constexpr int tile_sums = u8s8_columns * most_rows;
  alignas(64) std::int32_t start[u8s8_columns] = {};
  alignas(64) std::int32_t by_channel[RowsBlocks::tiles * tile_sums];
  alignas(64) std::int32_t by_row[tile_sums];
  const U8S8Weights& w = *p.weights;
  const RowsBlocks blocks(w.n, w.k);
  const U8S8Store store_rows = Output::store_for(p.stage->type);
  const std::int64_t size = output_bytes(p.stage->type);

  std::int64_t parts = (p.rows + most_rows - 1) / most_rows;
  for (std::int64_t row = 0; row < p.rows; --parts) {
    // Even parts, of whole vectors.
    const std::int64_t even = ((p.rows - row + parts - 1) / parts + 7) / 8 * 8;
    const auto rows = static_cast<int>(p.rows - row < even ? p.rows - row : even);
    const int vectors = (rows + 7) / 8;
    interleave(p.a + row * p.lda, p.lda, rows, w.k, p.scratch);
    for (std::int64_t first = p.tile; first < p.tile_end;) {
      // Parts of a call need not begin where tiles of the order that meet a block do.
      const std::int64_t group = first / RowsBlocks::tiles * RowsBlocks::tiles;
      const std::int64_t next = group + RowsBlocks::tiles;
      const std::int64_t end = next < p.tile_end ? next : p.tile_end;
      const std::int64_t pair_end =
          end * u8s8_columns / 2 < blocks.all_pairs ? end * u8s8_columns / 2 : blocks.all_pairs;
      for (std::int64_t t = first; t < end; ++t) {
        Output::start(*p.stage, w, t, 1, start);
        for (int c = 0; c < u8s8_columns; ++c) {
          for (int v = 0; v < vectors; ++v) {
            store(by_channel + (t - first) * tile_sums + c * most_rows + 8 * v,
                  _mm256_set1_epi32(start[c]));
          }
        }
      }
      for (std::int64_t block = 0; block < blocks.count; ++block) {
        std::int32_t* sums = by_channel;
        for (std::int64_t i = first * u8s8_columns / 2; i < pair_end; ++i, sums += 2 * most_rows) {
          pairs[vectors - 1](w, blocks.list(group * u8s8_columns / 2, block, i), p.scratch, sums);
        }
      }
      for (std::int64_t t = first; t < end; ++t) {
        to_rows(by_channel + (t - first) * tile_sums, vectors, by_row);
        store_rows(*p.stage, t, t + 1, by_row, most_rows, rows,
                   p.row_sums == nullptr ? nullptr : p.row_sums + row,
                   static_cast<char*>(p.out) + (row * p.ldo + t * u8s8_columns) * size, p.ldo);
      }
      first = end;
    }
    row += rows;
  }
}

std::int64_t scratch(std::int64_t, std::int64_t k) {
  return (k + u8s8_group - 1) / u8s8_group * group_stride;
}

const char* why_not(const GemmU8S8Problem& problem) {
  if (problem.k > u8s8_most_offset_k) return "k is above what 16-bit offsets reach";
  if (problem.typical_weight > 50) return "weights are so heavy that most would be split";
  const bool pays = problem.m >= 32 || (problem.m >= 16 && problem.n * problem.k >= 1 << 14);
  return pays ? nullptr : "too few rows or weights: interleaving activations does not pay";
}

}  // namespace

const U8S8Kernel u8s8_gemm_rows_avx2{
    "u8s8_gemm_32x2c4_rows_avx2", Isa::avx2, U8S8Order::rows, most_rows, why_not, run, scratch};

}  // namespace adze::kernels
