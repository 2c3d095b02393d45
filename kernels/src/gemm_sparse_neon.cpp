#include "gemm_sparse_neon.h"

#include <arm_neon.h>
#include <cstdint>

#include "gemm_sparse_kernel.h"

namespace adze::kernels {

namespace {

/// A product of two signed bytes fits 16 bits, the sum of two may not: pairs are added in 32 bits.
struct Dot : DotNeonBase<Dot> {
  static constexpr int chains = 1;
  /// Each lane's products in two parts, of its first and of its last two bytes.
  struct Sum {
    V low, high;
  };

  static Sum first(V, V a, V w) {
    const int8x16_t x = less_128(a), y = vreinterpretq_s8_s32(w);
    return {vpaddlq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(y))),
            vpaddlq_s16(vmull_high_s8(x, y))};
  }
  static Sum next(Sum sum, V a, V w) {
    const int8x16_t x = less_128(a), y = vreinterpretq_s8_s32(w);
    return {vpadalq_s16(sum.low, vmull_s8(vget_low_s8(x), vget_low_s8(y))),
            vpadalq_s16(sum.high, vmull_high_s8(x, y))};
  }
  static V end(V acc, Sum sum) { return vaddq_s32(acc, vpaddq_s32(sum.low, sum.high)); }
};

}  // namespace

namespace {

using Kernels = SparseNeon<Dot>;

constexpr auto in_place = SparseInput::rows;
constexpr auto panel = SparseInput::panel;
constexpr auto columns = SparseInput::columns;

}  // namespace

const SparseKernel u8s8_sparse_1x4_dot_neon{
    "u8s8_sparse_1x4_dot_neon",  Isa::neon, 1, 4, false, 2, in_place, Kernels::one,
    Kernels::dot_products<false>};
const SparseKernel u8s8_sparse_1x4_rows_neon{
    "u8s8_sparse_1x4_rows_neon", Isa::neon, 1, 4, false, 0, panel, Kernels::panel_of_32,
    Kernels::rows_1<false>};
const SparseKernel u8s8_sparse_1x16_dot_neon{
    "u8s8_sparse_1x16_dot_neon", Isa::neon, 1, 16, false, 4, in_place, Kernels::one,
    Kernels::dot_products<true>};
const SparseKernel u8s8_sparse_1x16_rows_neon{
    "u8s8_sparse_1x16_rows_neon", Isa::neon, 1, 16, false, 0, panel, Kernels::panel_of_32,
    Kernels::rows_1<true>};
const SparseKernel u8s8_sparse_4x4_few_neon{
    "u8s8_sparse_4x4_few_neon", Isa::neon, 4, 4, false, 4, in_place, Kernels::power_up_to_4,
    Kernels::channels<1, 4>};
const SparseKernel u8s8_sparse_4x4_rows_neon{
    "u8s8_sparse_4x4_rows_neon", Isa::neon,      4, 4, false, 0, panel,
    Kernels::panel_of_8,         Kernels::rows_4};
const SparseKernel u8s8_sparse_8x4_neon{
    "u8s8_sparse_8x4_neon", Isa::neon, 8, 4, false, 0, in_place, Kernels::power_up_to_4,
    Kernels::channels<2, 4>};
const SparseKernel u8s8_sparse_16x4_neon{
    "u8s8_sparse_16x4_neon", Isa::neon, 16, 4, false, 0, in_place, Kernels::up_to_2,
    Kernels::channels<4, 2>};
const SparseKernel u8s8_sparse_8x1_few_neon{"u8s8_sparse_8x1_few_neon",
                                            Isa::neon,
                                            8,
                                            1,
                                            false,
                                            3,
                                            in_place,
                                            Kernels::one,
                                            Kernels::few_8x1};
const SparseKernel u8s8_sparse_8x1_rows_neon{
    "u8s8_sparse_8x1_rows_neon", Isa::neon, 8, 1, false, 0, columns, Kernels::up_to_8,
    Kernels::columns_8x1};

}  // namespace adze::kernels
