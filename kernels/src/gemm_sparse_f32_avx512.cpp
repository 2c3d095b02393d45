#include <cstdint>
#include <immintrin.h>

#include "gemm_sparse_f32_kernel.h"
#include "gemm_sparse_f32_lanes_avx2.h"
#include "gemm_sparse_f32_loops.h"

namespace adze::kernels {

namespace {

struct LanesAvx512 {
  using V = __m512;
  static constexpr int lanes = 16;
  static V zero() { return _mm512_setzero_ps(); }
  static V load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, V x) { _mm512_storeu_ps(p, x); }
  static V broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
};

using L8 = SparseLanesAvx2x8;
using L16 = LanesAvx512;

int power_up_to_8(std::int64_t left) {
  return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}
int panel_of_32(std::int64_t left) {
  return left > 16 ? 32 : left > 8 ? 16 : 8;
}
int panel_of_64(std::int64_t left) {
  return left > 32 ? 64 : panel_of_32(left);
}

void channels_16(const SparseF32Job& x) {
  switch (x.rows) {
    case 8:
      return SparseF32Channels<L16, 4, 1, 8, 1>::run(x);
    case 4:
      return SparseF32Channels<L16, 4, 1, 4, 1>::run(x);
    case 2:
      return SparseF32Channels<L16, 4, 1, 2, 2>::run(x);
    default:
      return SparseF32Channels<L16, 4, 1, 1, 4>::run(x);
  }
}

template <int cols>
void rows_1(const SparseF32Job& x) {
  if (x.rows > 32) return SparseF32Panel<L16, cols, 1, 4>::run(x);
  if (x.rows > 16) return SparseF32Panel<L16, cols, 1, 2>::run(x);
  return x.rows > 8 ? SparseF32Panel<L16, cols, 1, 1>::run(x)
                    : SparseF32Panel<L8, cols, 1, 1>::run(x);
}

void rows_4(const SparseF32Job& x) {
  if (x.rows > 16) return SparseF32Panel<L16, 4, 4, 2>::run(x);
  return x.rows > 8 ? SparseF32Panel<L16, 4, 4, 1>::run(x) : SparseF32Panel<L8, 4, 4, 1>::run(x);
}

}  // namespace

const SparseF32Kernel f32_sparse_1x1_rows_avx512{
    "f32_sparse_1x1_rows_avx512", Isa::avx512, 1, 1, 0, true, panel_of_64, rows_1<1>};
const SparseF32Kernel f32_sparse_1x4_rows_avx512{
    "f32_sparse_1x4_rows_avx512", Isa::avx512, 1, 4, 0, true, panel_of_64, rows_1<4>};
const SparseF32Kernel f32_sparse_4x4_rows_avx512{
    "f32_sparse_4x4_rows_avx512", Isa::avx512, 4, 4, 0, true, panel_of_32, rows_4};
const SparseF32Kernel f32_sparse_16x4_avx512{
    "f32_sparse_16x4_avx512", Isa::avx512, 16, 4, 0, false, power_up_to_8, channels_16};

}  // namespace adze::kernels
