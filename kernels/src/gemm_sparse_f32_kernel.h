/// \file
/// The table of sparse float32 micro-kernels, and what gemm_sparse_f32.cpp asks of one.
#pragma once

#include <cstdint>

#include "adze/kernels/isa.h"

namespace adze::kernels {

/// Kept blocks as kernels read them: height × cols values each, channel c and input j at
/// [j * height + c]. Inputs that do not exist have -0, which changes no sum. Block number u begins
/// at input k_block * kb + cols * index[u]; list kb * groups + g holds those of group g in block kb
/// of inputs in ascending order, from lists[...] up to the next list.
struct SparseF32View {
  std::int64_t n, k;
  std::int64_t groups;
  std::int64_t k_blocks;
  std::int64_t k_block;  ///< inputs of a block, a multiple of 16
  int height;
  int cols;
  const std::uint32_t* lists;
  const std::uint16_t* index;
  const float* values;
};

/// Where sums go: rows of c, from channel 0 on.
struct SparseF32Output {
  const float* bias;  ///< for all channels, or nullptr
  bool relu;
  float* c;
  std::int64_t ldc;
};

/// A few rows of activations times the channels of some groups.
struct SparseF32Job {
  const SparseF32View* w;
  const float* a;  ///< rows `lda` apart, or a panel
  std::int64_t lda;
  int rows;
  std::int64_t group_begin, group_end;  ///< from a multiple of 16 channels on
  float* partial;  ///< if w->k_blocks > 1: all groups' channels × rows of a panel
  SparseF32Output out;
  /// Stores sums[i * ld + c] for channels from `channel` on, columns <= 64 of them; readable up to
  /// a multiple of 8 columns.
  void (*store)(const float* sums, std::int64_t ld, int rows, std::int64_t channel, int columns,
                const SparseF32Output& out);
  /// The same with sums[c * ld + i], readable up to 16 channels and a multiple of 8 rows.
  void (*store_transposed)(const float* sums, std::int64_t ld, int rows, std::int64_t channel,
                           int columns, const SparseF32Output& out);
};

struct SparseF32Kernel {
  const char* name;
  Isa isa;
  int block_rows, block_cols;  ///< the only shape it works for; 0 for all
  int most_rows;               ///< is slower than the next kernel for more rows; 0: for none
  bool panel;  ///< reads [k][panel rows] with zeros where there is none; else rows in place, with
               ///< zeros up to a multiple of 4 inputs
  /// The rows of the next job when so many are left; with `panel` up to that many exist.
  int (*job_rows)(std::int64_t left);
  void (*run)(const SparseF32Job& job);
};

extern const SparseF32Kernel f32_sparse_scalar;
extern const SparseF32Kernel f32_sparse_1x1_few_avx2, f32_sparse_1x1_rows_avx2;
extern const SparseF32Kernel f32_sparse_1x4_few_avx2, f32_sparse_1x4_rows_avx2;
extern const SparseF32Kernel f32_sparse_4x4_few_avx2, f32_sparse_4x4_rows_avx2;
extern const SparseF32Kernel f32_sparse_8x4_avx2, f32_sparse_16x4_avx2;
extern const SparseF32Kernel f32_sparse_1x1_rows_avx512, f32_sparse_1x4_rows_avx512;
extern const SparseF32Kernel f32_sparse_4x4_rows_avx512, f32_sparse_16x4_avx512;
extern const SparseF32Kernel f32_sparse_1x1_few_neon, f32_sparse_1x1_rows_neon;
extern const SparseF32Kernel f32_sparse_1x4_few_neon, f32_sparse_1x4_rows_neon;
extern const SparseF32Kernel f32_sparse_4x4_few_neon, f32_sparse_4x4_rows_neon;
extern const SparseF32Kernel f32_sparse_8x4_neon, f32_sparse_16x4_neon;

/// The parts that are the same for all kernels of one instruction set.
struct SparseF32Helpers {
  decltype(SparseF32Job::store) store;
  decltype(SparseF32Job::store_transposed) store_transposed;
  /// Makes a panel of `panel_rows` rows, a multiple of 8, of which `rows` exist; zeros beyond, up
  /// to a multiple of 4 inputs.
  void (*make_panel)(const float* a, std::int64_t lda, int rows, std::int64_t k, int panel_rows,
                     float* panel);
};

extern const SparseF32Helpers sparse_f32_helpers_scalar;
extern const SparseF32Helpers sparse_f32_helpers_avx2;
extern const SparseF32Helpers sparse_f32_helpers_neon;

}  // namespace adze::kernels
