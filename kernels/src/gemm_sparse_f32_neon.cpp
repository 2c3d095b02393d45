#include <arm_neon.h>
#include <cstdint>

#include "gemm_sparse_f32_kernel.h"
#include "gemm_sparse_f32_loops.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

struct L1 {
  using V = float;
  static constexpr int lanes = 1;
  static V zero() { return 0.0f; }
  static V load(const float* p) { return *p; }
  static void store(float* p, V x) { *p = x; }
  static V broadcast(const float* p) { return *p; }
  static V fma(V a, V b, V c) { return __builtin_fmaf(a, b, c); }
};

struct L4 {
  using V = float32x4_t;
  static constexpr int lanes = 4;
  static V zero() { return vdupq_n_f32(0.0f); }
  static V load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, V x) { vst1q_f32(p, x); }
  static V broadcast(const float* p) { return vld1q_dup_f32(p); }
  static V fma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
};

/// 4 × 4: r[i] holds value i of all four afterwards.
[[gnu::always_inline]] inline void transpose(float32x4_t (&r)[4]) {
  const float32x4_t a = vzip1q_f32(r[0], r[2]), b = vzip2q_f32(r[0], r[2]);
  const float32x4_t c = vzip1q_f32(r[1], r[3]), d = vzip2q_f32(r[1], r[3]);
  r[0] = vzip1q_f32(a, c);
  r[1] = vzip2q_f32(a, c);
  r[2] = vzip1q_f32(b, d);
  r[3] = vzip2q_f32(b, d);
}

/// Adds the bias, applies the ReLU (NaN and -0 stay) and stores the `columns` that exist.
[[gnu::always_inline]] inline void finish(float32x4_t v, std::int64_t channel, int row, int columns,
                                          const SparseF32Output& out) {
  float* to = out.c + row * out.ldc + channel;
  if (columns >= 4) {
    if (out.bias != nullptr) v = vaddq_f32(v, vld1q_f32(out.bias + channel));
    if (out.relu) v = vbslq_f32(vcltzq_f32(v), vdupq_n_f32(0.0f), v);
    vst1q_f32(to, v);
    return;
  }
  float values[4];
  vst1q_f32(values, v);
  for (int c = 0; c < columns; ++c) {
    const float x = out.bias != nullptr ? values[c] + out.bias[channel + c] : values[c];
    to[c] = out.relu && x < 0.0f ? 0.0f : x;
  }
}

void store(const float* sums, std::int64_t ld, int rows, std::int64_t channel, int columns,
           const SparseF32Output& out) {
  for (int i = 0; i < rows; ++i) {
    for (int c = 0; c < columns; c += 4) {
      finish(vld1q_f32(sums + i * ld + c), channel + c, i, columns - c, out);
    }
  }
}

void store_transposed(const float* sums, std::int64_t ld, int rows, std::int64_t channel,
                      int columns, const SparseF32Output& out) {
  for (int c = 0; c < columns; c += 4) {
    for (int i = 0; i < rows; i += 4) {
      float32x4_t v[4];
      unroll<4>([&](auto j)
                    __attribute__((always_inline)) { v[j] = vld1q_f32(sums + (c + j) * ld + i); });
      transpose(v);
      unroll<4>([&](auto r) __attribute__((always_inline)) {
        if (i + r < rows) finish(v[r], channel + c, i + r, columns - c, out);
      });
    }
  }
}

void make_panel(const float* a, std::int64_t lda, int rows, std::int64_t k, int panel_rows,
                float* panel) {
  for (int i = 0; i < panel_rows; i += 4) {
    float* to = panel + i;
    std::int64_t p = 0;
    if (i + 4 <= rows) {
      for (; p + 4 <= k; p += 4) {
        float32x4_t v[4];
        unroll<4>([&](auto r)
                      __attribute__((always_inline)) { v[r] = vld1q_f32(a + (i + r) * lda + p); });
        transpose(v);
        unroll<4>([&](auto r) __attribute__((always_inline)) {
          vst1q_f32(to + (p + r) * panel_rows, v[r]);
        });
      }
    }
    for (; p < (k + 3) / 4 * 4; ++p) {
      for (int r = 0; r < 4; ++r) {
        to[p * panel_rows + r] = i + r < rows && p < k ? a[(i + r) * lda + p] : 0.0f;
      }
    }
  }
}

int power_up_to_4(std::int64_t left) {
  return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}
int power_up_to_8(std::int64_t left) {
  return left >= 8 ? 8 : power_up_to_4(left);
}
int panel_of_16(std::int64_t left) {
  return left > 8 ? 16 : 8;
}
int panel_of_32(std::int64_t left) {
  return left > 16 ? 32 : panel_of_16(left);
}

/// NV registers of channels × up to R rows; fewer rows leave room for G times as many groups.
template <class L, int cols, int NV, int R, int G>
void channels(const SparseF32Job& x) {
  if constexpr (R > 1) {
    if (x.rows < R) return channels<L, cols, NV, R / 2, G * 2>(x);
  }
  SparseF32Channels<L, cols, NV, R, G>::run(x);
}

template <int cols>
void rows_1(const SparseF32Job& x) {
  if (x.rows > 16) return SparseF32Panel<L4, cols, 1, 8>::run(x);
  return x.rows > 8 ? SparseF32Panel<L4, cols, 1, 4>::run(x)
                    : SparseF32Panel<L4, cols, 1, 2>::run(x);
}

void rows_4(const SparseF32Job& x) {
  return x.rows > 8 ? SparseF32Panel<L4, 4, 4, 4>::run(x) : SparseF32Panel<L4, 4, 4, 2>::run(x);
}

}  // namespace

const SparseF32Kernel f32_sparse_1x1_few_neon{
    "f32_sparse_1x1_few_neon", Isa::neon, 1, 1, 4, false, power_up_to_4, channels<L1, 1, 1, 4, 2>};
const SparseF32Kernel f32_sparse_1x1_rows_neon{
    "f32_sparse_1x1_rows_neon", Isa::neon, 1, 1, 0, true, panel_of_32, rows_1<1>};
const SparseF32Kernel f32_sparse_1x4_few_neon{
    "f32_sparse_1x4_few_neon", Isa::neon, 1, 4, 4, false, power_up_to_4, channels<L1, 4, 1, 4, 2>};
const SparseF32Kernel f32_sparse_1x4_rows_neon{
    "f32_sparse_1x4_rows_neon", Isa::neon, 1, 4, 0, true, panel_of_32, rows_1<4>};
const SparseF32Kernel f32_sparse_4x4_few_neon{
    "f32_sparse_4x4_few_neon", Isa::neon, 4, 4, 4, false, power_up_to_4, channels<L4, 4, 1, 4, 2>};
const SparseF32Kernel f32_sparse_4x4_rows_neon{
    "f32_sparse_4x4_rows_neon", Isa::neon, 4, 4, 0, true, panel_of_16, rows_4};
const SparseF32Kernel f32_sparse_8x4_neon{
    "f32_sparse_8x4_neon", Isa::neon, 8, 4, 0, false, power_up_to_8, channels<L4, 4, 2, 8, 1>};
const SparseF32Kernel f32_sparse_16x4_neon{
    "f32_sparse_16x4_neon", Isa::neon, 16, 4, 0, false, power_up_to_4, channels<L4, 4, 4, 4, 1>};

const SparseF32Helpers sparse_f32_helpers_neon{store, store_transposed, make_panel};

}  // namespace adze::kernels
