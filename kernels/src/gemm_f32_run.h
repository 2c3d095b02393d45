/// \file
/// The part of gemm_f32 that one thread does.
#pragma once

#include <algorithm>
#include <cstdint>

#include "adze/kernels/gemm_f32.h"

#include "gemm_f32_kernel.h"

namespace adze::kernels {

/// The operands with their strides: (i, p) of a at a[i * a_row + p * a_step]; (p, j) of b at
/// b[p * b_step + j * b_column] or, if b is in groups of 16 columns, at b[j / 16 * b_group + p * 16
/// + j % 16].
struct F32Product {
  std::int64_t m, n, k;
  const float* a;
  std::int64_t a_row, a_step;
  const float* b;
  std::int64_t b_step, b_column;
  std::int64_t b_group;  ///< 0 if b is not in groups
  float* c;
  std::int64_t ldc;
  GemmF32Options options;

  bool in_groups() const { return b_group != 0; }

  /// Rows [from, to) of the result.
  F32Product rows(std::int64_t from, std::int64_t to) const {
    F32Product part = *this;
    part.m = to - from;
    part.a += from * a_row;
    part.c += from * ldc;
    return part;
  }

  /// Columns [from, to) of the result; `from` is a multiple of 16.
  F32Product columns(std::int64_t from, std::int64_t to) const {
    F32Product part = *this;
    part.n = to - from;
    part.b += in_groups() ? from / 16 * b_group : from * b_column;
    part.c += from;
    if (part.options.bias != nullptr) part.options.bias += from;
    return part;
  }
};

/// The product if it is so small that to think about blocks would only cost time, or false.
bool run_small(const F32Kernel& kernel, const F32Product& x);

/// The whole product on the calling thread.
void run(const F32Kernel& kernel, const F32Product& x);

}  // namespace adze::kernels
