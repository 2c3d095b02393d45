/// \file
/// How long dense and block-sparse int8 products take, and which of the two to use for a layer.
#pragma once

#include <cstdint>
#include <string>

#include "adze/kernels/gemm_sparse.h"
#include "adze/kernels/isa.h"

namespace adze::kernels {

/// The estimated time in microseconds of `gemm_u8s8` with PackedWeights on one thread, for m rows
/// of activations, n output channels and k inputs.
double dense_u8s8_us(Isa isa, std::int64_t m, std::int64_t n, std::int64_t k);

/// The same with SparseWeights of this shape that hold `nonzero_blocks` blocks. Throws
/// std::runtime_error if `block` is not one of sparse_block_shapes().
double sparse_u8s8_us(Isa isa, std::int64_t m, std::int64_t n, std::int64_t k, BlockShape block,
                      std::int64_t nonzero_blocks);

/// What `choose_layout` recommends.
struct LayoutChoice {
  bool sparse = false;
  BlockShape block;        ///< the fastest block shape, also if dense is faster
  double dense_us = 0.0;   ///< estimated time of the dense product
  double sparse_us = 0.0;  ///< estimated time with `block`
  std::string why;         ///< a sentence for people
};

/// The layout in which a product with `w`, n × k with rows `ldw` apart, is estimated to be fastest
/// for m rows of activations on the active instruction set. Counts the blocks that each shape would
/// keep.
LayoutChoice choose_layout(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                           std::int64_t m);

}  // namespace adze::kernels
