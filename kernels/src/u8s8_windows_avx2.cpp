#include <cstdint>
#include <immintrin.h>

#include "u8s8_orders.h"

namespace adze::kernels {

// Why windows are exact. vpmaddubsw multiplies activations a by weights w and adds two neighbouring
// products in 16 bits, saturating; a window adds up several of its results with vpaddw, which
// wraps. So a 16-bit lane of a window is to hold a sum over the window's weights in that lane, with
// 0 <= a
// <= 128. Let P be the sum of the positive ones of these weights and Q that of the absolute values
// of the negative ones. Whatever the activations are, every partial sum lies between -128 Q and 128
// P. It fits 16 bits, hence is exact, if 128 P <= 32767 and 128 Q <= 32768, that is P <= 255, Q <=
// 256.
//
// P and Q of a single group are at most 254 and 256: one group is always exact, no weight needs to
// be split. Here sums are kept in bytes that saturate, and the bound is 255 for both. A Q of 256 is
// taken for 255, but nothing can be added to it then: a lane that holds 255 takes only zeros.

namespace {

constexpr int most_open = 24;  ///< windows that still take groups

/// Windows that are deeper than this save little and gather groups from far apart; they pay only
/// where weights are so light that neighbours fill them.
constexpr int usual_depth = 4;

struct alignas(32) Lanes {
  __m256i positive, negative;
};

__m256i load(const std::int8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

/// P and Q of the 32 lanes of a group.
Lanes sums_of(const std::int8_t* group) {
  const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi8(1);
  const __m256i w0 = load(group), w1 = load(group + 32);
  const __m256i p0 = _mm256_maddubs_epi16(_mm256_max_epi8(w0, zero), ones);
  const __m256i p1 = _mm256_maddubs_epi16(_mm256_max_epi8(w1, zero), ones);
  const __m256i q0 = _mm256_maddubs_epi16(_mm256_sub_epi8(zero, _mm256_min_epi8(w0, zero)), ones);
  const __m256i q1 = _mm256_maddubs_epi16(_mm256_sub_epi8(zero, _mm256_min_epi8(w1, zero)), ones);
  return {_mm256_packus_epi16(p0, p1), _mm256_packus_epi16(q0, q1)};
}

/// The depth that windows may have: the greatest if that many groups are likely to fit.
int depth_limit(const std::int8_t* weights, std::int64_t groups) {
  __m256i positive[2] = {}, negative[2] = {};  // per lane, 32-bit sums of two lanes
  const __m256i ones = _mm256_set1_epi16(1), zero = _mm256_setzero_si256();
  const std::int64_t some = groups < 256 ? groups : 256;
  for (std::int64_t i = 0; i < some; ++i) {
    const Lanes sums = sums_of(weights + groups * i / some * u8s8_group_bytes);
    for (int h = 0; h < 2; ++h) {
      const auto words = [&](__m256i x) {
        return h == 0 ? _mm256_unpacklo_epi8(x, zero) : _mm256_unpackhi_epi8(x, zero);
      };
      positive[h] = _mm256_add_epi32(positive[h], _mm256_madd_epi16(words(sums.positive), ones));
      negative[h] = _mm256_add_epi32(negative[h], _mm256_madd_epi16(words(sums.negative), ones));
    }
  }
  const __m256i most = _mm256_max_epi32(_mm256_max_epi32(positive[0], positive[1]),
                                        _mm256_max_epi32(negative[0], negative[1]));
  alignas(32) std::int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), most);
  std::int64_t largest = 0;
  for (std::int32_t x : lanes) largest = x > largest ? x : largest;
  // Twice the mean of a lane: it must fit 8 times, with room for a fifth more.
  return largest * u8s8_most_depth * 6 / 5 <= 2 * 255 * some ? u8s8_most_depth : usual_depth;
}

}  // namespace

std::int64_t find_windows_avx2(const std::int8_t* weights, std::int64_t groups,
                               std::uint32_t* window, std::uint8_t* depth) {
  Lanes room[most_open];            // what each open window still takes, oldest first
  std::uint32_t number[most_open];  // its number
  const int limit = depth_limit(weights, groups);
  int open = 0;
  std::uint32_t windows = 0;
  const auto close = [&](int i) {
    for (--open; i < open; ++i) {
      room[i] = room[i + 1];
      number[i] = number[i + 1];
    }
  };

  for (std::int64_t g = 0; g < groups; ++g) {
    const Lanes sums = sums_of(weights + g * u8s8_group_bytes);
    int i = 0;
    for (; i < open; ++i) {
      const __m256i excess = _mm256_or_si256(_mm256_subs_epu8(sums.positive, room[i].positive),
                                             _mm256_subs_epu8(sums.negative, room[i].negative));
      if (_mm256_testz_si256(excess, excess)) break;
    }
    if (i == open) {
      if (open == most_open) {
        close(0);
        --i;
      }
      ++open;
      room[i] = {_mm256_set1_epi8(-1), _mm256_set1_epi8(-1)};
      depth[windows] = 0;
      number[i] = windows++;
    }
    room[i].positive = _mm256_sub_epi8(room[i].positive, sums.positive);
    room[i].negative = _mm256_sub_epi8(room[i].negative, sums.negative);
    window[g] = number[i];
    if (++depth[number[i]] == limit) close(i);
  }
  return windows;
}

}  // namespace adze::kernels
