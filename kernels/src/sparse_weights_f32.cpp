#include "sparse_weights_f32.h"

#include <algorithm>
#include <stdexcept>

namespace adze::kernels {

using detail::SparseWeightsF32Data;

namespace {

/// The inputs of a block. A panel of activations stays in L1 or near it where kernels read one;
/// else indices must fit 16 bits.
std::int64_t inputs_of_a_block(BlockShape block) {
  return block.rows >= 8 ? 2 * 65536 : 256;
}

bool any_nonzero(const float* w, std::int64_t ldw, std::int64_t rows, std::int64_t cols) {
  for (std::int64_t c = 0; c < rows; ++c) {
    for (std::int64_t p = 0; p < cols; ++p) {
      if (w[c * ldw + p] != 0.0f) return true;
    }
  }
  return false;
}

}  // namespace

const std::vector<BlockShape>& sparse_f32_block_shapes() {
  static const std::vector<BlockShape> shapes{{1, 1}, {1, 4}, {4, 4}, {8, 4}, {16, 4}};
  return shapes;
}

SparseWeightsF32::SparseWeightsF32() : data_(std::make_shared<SparseWeightsF32Data>()) {}

SparseWeightsF32::SparseWeightsF32(const float* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                                   BlockShape block) {
  detail::check_block_shape("SparseWeightsF32", block, sparse_f32_block_shapes());
  auto d = std::make_shared<SparseWeightsF32Data>();
  d->block = block;
  d->blocks = ((n + block.rows - 1) / block.rows) * ((k + block.cols - 1) / block.cols);
  SparseF32View& v = d->view;
  v.n = n;
  v.k = k;
  v.height = static_cast<int>(block.rows);
  v.cols = static_cast<int>(block.cols);
  v.groups = (n + block.rows - 1) / block.rows;
  const std::int64_t most = inputs_of_a_block(block);
  v.k_blocks = std::max<std::int64_t>(1, (k + most - 1) / most);
  v.k_block = ((k + v.k_blocks - 1) / v.k_blocks + 15) / 16 * 16;

  const std::int64_t kept = count_nonzero_blocks(w, n, k, ldw, block);
  if (kept > std::int64_t{UINT32_MAX}) {
    throw std::runtime_error("SparseWeightsF32: more than 2^32 blocks");
  }
  const std::int64_t unit = block.rows * block.cols;
  d->values = aligned_zeros<float>(kept * unit);
  float* to = d->values.get();
  for (std::int64_t kb = 0; kb < v.k_blocks; ++kb) {
    const std::int64_t begin = std::min(k, kb * v.k_block);
    const std::int64_t end = std::min(k, begin + v.k_block);
    for (std::int64_t c0 = 0; c0 < n; c0 += block.rows) {
      d->lists.push_back(static_cast<std::uint32_t>(d->index.size()));
      const std::int64_t rows = std::min(block.rows, n - c0);
      for (std::int64_t p0 = begin; p0 < end; p0 += block.cols) {
        const float* from = w + c0 * ldw + p0;
        const std::int64_t cols = std::min(block.cols, k - p0);
        if (!any_nonzero(from, ldw, rows, cols)) continue;
        d->index.push_back(static_cast<std::uint16_t>((p0 - begin) / block.cols));
        for (std::int64_t j = 0; j < block.cols; ++j) {
          for (std::int64_t c = 0; c < block.rows; ++c) {
            *to++ = j >= cols ? -0.0f : c < rows ? from[c * ldw + j] : 0.0f;
          }
        }
      }
    }
  }
  d->lists.push_back(static_cast<std::uint32_t>(d->index.size()));
  v.lists = d->lists.data();
  v.index = d->index.data();
  v.values = d->values.get();
  data_ = std::move(d);
}

std::int64_t SparseWeightsF32::n() const {
  return data_->view.n;
}
std::int64_t SparseWeightsF32::k() const {
  return data_->view.k;
}
BlockShape SparseWeightsF32::block() const {
  return data_->block;
}
std::int64_t SparseWeightsF32::blocks() const {
  return data_->blocks;
}
std::int64_t SparseWeightsF32::nonzero_blocks() const {
  return data_->nonzero_blocks();
}
std::int64_t SparseWeightsF32::bytes() const {
  const SparseWeightsF32Data& d = *data_;
  return static_cast<std::int64_t>(d.lists.size() * sizeof(std::uint32_t) +
                                   d.index.size() * sizeof(std::uint16_t)) +
         d.nonzero_blocks() * d.block.rows * d.block.cols *
             static_cast<std::int64_t>(sizeof(float));
}

void SparseWeightsF32::unpack(float* w, std::int64_t ldw) const {
  const SparseF32View& v = data_->view;
  for (std::int64_t c = 0; c < v.n; ++c) std::fill_n(w + c * ldw, v.k, 0.0f);
  for (std::int64_t list = 0; list < v.groups * v.k_blocks; ++list) {
    const std::int64_t c0 = list % v.groups * v.height, begin = list / v.groups * v.k_block;
    for (std::int64_t u = v.lists[list]; u < v.lists[list + 1]; ++u) {
      const float* values = v.values + u * v.height * v.cols;
      for (std::int64_t j = 0; j < v.cols; ++j) {
        const std::int64_t p = begin + std::int64_t{v.index[u]} * v.cols + j;
        for (std::int64_t c = c0; c < std::min<std::int64_t>(v.n, c0 + v.height) && p < v.k; ++c) {
          w[c * ldw + p] = values[j * v.height + c - c0];
        }
      }
    }
  }
}

}  // namespace adze::kernels
