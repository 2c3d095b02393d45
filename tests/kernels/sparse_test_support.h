/// \file
/// What the tests of sparse products share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <adze/kernels/gemm_sparse.h>

#include "kernel_test_support.h"

namespace adze::kernels::testing {

/// Sets blocks of `w`, n × k with rows `ldw` apart, to zero, and what lies between rows too; about
/// `kept` per cent of the blocks stay.
template <class T>
void prune(std::vector<T>& w, std::int64_t n, std::int64_t k, std::int64_t ldw, BlockShape block,
           int kept, Numbers& numbers) {
  for (std::int64_t c0 = 0; c0 < n; c0 += block.rows) {
    for (std::int64_t p0 = 0; p0 < ldw; p0 += block.cols) {
      if (p0 < k && numbers.integer(0, 99) < kept) continue;
      for (std::int64_t c = c0; c < std::min(n, c0 + block.rows); ++c) {
        for (std::int64_t p = p0; p < std::min(ldw, p0 + block.cols); ++p) {
          w[static_cast<std::size_t>(c * ldw + p)] = T{};
        }
      }
    }
  }
}

inline BlockShape some_shape(const std::vector<BlockShape>& shapes, Numbers& numbers) {
  return shapes[static_cast<std::size_t>(
      numbers.integer(0, static_cast<std::int32_t>(shapes.size()) - 1))];
}

}  // namespace adze::kernels::testing
