/// \file
/// The sparse int8 kernels in 256-bit registers, for any kind of dot products, see DotAvx2.
#pragma once

#include <cstdint>

#include "gemm_sparse_channels.h"
#include "gemm_sparse_few.h"
#include "gemm_sparse_kernel.h"
#include "gemm_sparse_panel.h"

namespace adze::kernels {

/// What kernels run beside SparseFew, and how many rows they take at a time.
template <class D>
struct Sparse256 {
  static int one(std::int64_t) { return 1; }
  static int up_to_4(std::int64_t left) { return left < 4 ? static_cast<int>(left) : 4; }
  static int up_to_8(std::int64_t left) { return left < 8 ? static_cast<int>(left) : 8; }
  static int power_up_to_4(std::int64_t left) { return left >= 4 ? 4 : left >= 2 ? 2 : 1; }
  static int power_up_to_8(std::int64_t left) { return left >= 8 ? 8 : power_up_to_4(left); }
  static int panel_of_16(std::int64_t left) { return left > 8 ? 16 : 8; }
  static int panel_of_32(std::int64_t left) { return left > 16 ? 32 : panel_of_16(left); }

  template <bool contiguous>
  static void rows_1(const SparseJob& x) {
    if (x.rows > 16) return SparsePanel<D, 1, 4, contiguous>::run(x);
    return x.rows > 8 ? SparsePanel<D, 1, 2, contiguous>::run(x)
                      : SparsePanel<D, 1, 1, contiguous>::run(x);
  }

  static void rows_4(const SparseJob& x) {
    return x.rows > 8 ? SparsePanel<D, 4, 2, false>::run(x) : SparsePanel<D, 4, 1, false>::run(x);
  }

  static void channels_8(const SparseJob& x) {
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

  static void channels_16(const SparseJob& x) {
    switch (x.rows) {
      case 4:
        return SparseChannels<D, 2, 4>::run(x);
      case 2:
        return SparseChannels<D, 2, 2>::run(x);
      default:
        return SparseChannels<D, 2, 1>::run(x);
    }
  }
};

}  // namespace adze::kernels
