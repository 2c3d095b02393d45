#include <cstdint>
#include <immintrin.h>

#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_panel.h"
#include "u8s8_lanes_256.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

// Both factors widened to 16 bits: vpmaddwd is exact for all values. Activations are widened once,
// into scratch memory, weights while they are read. Each column has two partial sums, which are
// added at the end. Up to 3 rows take all 16 columns at once, more rows 8 columns at a time.

/// The groups of a tile in the order of memory, and where each begins.
struct WindowGroups {
  const std::int8_t* weights;
  const std::uint16_t* offsets;
  std::int64_t count;
  int bytes;
  std::int64_t ahead;

  WindowGroups(const U8S8Weights& w, std::int64_t t)
      : weights(w.weights + w.windows[t].weights),
        offsets(w.offsets + w.windows[t].offsets),
        count(w.groups),
        bytes(w.tile_columns(t) * u8s8_group),
        ahead(bytes_ahead(w, false)) {}
  template <class Step>
  [[gnu::always_inline]] void each(const Step& step) const {
    const std::int8_t* p = weights;
    for (std::int64_t g = 0; g < count; ++g, p += bytes) step(offsets[g], p);
  }
};

struct PlainGroups {
  const std::int8_t* weights;
  std::int64_t count, last, ahead;
  static constexpr int bytes = u8s8_group_bytes;

  PlainGroups(const U8S8Weights& w, std::int64_t t)
      : weights(w.tile(t)),
        count(w.groups),
        last(w.groups > 0 ? w.group_start(w.groups - 1) : 0),
        ahead(bytes_ahead(w, false)) {}
  template <class Step>
  [[gnu::always_inline]] void each(const Step& step) const {
    const std::int8_t* p = weights;
    for (std::int64_t g = 0; g + 1 < count; ++g, p += bytes) step(g * u8s8_group, p);
    if (count > 0) step(last, p);
  }
};

/// s += a · w, in an order that compilers leave alone.
[[gnu::always_inline]] inline void add_products(__m256i& s, __m256i a, __m256i w) {
  __m256i product;
  asm("vpmaddwd %2,%1,%0" : "=x"(product) : "x"(a), "x"(w));
  asm("vpaddd %1,%0,%0" : "+x"(s) : "x"(product));
}

/// 4 · NV columns from `column` on.
template <int MR, int NV, class Groups>
void part(const Groups& groups, int column, const std::int16_t* a, std::int64_t lda,
          const std::int32_t* start, std::int32_t* sums) {
  __m256i s[MR][NV];
  const std::int64_t ahead = groups.ahead;
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    unroll<NV>([&](auto v) __attribute__((always_inline)) { s[i][v] = _mm256_setzero_si256(); });
  });
  groups.each([&](std::int64_t k, const std::int8_t* weights) __attribute__((always_inline)) {
    const std::int16_t* from = a + k;
    _mm_prefetch(reinterpret_cast<const char*>(weights + ahead), _MM_HINT_T0);
    __m256i w[NV];
    unroll<NV>([&](auto v) __attribute__((always_inline)) {
      w[v] = _mm256_cvtepi8_epi16(_mm_loadu_si128(
          reinterpret_cast<const __m128i*>(weights + column * u8s8_group + 16 * v)));
    });
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      long long four;
      __builtin_memcpy(&four, from + i * lda, sizeof four);
      const __m256i x = _mm256_set1_epi64x(four);
      unroll<NV>([&](auto v) __attribute__((always_inline)) { add_products(s[i][v], x, w[v]); });
    });
  });
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    unroll<NV / 2>([&](auto h) __attribute__((always_inline)) {
      // Columns 0 1 4 5 2 3 6 7.
      const __m256i both = _mm256_hadd_epi32(s[i][2 * h], s[i][2 * h + 1]);
      const __m256i in_order = _mm256_permute4x64_epi64(both, 0xd8);
      const int c = column + 8 * h;
      _mm256_storeu_si256(
          reinterpret_cast<__m256i*>(sums + i * u8s8_columns + c),
          _mm256_add_epi32(in_order,
                           _mm256_loadu_si256(reinterpret_cast<const __m256i*>(start + c))));
    });
  });
}

template <int MR, class Groups>
void tile_of(const Groups& groups, const std::int16_t* a, std::int64_t lda,
             const std::int32_t* start, std::int32_t* sums) {
  if (groups.bytes < u8s8_group_bytes) {
    part<MR, 2>(groups, 0, a, lda, start, sums);
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + i * u8s8_columns + 8),
                          _mm256_setzero_si256());
    });
  } else if constexpr (MR <= 3) {
    part<MR, 4>(groups, 0, a, lda, start, sums);
  } else {
    part<MR, 2>(groups, 0, a, lda, start, sums);
    part<MR, 2>(groups, 8, a, lda, start, sums);
  }
}

template <class Groups>
struct WideTile {
  static constexpr int rows = 6;
  static constexpr int tiles = 1;
  static constexpr int rows_for(std::int64_t) { return rows; }

  static void tile(const U8S8Weights& w, std::int64_t t, int, const std::uint8_t* a,
                   std::int64_t lda, int row_count, const std::int32_t* start, std::int32_t* sums) {
    const auto* wide = reinterpret_cast<const std::int16_t*>(a);
    const std::int64_t ld = lda / 2;
    const Groups groups(w, t);
    unroll<rows>([&](auto i) __attribute__((always_inline)) {
      if (row_count == i + 1) tile_of<i + 1>(groups, wide, ld, start, sums);
    });
  }
};

struct File;
using Lanes = U8S8Lanes256<File>;

std::int64_t row_bytes(std::int64_t k) {
  return (k + 31) / 32 * 64 + 64;  // rows of a power of two would share cache lines
}

std::int64_t scratch(std::int64_t rows, std::int64_t k) {
  return rows * row_bytes(k);
}

void widen(const std::uint8_t* from, std::int64_t n, std::int16_t* to) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_cvtepu8_epi16(x));
  }
  for (; i < n; ++i) to[i] = from[i];
}

template <class Groups>
void run(const U8S8Panel& panel) {
  const std::int64_t k = panel.weights->k, n = k < u8s8_group ? u8s8_group : k;
  U8S8Panel wide = panel;
  wide.lda = row_bytes(n);
  wide.a = panel.scratch;
  for (std::int64_t r = 0; r < panel.rows; ++r) {
    widen(panel.a + r * panel.lda, n,
          reinterpret_cast<std::int16_t*>(panel.scratch + r * wide.lda));
  }
  run_panel<WideTile<Groups>, Lanes>(wide);
}

const char* k_too_large(const GemmU8S8Problem& problem) {
  return problem.k > u8s8_most_offset_k ? "k is above what 16-bit offsets reach" : nullptr;
}

const char* always(const GemmU8S8Problem&) {
  return nullptr;
}

}  // namespace

const U8S8Kernel u8s8_gemm_wide_avx2{"u8s8_gemm_6x16c4_wide_avx2",
                                     Isa::avx2,
                                     U8S8Order::windows,
                                     6,
                                     k_too_large,
                                     run<WindowGroups>,
                                     scratch};

const U8S8Kernel u8s8_gemm_wide_plain_avx2{"u8s8_gemm_6x16c4_wide_plain_avx2",
                                           Isa::avx2,
                                           U8S8Order::plain,
                                           6,
                                           always,
                                           run<PlainGroups>,
                                           scratch};

}  // namespace adze::kernels
