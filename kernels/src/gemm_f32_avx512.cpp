#include <cstdint>
#include <immintrin.h>

#include "gemm_f32_kernel.h"
#include "gemm_f32_tile.h"

namespace adze::kernels {

namespace {

// 12 × 32: 24 registers of sums, 2 of b, 1 of a. Tiles of fewer rows are wider.
constexpr int most_rows = 12;
constexpr int vectors_for(int rows) {
  return rows == 1 ? 8 : rows <= 6 ? 4 : 2;
}

struct Floats {
  using F = __m512;
  using Part = __mmask16;
  static constexpr int width = 16;
  static constexpr bool reads_exactly = true;

  static F load(const float* x) { return _mm512_loadu_ps(x); }
  static void store(float* x, F v) { _mm512_storeu_ps(x, v); }
  static F all(float x) { return _mm512_set1_ps(x); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F multiply_add(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F relu(F x) {  // NaN and -0 stay
    const F zero = _mm512_setzero_ps();
    return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ), zero);
  }

  /// Lanes below `count`.
  static Part part(int count) {
    return static_cast<Part>(count >= width ? 0xffff : (1 << count) - 1);
  }
  static F load_part(const float* x, Part lanes) { return _mm512_maskz_loadu_ps(lanes, x); }
  static void store_part(float* x, Part lanes, F v) { _mm512_mask_storeu_ps(x, lanes, v); }
};

using Tiles = F32Tiles<Floats, most_rows, vectors_for>;

void copy(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out) {
  const __mmask16 lanes = Floats::part(static_cast<int>(n));
  for (std::int64_t p = 0; p < k; ++p, x += ldx, out += 16) {
    _mm512_store_ps(out, _mm512_maskz_loadu_ps(lanes, x));
  }
}

}  // namespace

const F32Kernel f32_gemm_12x32_avx512{"f32_gemm_12x32_avx512",
                                      Isa::avx512,
                                      most_rows,
                                      Floats::width,
                                      [](int rows) { return Floats::width * vectors_for(rows); },
                                      1,
                                      INT64_MAX,
                                      &f32_gemm_6x16_avx2,
                                      Tiles::any,
                                      Tiles::row,
                                      f32_by_columns_rows_avx2,
                                      f32_by_columns_columns_avx2,
                                      f32_tile_by_columns_avx2,
                                      copy,
                                      f32_transpose_avx2};

}  // namespace adze::kernels
