/// \file
/// The table of sparse int8 micro-kernels, and what gemm_sparse.cpp asks of one.
#pragma once

#include <cstdint>

#include "adze/kernels/gemm_sparse.h"
#include "adze/kernels/gemm_u8s8.h"
#include "adze/kernels/isa.h"

#include "output_bounds.h"

namespace adze::kernels {

struct SparseProblem;

/// The units of one group of channels within one block of inputs: first the quads (windows of four
/// units of which 16-bit sums may be added before they are widened), then the pairs, then single
/// units up to the beginning of the next list.
///
/// Blocks of 1 × 16 are four units with neighbouring inputs and one index. They stand before pairs
/// and single units, which are there only where a block had to be split: first the quads, each a
/// block, then the blocks that are two pairs, then those that are four single units.
struct SparseList {
  std::uint32_t first;  ///< number of the first unit
  std::uint32_t index;  ///< number of its first index
  std::uint16_t quads;
  std::uint16_t pairs;
  std::uint16_t double_pairs;
  std::uint16_t blocks;  ///< of 1 × 16, quads and double pairs among them
};

/// Kept blocks as kernels read them.
///
/// A unit is `height` channels × 4 inputs, 4 bytes for each channel; it stands for 4 consecutive
/// inputs from k_block * kb + 4 * index / index_unit on (the units of a block of 1 × 16 for four
/// such in turn) or, if index_size is 4, for the four inputs that its four indices name. With
/// index_unit an index is a distance in bytes in the activations that kernels for few rows read.
/// Channels of a group are consecutive. List kb * groups + g is that of group g in block kb of
/// inputs; a last, empty list ends them.
struct SparseView {
  std::int64_t n, k;
  std::int64_t groups;
  std::int64_t k_blocks;
  std::int64_t k_block;  ///< inputs of a block, a multiple of 16
  int height;
  int index_size;  ///< indices of a unit: 1 or 4
  int index_unit;
  const SparseList* lists;
  const std::uint16_t* index;
  const std::int8_t* values;  ///< readable 64 bytes beyond the end
};

/// SparseView::index_unit for a shape of blocks.
constexpr int index_unit(BlockShape block) {
  return block.rows >= 8 ? 1 : block.cols == 16 ? 4 : 16;
}

/// Calls f(values, inputs) for each unit of a list; inputs[0..3] count from k_block * kb on.
template <class F>
void for_each_unit(const SparseView& w, std::int64_t list, F&& f) {
  const SparseList* l = w.lists + list;
  const std::int64_t units = l[1].first - l[0].first, in_blocks = 4 * l->blocks;
  const std::uint16_t* index = w.index + l->index;
  const std::int8_t* values = w.values + std::int64_t{l->first} * w.height * 4;
  for (std::int64_t u = 0; u < units; ++u, values += w.height * 4) {
    int inputs[4];
    for (int j = 0; j < 4; ++j) {
      inputs[j] = w.index_size == 4 ? index[j] : index[0] / w.index_unit * 4 + j;
      if (u < in_blocks) inputs[j] += static_cast<int>(u % 4 * 4);
    }
    f(values, inputs);
    if (u >= in_blocks || u % 4 == 3) index += w.index_size;
  }
}

/// The output stage made ready for all channels; arrays hold a multiple of 16.
struct SparseStage {
  OutputType type;
  bool relu;  ///< f32 only
  OutputBounds bounds;
  const float* multipliers;
  const float* bias;
  const std::int32_t* w_zero_points;  ///< times the row's sum of a: subtracted; or nullptr
  const OutputStage* plain;
};

/// Where sums go: `rows` rows of out, from `channel` on.
struct SparseOutput {
  const SparseStage* stage;
  const std::int32_t* row_sums;  ///< one for each row, or nullptr
  char* out;                     ///< row 0, channel 0
  std::int64_t ldo;              ///< elements
  std::int64_t n;
};

/// A few rows of activations times the channels of some groups.
struct SparseJob {
  const SparseView* w;
  const std::uint8_t* a;  ///< rows `lda` apart, or a panel
  std::int64_t lda;
  int rows;
  std::int64_t group_begin, group_end;  ///< from a multiple of 16 channels on
  const std::int32_t* start;            ///< for each channel: what sums begin with
  const std::int32_t* weight_sums;      ///< for each channel: kernels that read a - 128 need them
  std::int32_t* partial;  ///< if w->k_blocks > 1: all groups' channels × rows of a panel
  SparseOutput out;
  /// Stores sums[i * ld + c] for channels from `channel` on, columns of them; readable up to
  /// a multiple of 8 columns.
  void (*store)(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel,
                int columns, const SparseOutput& out);
  /// The same with sums[c * ld + i], readable up to multiples of 16 channels and of 8 rows.
  void (*store_transposed)(const std::int32_t* sums, std::int64_t ld, int rows,
                           std::int64_t channel, int columns, const SparseOutput& out);
};

/// How a kernel wants the activations of a job.
enum class SparseInput {
  rows,     ///< in place, rows readable up to a multiple of 4 (16 for 1 × 16) inputs, zeros there
  panel,    ///< [k / 4][panel rows][4], zeros beyond the rows and inputs that exist
  columns,  ///< [k][8 rows], zeros beyond the rows that exist
  spread,   ///< rows `lda` apart, of each 4 inputs four copies: [k / 4][4][4]
};

struct SparseKernel {
  const char* name;
  Isa isa;
  int block_rows, block_cols;  ///< the only shape it works for; 0 for all
  bool windows;                ///< adds in 16 bits: needs a form with a bound
  int most_rows;               ///< is slower than the next kernel for more rows; 0: for none
  SparseInput input;
  /// The rows of the next job when so many are left; with SparseInput::panel up to that many exist.
  int (*job_rows)(std::int64_t left);
  void (*run)(const SparseJob& job);
};

extern const SparseKernel u8s8_sparse_scalar;
extern const SparseKernel u8s8_sparse_1x4_dot_avx2, u8s8_sparse_1x4_rows_avx2;
extern const SparseKernel u8s8_sparse_1x16_dot_avx2, u8s8_sparse_1x16_rows_avx2;
extern const SparseKernel u8s8_sparse_4x4_two_avx2, u8s8_sparse_4x4_rows_avx2;
extern const SparseKernel u8s8_sparse_8x4_avx2, u8s8_sparse_16x4_avx2;
extern const SparseKernel u8s8_sparse_8x1_few_avx2, u8s8_sparse_8x1_rows_avx2;
extern const SparseKernel u8s8_sparse_1x4_dot_avx512vnni, u8s8_sparse_1x4_rows_avx512vnni;
extern const SparseKernel u8s8_sparse_1x16_dot_avx512vnni, u8s8_sparse_1x16_rows_avx512vnni;
extern const SparseKernel u8s8_sparse_4x4_two_avx512vnni, u8s8_sparse_4x4_rows_avx512vnni;
extern const SparseKernel u8s8_sparse_8x4_avx512vnni, u8s8_sparse_16x4_avx512vnni;
extern const SparseKernel u8s8_sparse_8x1_few_avx512vnni, u8s8_sparse_8x1_rows_avx512vnni;
extern const SparseKernel u8s8_sparse_1x4_rows_ymm_avx512vnni, u8s8_sparse_1x16_rows_ymm_avx512vnni;
extern const SparseKernel u8s8_sparse_4x4_rows_ymm_avx512vnni, u8s8_sparse_16x4_ymm_avx512vnni;
extern const SparseKernel u8s8_sparse_1x4_dot_avxvnni, u8s8_sparse_1x4_rows_avxvnni;
extern const SparseKernel u8s8_sparse_1x16_dot_avxvnni, u8s8_sparse_1x16_rows_avxvnni;
extern const SparseKernel u8s8_sparse_4x4_two_avxvnni, u8s8_sparse_4x4_rows_avxvnni;
extern const SparseKernel u8s8_sparse_8x4_avxvnni, u8s8_sparse_16x4_avxvnni;
extern const SparseKernel u8s8_sparse_8x1_few_avxvnni, u8s8_sparse_8x1_rows_avxvnni;
extern const SparseKernel u8s8_sparse_1x4_dot_neon, u8s8_sparse_1x4_rows_neon;
extern const SparseKernel u8s8_sparse_1x16_dot_neon, u8s8_sparse_1x16_rows_neon;
extern const SparseKernel u8s8_sparse_4x4_few_neon, u8s8_sparse_4x4_rows_neon;
extern const SparseKernel u8s8_sparse_8x4_neon, u8s8_sparse_16x4_neon;
extern const SparseKernel u8s8_sparse_8x1_few_neon, u8s8_sparse_8x1_rows_neon;
extern const SparseKernel u8s8_sparse_1x4_dot_neondot, u8s8_sparse_1x4_rows_neondot;
extern const SparseKernel u8s8_sparse_1x16_dot_neondot, u8s8_sparse_1x16_rows_neondot;
extern const SparseKernel u8s8_sparse_4x4_few_neondot, u8s8_sparse_4x4_rows_neondot;
extern const SparseKernel u8s8_sparse_8x4_neondot, u8s8_sparse_16x4_neondot;
extern const SparseKernel u8s8_sparse_8x1_few_neondot, u8s8_sparse_8x1_rows_neondot;

/// The kernel that is used for a problem.
const SparseKernel& pick_sparse_u8s8(const SparseProblem& problem);
/// Throws std::runtime_error if a kernel is forced that is not made for blocks of this shape.
void check_forced_sparse_u8s8(BlockShape block);

/// The parts that are the same for all kernels of one instruction set.
struct SparseHelpers {
  decltype(SparseJob::store) store;
  decltype(SparseJob::store_transposed) store_transposed;
  /// The largest of n bytes.
  std::int32_t (*most)(const std::uint8_t* a, std::int64_t n);
  /// start[c] = za * (k_zw[c] - sums[c]) for n channels, a multiple of 16; k_zw may be nullptr.
  void (*start)(const std::int32_t* sums, const std::int32_t* k_zw, std::int64_t n, std::int32_t za,
                std::int32_t* start);
  /// Makes a panel of `panel_rows` rows, a multiple of 8, of which `rows` exist.
  void (*make_panel)(const std::uint8_t* a, std::int64_t lda, int rows, std::int64_t k,
                     int panel_rows, std::uint8_t* panel);
  /// The same for SparseInput::columns.
  void (*make_columns)(const std::uint8_t* a, std::int64_t lda, int rows, std::int64_t k,
                       std::uint8_t* columns);
};

/// SparseJob::store and SparseJob::store_transposed for AVX2.
void store_sparse_avx2(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel,
                       int columns, const SparseOutput& out);
void store_sparse_transposed_avx2(const std::int32_t* sums, std::int64_t ld, int rows,
                                  std::int64_t channel, int columns, const SparseOutput& out);

extern const SparseHelpers sparse_helpers_scalar;
extern const SparseHelpers sparse_helpers_avx2;
extern const SparseHelpers sparse_helpers_neon;

}  // namespace adze::kernels
