#include <arm_neon.h>
#include <cstdint>

#include "gemm_f32_kernel.h"
#include "gemm_f32_tile.h"

namespace adze::kernels {

namespace {

// 6 × 16: 24 registers of sums, 4 of b, 1 of a. One row is wider, to have enough independent sums.
constexpr int most_rows = 6;
constexpr int vectors_for(int rows) {
  return rows == 1 ? 8 : 4;
}

struct Floats {
  using F = float32x4_t;
  using Part = int;
  static constexpr int width = 4;
  static constexpr bool reads_exactly = false;

  static F load(const float* x) { return vld1q_f32(x); }
  static void store(float* x, F v) { vst1q_f32(x, v); }
  static F all(float x) { return vdupq_n_f32(x); }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F multiply_add(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F relu(F x) {  // NaN and -0 stay
    const F zero = vdupq_n_f32(0.0f);
    return vbslq_f32(vcltq_f32(x, zero), zero, x);
  }

  static Part part(int count) { return count; }
  static F load_part(const float* x, Part count) {
    float values[width] = {};
    for (int i = 0; i < width; ++i) values[i] = i < count ? x[i] : 0.0f;
    return load(values);
  }
  static void store_part(float* x, Part count, F v) {
    float values[width];
    store(values, v);
    for (int i = 0; i < width; ++i) {
      if (i < count) x[i] = values[i];
    }
  }
};

using Tiles = F32Tiles<Floats, most_rows, vectors_for>;

void copy(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out) {
  for (std::int64_t p = 0; p < k; ++p, x += ldx, out += 16) {
    if (n == 16) {
      for (int j = 0; j < 16; j += 4) vst1q_f32(out + j, vld1q_f32(x + j));
    } else {
      for (std::int64_t j = 0; j < n; ++j) out[j] = x[j];
    }
  }
}

void transpose(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t k, float* out) {
  std::int64_t j = 0;
  for (; j + 4 <= n; j += 4) {
    const float* rows = x + j * ldx;
    std::int64_t p = 0;
    for (; p + 4 <= k; p += 4) {
      const float32x4x2_t a = vtrnq_f32(vld1q_f32(rows + p), vld1q_f32(rows + ldx + p));
      const float32x4x2_t b =
          vtrnq_f32(vld1q_f32(rows + 2 * ldx + p), vld1q_f32(rows + 3 * ldx + p));
      float* to = out + p * 16 + j;
      vst1q_f32(to, vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0])));
      vst1q_f32(to + 16, vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1])));
      vst1q_f32(to + 32, vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0])));
      vst1q_f32(to + 48, vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1])));
    }
    for (; p < k; ++p) {
      for (int i = 0; i < 4; ++i) out[p * 16 + j + i] = rows[i * ldx + p];
    }
  }
  for (; j < n; ++j) {
    for (std::int64_t p = 0; p < k; ++p) out[p * 16 + j] = x[j * ldx + p];
  }
}

}  // namespace

const F32Kernel f32_gemm_6x16_neon{"f32_gemm_6x16_neon",
                                   Isa::neon,
                                   most_rows,
                                   Floats::width,
                                   [](int rows) { return Floats::width * vectors_for(rows); },
                                   Floats::width,
                                   48,
                                   nullptr,
                                   Tiles::any,
                                   Tiles::row,
                                   0,
                                   nullptr,
                                   nullptr,
                                   copy,
                                   transpose};

}  // namespace adze::kernels
