#include <cstdint>
#include <immintrin.h>

#include "gemm_sparse_256.h"
#include "gemm_sparse_channels.h"
#include "gemm_sparse_dot_avx512vnni.h"
#include "gemm_sparse_few.h"
#include "gemm_sparse_panel.h"

namespace adze::kernels {

namespace {

using D = DotAvx512Vnni;
using D256 = DotAvx512Vnni256;
using Few = SparseFew<D256>;
using Kernels256 = Sparse256<D256>;

int panel_of_64(std::int64_t left) {
  return left > 32 ? 64 : Kernels256::panel_of_32(left);
}

template <bool contiguous>
void rows_1(const SparseJob& x) {
  if (x.rows > 32) return SparsePanel<D, 1, 4, contiguous>::run(x);
  if (x.rows > 16) return SparsePanel<D, 1, 2, contiguous>::run(x);
  return x.rows > 8 ? SparsePanel<D, 1, 1, contiguous>::run(x)
                    : SparsePanel<D256, 1, 1, contiguous>::run(x);
}

void rows_4(const SparseJob& x) {
  if (x.rows > 16) return SparsePanel<D, 4, 2, false>::run(x);
  return x.rows > 8 ? SparsePanel<D, 4, 1, false>::run(x) : SparsePanel<D256, 4, 1, false>::run(x);
}

void channels_16(const SparseJob& x) {
  switch (x.rows) {
    case 8:
      return SparseChannels<D, 1, 8>::run(x);
    case 4:
      return SparseChannels<D, 1, 4>::run(x);
    case 2:
      return SparseChannels<D, 1, 2>::run(x);
    default:
      return SparseChannels<D, 1, 1>::run(x);
  }
}

constexpr auto in_place = SparseInput::rows;
constexpr auto panel = SparseInput::panel;
constexpr auto spread = SparseInput::spread;

}  // namespace

const SparseKernel u8s8_sparse_1x4_dot_avx512vnni{"u8s8_sparse_1x4_dot_avx512vnni",
                                                  Isa::avx512vnni,
                                                  1,
                                                  4,
                                                  false,
                                                  1,
                                                  spread,
                                                  Kernels256::one,
                                                  Few::run_1x4};
const SparseKernel u8s8_sparse_1x4_rows_avx512vnni{"u8s8_sparse_1x4_rows_avx512vnni",
                                                   Isa::avx512vnni,
                                                   1,
                                                   4,
                                                   false,
                                                   0,
                                                   panel,
                                                   panel_of_64,
                                                   rows_1<false>};
const SparseKernel u8s8_sparse_1x16_dot_avx512vnni{"u8s8_sparse_1x16_dot_avx512vnni",
                                                   Isa::avx512vnni,
                                                   1,
                                                   16,
                                                   false,
                                                   3,
                                                   in_place,
                                                   Kernels256::up_to_4,
                                                   Few::run_1x16_any};
const SparseKernel u8s8_sparse_1x16_rows_avx512vnni{"u8s8_sparse_1x16_rows_avx512vnni",
                                                    Isa::avx512vnni,
                                                    1,
                                                    16,
                                                    false,
                                                    0,
                                                    panel,
                                                    panel_of_64,
                                                    rows_1<true>};
const SparseKernel u8s8_sparse_4x4_two_avx512vnni{"u8s8_sparse_4x4_two_avx512vnni",
                                                  Isa::avx512vnni,
                                                  4,
                                                  4,
                                                  false,
                                                  4,
                                                  spread,
                                                  Kernels256::up_to_4,
                                                  Few::run_two_any};
const SparseKernel u8s8_sparse_4x4_rows_avx512vnni{
    "u8s8_sparse_4x4_rows_avx512vnni", Isa::avx512vnni, 4, 4, false, 0, panel,
    Kernels256::panel_of_32,           rows_4};
const SparseKernel u8s8_sparse_8x4_avx512vnni{
    "u8s8_sparse_8x4_avx512vnni", Isa::avx512vnni,       8, 4, false, 0, in_place,
    Kernels256::power_up_to_8,    Kernels256::channels_8};
const SparseKernel u8s8_sparse_16x4_avx512vnni{
    "u8s8_sparse_16x4_avx512vnni", Isa::avx512vnni, 16, 4, false, 0, in_place,
    Kernels256::power_up_to_8,     channels_16};
const SparseKernel u8s8_sparse_8x1_few_avx512vnni{"u8s8_sparse_8x1_few_avx512vnni",
                                                  Isa::avx512vnni,
                                                  8,
                                                  1,
                                                  false,
                                                  2,
                                                  in_place,
                                                  Kernels256::one,
                                                  Few::run_8x1_few};
const SparseKernel u8s8_sparse_8x1_rows_avx512vnni{"u8s8_sparse_8x1_rows_avx512vnni",
                                                   Isa::avx512vnni,
                                                   8,
                                                   1,
                                                   false,
                                                   0,
                                                   SparseInput::columns,
                                                   Kernels256::up_to_8,
                                                   Few::run_8x1};

// Those of AVX-VNNI in the other encoding, as far as the kernels above are not.
const SparseKernel u8s8_sparse_1x4_rows_ymm_avx512vnni{"u8s8_sparse_1x4_rows_ymm_avx512vnni",
                                                       Isa::avx512vnni,
                                                       1,
                                                       4,
                                                       false,
                                                       0,
                                                       panel,
                                                       Kernels256::panel_of_32,
                                                       Kernels256::rows_1<false>};
const SparseKernel u8s8_sparse_1x16_rows_ymm_avx512vnni{"u8s8_sparse_1x16_rows_ymm_avx512vnni",
                                                        Isa::avx512vnni,
                                                        1,
                                                        16,
                                                        false,
                                                        0,
                                                        panel,
                                                        Kernels256::panel_of_32,
                                                        Kernels256::rows_1<true>};
const SparseKernel u8s8_sparse_4x4_rows_ymm_avx512vnni{"u8s8_sparse_4x4_rows_ymm_avx512vnni",
                                                       Isa::avx512vnni,
                                                       4,
                                                       4,
                                                       false,
                                                       0,
                                                       panel,
                                                       Kernels256::panel_of_16,
                                                       Kernels256::rows_4};
const SparseKernel u8s8_sparse_16x4_ymm_avx512vnni{
    "u8s8_sparse_16x4_ymm_avx512vnni", Isa::avx512vnni,        16, 4, false, 0, in_place,
    Kernels256::power_up_to_4,         Kernels256::channels_16};

}  // namespace adze::kernels
