#include <cstdint>
#include <immintrin.h>

#include "gemm_sparse_256.h"
#include "gemm_sparse_dot_avx2.h"
#include "gemm_sparse_few.h"
#include "gemm_sparse_kernel.h"

namespace adze::kernels {

namespace {

using Few = SparseFew<DotAvx2>;
using Kernels = Sparse256<DotAvx2>;

constexpr auto in_place = SparseInput::rows;
constexpr auto panel = SparseInput::panel;
constexpr auto spread = SparseInput::spread;

}  // namespace

const SparseKernel u8s8_sparse_1x4_dot_avx2{
    "u8s8_sparse_1x4_dot_avx2", Isa::avx2, 1, 4, true, 1, spread, Kernels::one, Few::run_1x4};
const SparseKernel u8s8_sparse_1x4_rows_avx2{
    "u8s8_sparse_1x4_rows_avx2", Isa::avx2, 1, 4, true, 0, panel, Kernels::panel_of_32,
    Kernels::rows_1<false>};
const SparseKernel u8s8_sparse_1x16_dot_avx2{"u8s8_sparse_1x16_dot_avx2",
                                             Isa::avx2,
                                             1,
                                             16,
                                             true,
                                             4,
                                             in_place,
                                             Kernels::up_to_4,
                                             Few::run_1x16_any};
const SparseKernel u8s8_sparse_1x16_rows_avx2{
    "u8s8_sparse_1x16_rows_avx2", Isa::avx2, 1, 16, true, 0, panel, Kernels::panel_of_32,
    Kernels::rows_1<true>};
const SparseKernel u8s8_sparse_4x4_two_avx2{
    "u8s8_sparse_4x4_two_avx2", Isa::avx2,       4, 4, true, 3, spread,
    Kernels::up_to_4,           Few::run_two_any};
const SparseKernel u8s8_sparse_4x4_rows_avx2{
    "u8s8_sparse_4x4_rows_avx2", Isa::avx2,      4, 4, true, 0, panel,
    Kernels::panel_of_16,        Kernels::rows_4};
const SparseKernel u8s8_sparse_8x4_avx2{
    "u8s8_sparse_8x4_avx2", Isa::avx2,          8, 4, true, 0, in_place,
    Kernels::power_up_to_8, Kernels::channels_8};
const SparseKernel u8s8_sparse_16x4_avx2{
    "u8s8_sparse_16x4_avx2", Isa::avx2,           16, 4, true, 0, in_place,
    Kernels::power_up_to_4,  Kernels::channels_16};
const SparseKernel u8s8_sparse_8x1_few_avx2{
    "u8s8_sparse_8x1_few_avx2", Isa::avx2, 8, 1, true, 2, in_place, Kernels::one, Few::run_8x1_few};
const SparseKernel u8s8_sparse_8x1_rows_avx2{
    "u8s8_sparse_8x1_rows_avx2", Isa::avx2,        8,           1, true, 0,
    SparseInput::columns,        Kernels::up_to_8, Few::run_8x1};

}  // namespace adze::kernels
