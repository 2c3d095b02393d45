#include "activations.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "scratch.h"

namespace adze::kernels {

namespace {

thread_local Scratch a_scratch;
thread_local Scratch row_sum_scratch;

}  // namespace

Activations Activations::of_floats(const float* a, std::int64_t lda, std::int64_t m,
                                   const Affine& params) {
  Activations activations;
  activations.floats = a;
  activations.affine = make_row(params);
  activations.ld = lda;
  activations.rows = m;
  return activations;
}

OutputStage with_activations(const OutputStage& stage, const Affine& params) {
  OutputStage known = stage;
  known.a_zero_point = params.zero_point;
  known.a_max = params.qmax;
  return known;
}

ActivationBlock copied_block(const Activations& a, std::int64_t row, std::int64_t rows,
                             std::int64_t k, std::int64_t padded) {
  auto* out = a_scratch.get<std::uint8_t>(static_cast<std::size_t>(rows * padded));
  for (std::int64_t i = 0; i < rows; ++i) {
    std::uint8_t* to = out + i * padded;
    if (a.floats != nullptr) {
      quantize_table().quantize_u8(a.floats + (row + i) * a.ld, k, a.affine, to);
    } else {
      std::copy_n(a.bytes + (row + i) * a.ld, k, to);
    }
    std::fill(to + k, to + padded, std::uint8_t{0});
  }
  return {out, padded};
}

const std::int32_t* row_sums(const ActivationBlock& block, std::int64_t rows, std::int64_t k) {
  auto* sums = row_sum_scratch.get<std::int32_t>(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i) {
    std::int32_t sum = 0;
    for (std::int64_t p = 0; p < k; ++p) sum += block.a[i * block.lda + p];
    sums[i] = sum;
  }
  return sums;
}

void fail_a_max(std::int32_t promised) {
  throw std::runtime_error("gemm_u8s8: an activation is above the promised a_max " +
                           std::to_string(promised));
}

}  // namespace adze::kernels
