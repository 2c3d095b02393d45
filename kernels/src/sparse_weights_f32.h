/// \file
/// The layout of SparseWeightsF32.
#pragma once

#include <cstdint>
#include <vector>

#include "adze/kernels/gemm_sparse.h"

#include "gemm_sparse_f32_kernel.h"
#include "sparse_weights.h"

namespace adze::kernels::detail {

struct SparseWeightsF32Data {
  BlockShape block;
  std::int64_t blocks = 0;
  SparseF32View view{};
  std::vector<std::uint32_t> lists;
  std::vector<std::uint16_t> index;
  AlignedArray<float> values;

  std::int64_t nonzero_blocks() const { return static_cast<std::int64_t>(index.size()); }
};

}  // namespace adze::kernels::detail
