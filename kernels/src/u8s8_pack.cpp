#include "u8s8_pack.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace adze::kernels {

namespace {

constexpr int group = u8s8_group;
constexpr int group_bytes = u8s8_group_bytes;

#if defined(__x86_64__)
/// 4 channels from `w` on, 16 weights each, to 4 groups; adds up the weights of each channel.
void four_channels(const std::int8_t* w, std::int64_t ldw, std::int8_t* out, __m128i* sums) {
  const __m128i zero = _mm_setzero_si128(), flip = _mm_set1_epi8(static_cast<char>(0x80));
  __m128i x[4];
  for (int c = 0; c < 4; ++c) {
    x[c] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + c * ldw));
    sums[c] = _mm_add_epi64(sums[c], _mm_sad_epu8(_mm_xor_si128(x[c], flip), zero));
  }
  const __m128i a = _mm_unpacklo_epi32(x[0], x[1]), b = _mm_unpackhi_epi32(x[0], x[1]);
  const __m128i c = _mm_unpacklo_epi32(x[2], x[3]), d = _mm_unpackhi_epi32(x[2], x[3]);
  const __m128i y[4] = {_mm_unpacklo_epi64(a, c), _mm_unpackhi_epi64(a, c),
                        _mm_unpacklo_epi64(b, d), _mm_unpackhi_epi64(b, d)};
  for (int g = 0; g < 4; ++g) {
    _mm_store_si128(reinterpret_cast<__m128i*>(out + g * group_bytes), y[g]);
  }
}

/// Packs 16 k at a time; returns how many.
std::int64_t pack_most(const std::int8_t* w, std::int64_t ldw, std::int64_t k, std::int8_t* out,
                       std::int32_t* sums) {
  __m128i partial[u8s8_columns];
  std::fill_n(partial, u8s8_columns, _mm_setzero_si128());
  std::int64_t p = 0;
  for (; p + 16 <= k; p += 16) {
    for (int c = 0; c < u8s8_columns; c += 4) {
      four_channels(w + c * ldw + p, ldw, out + p / group * group_bytes + c * group, partial + c);
    }
  }
  for (int c = 0; c < u8s8_columns; ++c) {
    std::int64_t halves[2];
    std::memcpy(halves, &partial[c], sizeof halves);
    sums[c] = static_cast<std::int32_t>(halves[0] + halves[1] - 128 * p);
  }
  return p;
}
#else
std::int64_t pack_most(const std::int8_t*, std::int64_t, std::int64_t, std::int8_t*,
                       std::int32_t* sums) {
  std::fill_n(sums, u8s8_columns, 0);
  return 0;
}
#endif

}  // namespace

void pack_plain_tile(const std::int8_t* w, std::int64_t ldw, int columns, std::int64_t k,
                     std::int8_t* out, std::int32_t* sums) {
  const std::int64_t groups = (k + group - 1) / group;
  std::int64_t p = 0;
  std::fill_n(sums, u8s8_columns, 0);
  if (columns == u8s8_columns) {
    p = pack_most(w, ldw, k, out, sums);
  }
  for (std::int64_t g = p / group; g < groups; ++g) {
    std::int8_t* to = out + g * group_bytes;
    const std::int64_t start = 4 * g + 4 > k && k >= 4 ? k - 4 : 4 * g;
    const std::int64_t skip = 4 * g - start, end = std::min<std::int64_t>(group, k - start);
    std::memset(to, 0, group_bytes);
    for (int c = 0; c < columns; ++c, to += group) {
      for (std::int64_t j = skip; j < end; ++j) {
        to[j] = w[c * ldw + start + j];
        sums[c] += to[j];
      }
    }
  }
}

}  // namespace adze::kernels
