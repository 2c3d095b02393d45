/// \file
/// Products of activations and block-sparse weights: 8-bit, exact in 32 bits, and float32.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "adze/kernels/gemm_f32.h"
#include "adze/kernels/gemm_u8s8.h"
#include "adze/kernels/isa.h"

namespace adze::kernels {

/// The size of a block of weights: output channels × inputs. Block (i, j) of a matrix begins at
/// channel i * rows and input j * cols; those at the lower and right edge may be incomplete. A
/// block is kept if one of its weights is not zero.
struct BlockShape {
  std::int64_t rows = 1;
  std::int64_t cols = 4;
  friend bool operator==(const BlockShape&, const BlockShape&) = default;
};

/// The block shapes of SparseWeights.
const std::vector<BlockShape>& sparse_block_shapes();

/// The block shapes of SparseWeightsF32.
const std::vector<BlockShape>& sparse_f32_block_shapes();

/// How many of the blocks of an n × k matrix are kept.
std::int64_t count_nonzero_blocks(const std::int8_t* w, std::int64_t n, std::int64_t k,
                                  std::int64_t ldw, BlockShape block);
std::int64_t count_nonzero_blocks(const float* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                                  BlockShape block);

namespace detail {
struct SparseWeightsData;
struct SparseWeightsF32Data;
}  // namespace detail

/// int8 weights of a linear layer, n output channels × k inputs, of which only the blocks that are
/// not all zero are held, in the order the kernels read them.
///
/// Immutable; copies share. On instruction sets that sum in 16 bits the order of the blocks comes
/// with a proof that no sum overflows. The proof depends on the largest activation (up to 128, or
/// any); a call that needs another order than those held adds it, once.
class SparseWeights {
 public:
  /// Nothing; n() and k() are 0.
  SparseWeights();
  /// Packs `w`, n × k, row-major with rows `ldw` apart. Any int8 value is fine, -128 too. Throws
  /// std::runtime_error that lists the allowed shapes if `block` is none of them.
  SparseWeights(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                BlockShape block);

  std::int64_t n() const;
  std::int64_t k() const;
  BlockShape block() const;
  /// Bytes held now, all included.
  std::int64_t bytes() const;
  /// n sums over k of the weights.
  const std::int32_t* sums() const;
  /// The blocks of the matrix, and how many of them are held.
  std::int64_t blocks() const;
  std::int64_t nonzero_blocks() const;
  /// Writes the weights back, bit for bit, n × k with rows `ldw` apart.
  void unpack(std::int8_t* w, std::int64_t ldw) const;

  const detail::SparseWeightsData& data() const { return *data_; }

 private:
  std::shared_ptr<const detail::SparseWeightsData> data_;
};

/// out = stage(a · weightsᵀ), as `gemm_u8s8` for PackedWeights: equals `reference::gemm_u8s8` bit
/// for bit, for all 8-bit values and zero points, on every instruction set.
void gemm_u8s8(const std::uint8_t* a, std::int64_t lda, std::int64_t m,
               const SparseWeights& weights, const OutputStage& stage, void* out, std::int64_t ldo);

/// The same for float32 activations, as `gemm_f32s8` for PackedWeights.
void gemm_f32s8(const float* a, std::int64_t lda, std::int64_t m, const Affine& a_params,
                const SparseWeights& weights, const OutputStage& stage, void* out,
                std::int64_t ldo);

/// What the choice of a micro-kernel depends on.
struct SparseProblem {
  std::int64_t m = 0;
  BlockShape block;
};

/// The micro-kernels of the sparse int8 product, best first, each with the reason why it is not
/// used for `problem`, if so. The first one without a reason is used.
std::vector<KernelInfo> sparse_u8s8_kernels(const SparseProblem& problem);

/// Makes all following calls use the micro-kernel called `kernel`, also for numbers of rows it is
/// not made for; an empty name ends that. A call that it cannot do then throws std::runtime_error.
/// Throws std::runtime_error if there is no such kernel. For tests and measurements.
void force_sparse_u8s8_kernel(const char* kernel);

/// float32 weights of a linear layer, n output channels × k inputs, of which only the blocks that
/// are not all zero (0 or -0) are held. Immutable; copies share.
class SparseWeightsF32 {
 public:
  /// Nothing; n() and k() are 0.
  SparseWeightsF32();
  /// Packs `w`, n × k, row-major with rows `ldw` apart. Throws std::runtime_error that lists the
  /// allowed shapes if `block` is none of them.
  SparseWeightsF32(const float* w, std::int64_t n, std::int64_t k, std::int64_t ldw,
                   BlockShape block);

  std::int64_t n() const;
  std::int64_t k() const;
  BlockShape block() const;
  /// Bytes held, all included.
  std::int64_t bytes() const;
  /// The blocks of the matrix, and how many of them are held.
  std::int64_t blocks() const;
  std::int64_t nonzero_blocks() const;
  /// Writes the weights back, n × k with rows `ldw` apart: bit for bit, except that -0 in a block
  /// of zeros becomes 0.
  void unpack(float* w, std::int64_t ldw) const;

  const detail::SparseWeightsF32Data& data() const { return *data_; }

 private:
  std::shared_ptr<const detail::SparseWeightsF32Data> data_;
};

/// c = a · weightsᵀ (+ bias, if given; negative results replaced by 0 if `relu`): `a` is m × k with
/// rows `lda` apart, `c` is m × n with rows `ldc` apart and overlaps no input.
///
/// Each result is the chain acc = fma(a[i][p], w[c][p], acc), started from 0, over those p in
/// ascending order that lie in a kept block of channel c, then + bias[c], then the ReLU. The number
/// of threads, the blocking and the instruction set change no bit. For finite inputs this is
/// `gemm_f32` of the same matrix, except that a result of 0 may have another sign.
void gemm_f32(const float* a, std::int64_t lda, std::int64_t m, const SparseWeightsF32& weights,
              const float* bias, bool relu, float* c, std::int64_t ldc);

/// The micro-kernels of the sparse float32 product; see sparse_u8s8_kernels.
std::vector<KernelInfo> sparse_f32_kernels(const SparseProblem& problem);

/// See force_sparse_u8s8_kernel.
void force_sparse_f32_kernel(const char* kernel);

}  // namespace adze::kernels
