#include <cstdint>
#include <immintrin.h>

#include "gemm_u8s8_kernel.h"
#include "lanes_avx2.h"
#include "output_stage.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

__m256i load(const void* p) {
  return _mm256_load_si256(static_cast<const __m256i*>(p));
}

/// Four activations, 32 bits, whatever their address.
int four(const std::uint8_t* a) {
  int x;
  __builtin_memcpy(&x, a, sizeof x);
  return x;
}

/// Calls step(a of the group, its weights) for each group.
template <class Step>
[[gnu::always_inline]] inline void for_groups(const U8S8Tile& t, const Step& step) {
  const std::int8_t* w = t.weights;
  const std::uint8_t* a = t.a;
  for (std::int64_t g = t.groups - 1; g > 0; --g, a += 4, w += 64) step(a, w);
  if (t.groups > 0) step(t.a + t.last_start, w);
}

/// vpmaddubsw adds products of neighbours in 16 bits with saturation; it is exact where they fit,
/// which is known from the weights and the largest activation.
template <int MR>
void pair_tile(const U8S8Tile& t) {
  __m256i sums[MR][2];
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    sums[i][0] = load(t.start);
    sums[i][1] = load(t.start + 8);
  });
  const __m256i ones = _mm256_set1_epi16(1);
  const std::int64_t lda = t.lda;
  for_groups(
      t, [&](const std::uint8_t* a, const std::int8_t* w) __attribute__((always_inline)) {
        const __m256i w0 = load(w), w1 = load(w + 32);
        unroll<MR>([&](auto i) __attribute__((always_inline)) {
          const __m256i x = _mm256_set1_epi32(four(a + i * lda));
          const __m256i pairs0 = _mm256_maddubs_epi16(x, w0);
          const __m256i pairs1 = _mm256_maddubs_epi16(x, w1);
          sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(pairs0, ones));
          sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(pairs1, ones));
        });
      });
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(t.sums + i * u8s8_columns), sums[i][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(t.sums + i * u8s8_columns + 8), sums[i][1]);
  });
}

/// Both factors widened to 16 bits; vpmaddwd is exact for all values. Each column has two partial
/// sums, which are added at the end.
template <int MR>
void wide_tile(const U8S8Tile& t) {
  __m256i sums[MR][4];
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    unroll<4>([&](auto v) __attribute__((always_inline)) { sums[i][v] = _mm256_setzero_si256(); });
  });
  const std::int64_t lda = t.lda;
  for_groups(
      t, [&](const std::uint8_t* a, const std::int8_t* w) __attribute__((always_inline)) {
        __m256i x[MR];
        unroll<MR>([&](auto i) __attribute__((always_inline)) {
          x[i] = _mm256_cvtepu8_epi16(_mm_set1_epi32(four(a + i * lda)));
        });
        unroll<4>([&](auto v) __attribute__((always_inline)) {
          const __m256i y =
              _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(w + 16 * v)));
          unroll<MR>([&](auto i) __attribute__((always_inline)) {
            sums[i][v] = _mm256_add_epi32(sums[i][v], _mm256_madd_epi16(x[i], y));
          });
        });
      });
  unroll<MR>([&](auto i) __attribute__((always_inline)) {
    unroll<2>([&](auto h) __attribute__((always_inline)) {
      // Columns 0 1 4 5 2 3 6 7.
      const __m256i both = _mm256_hadd_epi32(sums[i][2 * h], sums[i][2 * h + 1]);
      const __m256i in_order = _mm256_permute4x64_epi64(both, 0xd8);
      _mm256_store_si256(reinterpret_cast<__m256i*>(t.sums + i * u8s8_columns + 8 * h),
                         _mm256_add_epi32(in_order, load(t.start + 8 * h)));
    });
  });
}

void any_pair_tile(const U8S8Tile& t) {
  switch (t.rows) {
    case 1:
      return pair_tile<1>(t);
    case 2:
      return pair_tile<2>(t);
    case 3:
      return pair_tile<3>(t);
    default:
      return pair_tile<4>(t);
  }
}

void any_wide_tile(const U8S8Tile& t) {
  switch (t.rows) {
    case 1:
      return wide_tile<1>(t);
    case 2:
      return wide_tile<2>(t);
    default:
      return wide_tile<3>(t);
  }
}

const char* pairs_may_overflow(const GemmU8S8Problem& problem) {
  return problem.max_activation <= problem.pair_limit
             ? nullptr
             : "16-bit sums of pairs may overflow: an activation is above the weights' pair limit";
}

bool any_above(const std::uint8_t* a, std::int64_t n, std::int32_t limit) {
  const __m256i bound = _mm256_set1_epi8(static_cast<char>(limit));
  __m256i most = bound;
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    most = _mm256_max_epu8(most, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i)));
  }
  if (_mm256_movemask_epi8(_mm256_cmpeq_epi8(most, bound)) != -1) return true;
  for (; i < n; ++i) {
    if (a[i] > limit) return true;
  }
  return false;
}

}  // namespace

const U8S8Kernel u8s8_gemm_4x16c4_avx2{"u8s8_gemm_4x16c4_avx2", Isa::avx2, 4, pairs_may_overflow,
                                       any_pair_tile};

const U8S8Kernel u8s8_gemm_3x16c4_wide_avx2{
    "u8s8_gemm_3x16c4_wide_avx2", Isa::avx2, 3,
    [](const GemmU8S8Problem&) -> const char* { return nullptr; }, any_wide_tile};

const U8S8Helpers u8s8_helpers_avx2{OutputStageLoops<Avx2Lanes>::store, any_above};

}  // namespace adze::kernels
