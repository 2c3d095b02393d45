#include <cstdint>
#include <immintrin.h>

#include "gemm_sparse_256.h"
#include "gemm_sparse_dot_avx2.h"
#include "gemm_sparse_few.h"
#include "gemm_sparse_kernel.h"

namespace adze::kernels {

namespace {

/// vpdpbusd sums in 32 bits: windows need no bounds. See DotAvx2.
struct Dot : DotAvx2 {
  static constexpr int chains = 4;

  static V first(V acc, V a, V w) { return _mm256_dpbusd_avx_epi32(acc, a, w); }
  static V next(V sum, V a, V w) { return _mm256_dpbusd_avx_epi32(sum, a, w); }
  static V end(V, V sum) { return sum; }
};

using Few = SparseFew<Dot>;
using Kernels = Sparse256<Dot>;

constexpr auto in_place = SparseInput::rows;
constexpr auto panel = SparseInput::panel;
constexpr auto spread = SparseInput::spread;

}  // namespace

const SparseKernel u8s8_sparse_1x4_dot_avxvnni{"u8s8_sparse_1x4_dot_avxvnni",
                                               Isa::avxvnni,
                                               1,
                                               4,
                                               false,
                                               1,
                                               spread,
                                               Kernels::one,
                                               Few::run_1x4};
const SparseKernel u8s8_sparse_1x4_rows_avxvnni{
    "u8s8_sparse_1x4_rows_avxvnni", Isa::avxvnni,          1, 4, false, 0, panel,
    Kernels::panel_of_32,           Kernels::rows_1<false>};
const SparseKernel u8s8_sparse_1x16_dot_avxvnni{"u8s8_sparse_1x16_dot_avxvnni",
                                                Isa::avxvnni,
                                                1,
                                                16,
                                                false,
                                                3,
                                                in_place,
                                                Kernels::up_to_4,
                                                Few::run_1x16_any};
const SparseKernel u8s8_sparse_1x16_rows_avxvnni{"u8s8_sparse_1x16_rows_avxvnni",
                                                 Isa::avxvnni,
                                                 1,
                                                 16,
                                                 false,
                                                 0,
                                                 panel,
                                                 Kernels::panel_of_32,
                                                 Kernels::rows_1<true>};
const SparseKernel u8s8_sparse_4x4_two_avxvnni{"u8s8_sparse_4x4_two_avxvnni",
                                               Isa::avxvnni,
                                               4,
                                               4,
                                               false,
                                               4,
                                               spread,
                                               Kernels::up_to_4,
                                               Few::run_two_any};
const SparseKernel u8s8_sparse_4x4_rows_avxvnni{
    "u8s8_sparse_4x4_rows_avxvnni", Isa::avxvnni,   4, 4, false, 0, panel,
    Kernels::panel_of_16,           Kernels::rows_4};
const SparseKernel u8s8_sparse_8x4_avxvnni{
    "u8s8_sparse_8x4_avxvnni", Isa::avxvnni,       8, 4, false, 0, in_place,
    Kernels::power_up_to_8,    Kernels::channels_8};
const SparseKernel u8s8_sparse_16x4_avxvnni{
    "u8s8_sparse_16x4_avxvnni", Isa::avxvnni,        16, 4, false, 0, in_place,
    Kernels::power_up_to_4,     Kernels::channels_16};
const SparseKernel u8s8_sparse_8x1_few_avxvnni{"u8s8_sparse_8x1_few_avxvnni",
                                               Isa::avxvnni,
                                               8,
                                               1,
                                               false,
                                               2,
                                               in_place,
                                               Kernels::one,
                                               Few::run_8x1_few};
const SparseKernel u8s8_sparse_8x1_rows_avxvnni{
    "u8s8_sparse_8x1_rows_avxvnni", Isa::avxvnni,     8,           1, false, 0,
    SparseInput::columns,           Kernels::up_to_8, Few::run_8x1};

}  // namespace adze::kernels
