#include <cstdint>
#include <immintrin.h>

#include "gemm_sparse_kernel.h"
#include "unroll.h"
#include "vectors_256.h"

namespace adze::kernels {

namespace {

std::int32_t most(const std::uint8_t* a, std::int64_t n) {
  __m256i most = _mm256_setzero_si256(), second = most;
  std::int64_t i = 0;
  for (; i + 128 <= n; i += 128) {
    most = _mm256_max_epu8(_mm256_max_epu8(most, load(a + i)), load(a + i + 32));
    second = _mm256_max_epu8(_mm256_max_epu8(second, load(a + i + 64)), load(a + i + 96));
  }
  most = _mm256_max_epu8(most, second);
  for (; i + 32 <= n; i += 32) most = _mm256_max_epu8(most, load(a + i));
  __m128i x = _mm_max_epu8(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
  x = _mm_max_epu8(x, _mm_srli_si128(x, 8));
  x = _mm_max_epu8(x, _mm_srli_si128(x, 4));
  x = _mm_max_epu8(x, _mm_srli_si128(x, 2));
  x = _mm_max_epu8(x, _mm_srli_si128(x, 1));
  std::int32_t result = _mm_cvtsi128_si32(x) & 255;
  for (; i < n; ++i) {
    if (a[i] > result) result = a[i];
  }
  return result;
}

void start(const std::int32_t* sums, const std::int32_t* k_zw, std::int64_t n, std::int32_t za,
           std::int32_t* start) {
  const __m256i z = _mm256_set1_epi32(za);
  for (std::int64_t c = 0; c < n; c += 8) {
    const __m256i zw = k_zw != nullptr ? load(k_zw + c) : _mm256_setzero_si256();
    store(start + c, _mm256_mullo_epi32(z, _mm256_sub_epi32(zw, load(sums + c))));
  }
}

/// The bytes of a row from p on, as far as they exist, and zeros.
__m256i load_some(const std::uint8_t* row, std::int64_t p, std::int64_t k) {
  if (row == nullptr) return _mm256_setzero_si256();
  if (p + 32 <= k) return load(row + p);
  alignas(32) std::uint8_t buffer[32] = {};
  for (std::int64_t i = p; i < k; ++i) buffer[i - p] = row[i];
  return load(buffer);
}

void make_panel(const std::uint8_t* a, std::int64_t lda, int rows, std::int64_t k, int panel_rows,
                std::uint8_t* panel) {
  const std::int64_t step = 4 * panel_rows;
  for (int i = 0; i < panel_rows; i += 8, panel += 32) {
    const std::uint8_t* row[8];
    for (int r = 0; r < 8; ++r) row[r] = i + r < rows ? a + (i + r) * lda : nullptr;
    std::int64_t p = 0;
    if (i + 8 <= rows) {
      for (; p + 32 <= k; p += 32) {
        __m256i v[8];
        unroll<8>([&](auto r) __attribute__((always_inline)) { v[r] = load(row[r] + p); });
        transpose(v);
        unroll<8>([&](auto r)
                      __attribute__((always_inline)) { store(panel + (p / 4 + r) * step, v[r]); });
      }
    }
    for (; p < k; p += 32) {
      __m256i v[8];
      for (int r = 0; r < 8; ++r) v[r] = load_some(row[r], p, k);
      transpose(v);
      const int groups = k - p > 16 ? 8 : 4;
      for (int r = 0; r < groups; ++r) store(panel + (p / 4 + r) * step, v[r]);
    }
  }
}

void make_columns(const std::uint8_t* a, std::int64_t lda, int rows, std::int64_t k,
                  std::uint8_t* columns) {
  const std::uint8_t* row[8];
  for (int r = 0; r < 8; ++r) row[r] = a + (r < rows ? r : rows - 1) * lda;
  std::int64_t p = 0;
  for (; p + 16 <= k; p += 16, columns += 128) {
    __m128i r[8], s[8];
    unroll<8>([&](auto i) __attribute__((always_inline)) {
      r[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row[i] + p));
    });
    // Bytes of rows 0 4, 1 5, 2 6, 3 7; then 0 2 4 6, 1 3 5 7; then all.
    unroll<4>([&](auto i) __attribute__((always_inline)) {
      s[i] = _mm_unpacklo_epi8(r[i], r[i + 4]);
      s[i + 4] = _mm_unpackhi_epi8(r[i], r[i + 4]);
    });
    unroll<2>([&](auto h) __attribute__((always_inline)) {
      const __m128i a0 = _mm_unpacklo_epi8(s[4 * h], s[4 * h + 2]);
      const __m128i a1 = _mm_unpackhi_epi8(s[4 * h], s[4 * h + 2]);
      const __m128i b0 = _mm_unpacklo_epi8(s[4 * h + 1], s[4 * h + 3]);
      const __m128i b1 = _mm_unpackhi_epi8(s[4 * h + 1], s[4 * h + 3]);
      auto* to = reinterpret_cast<__m128i*>(columns + 64 * h);
      _mm_storeu_si128(to, _mm_unpacklo_epi8(a0, b0));
      _mm_storeu_si128(to + 1, _mm_unpackhi_epi8(a0, b0));
      _mm_storeu_si128(to + 2, _mm_unpacklo_epi8(a1, b1));
      _mm_storeu_si128(to + 3, _mm_unpackhi_epi8(a1, b1));
    });
  }
  for (; p < k; ++p) {
    for (int i = 0; i < 8; ++i) *columns++ = row[i][p];
  }
}

}  // namespace

const SparseHelpers sparse_helpers_avx2{
    store_sparse_avx2, store_sparse_transposed_avx2, most, start, make_panel, make_columns};

}  // namespace adze::kernels
