#include <arm_neon.h>
#include <cstdint>

#include "gemm_sparse_kernel.h"
#include "gemm_sparse_neon.h"

namespace adze::kernels {

namespace {

/// sdot adds four products in 32 bits, exact for all values.
struct Dot : DotNeonBase<Dot> {
  static constexpr int chains = 8;

  static V first(V acc, V a, V w) { return vdotq_s32(acc, less_128(a), vreinterpretq_s8_s32(w)); }
  static V next(V sum, V a, V w) { return first(sum, a, w); }
  static V end(V, V sum) { return sum; }
};

}  // namespace

namespace {

using Kernels = SparseNeon<Dot>;

constexpr auto in_place = SparseInput::rows;
constexpr auto panel = SparseInput::panel;
constexpr auto columns = SparseInput::columns;

}  // namespace

const SparseKernel u8s8_sparse_1x4_dot_neondot{
    "u8s8_sparse_1x4_dot_neondot", Isa::neondot, 1, 4, false, 2, in_place, Kernels::one,
    Kernels::dot_products<false>};
const SparseKernel u8s8_sparse_1x4_rows_neondot{
    "u8s8_sparse_1x4_rows_neondot", Isa::neondot,          1, 4, false, 0, panel,
    Kernels::panel_of_32,           Kernels::rows_1<false>};
const SparseKernel u8s8_sparse_1x16_dot_neondot{
    "u8s8_sparse_1x16_dot_neondot", Isa::neondot, 1, 16, false, 4, in_place, Kernels::one,
    Kernels::dot_products<true>};
const SparseKernel u8s8_sparse_1x16_rows_neondot{"u8s8_sparse_1x16_rows_neondot",
                                                 Isa::neondot,
                                                 1,
                                                 16,
                                                 false,
                                                 0,
                                                 panel,
                                                 Kernels::panel_of_32,
                                                 Kernels::rows_1<true>};
const SparseKernel u8s8_sparse_4x4_few_neondot{
    "u8s8_sparse_4x4_few_neondot", Isa::neondot,           4, 4, false, 4, in_place,
    Kernels::power_up_to_4,        Kernels::channels<1, 4>};
const SparseKernel u8s8_sparse_4x4_rows_neondot{"u8s8_sparse_4x4_rows_neondot",
                                                Isa::neondot,
                                                4,
                                                4,
                                                false,
                                                0,
                                                panel,
                                                Kernels::panel_of_8,
                                                Kernels::rows_4};
const SparseKernel u8s8_sparse_8x4_neondot{
    "u8s8_sparse_8x4_neondot", Isa::neondot,           8, 4, false, 0, in_place,
    Kernels::power_up_to_4,    Kernels::channels<2, 4>};
const SparseKernel u8s8_sparse_16x4_neondot{
    "u8s8_sparse_16x4_neondot", Isa::neondot,           16, 4, false, 0, in_place,
    Kernels::up_to_2,           Kernels::channels<4, 2>};
const SparseKernel u8s8_sparse_8x1_few_neondot{"u8s8_sparse_8x1_few_neondot",
                                               Isa::neondot,
                                               8,
                                               1,
                                               false,
                                               3,
                                               in_place,
                                               Kernels::one,
                                               Kernels::few_8x1};
const SparseKernel u8s8_sparse_8x1_rows_neondot{"u8s8_sparse_8x1_rows_neondot",
                                                Isa::neondot,
                                                8,
                                                1,
                                                false,
                                                0,
                                                columns,
                                                Kernels::up_to_8,
                                                Kernels::columns_8x1};

}  // namespace adze::kernels
