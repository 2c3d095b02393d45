#include <algorithm>

#include "adze/kernels/reference.h"

#include "gemm_sparse_kernel.h"

namespace adze::kernels {

namespace {

/// One sum at a time, modulo 2³².
void store_one(std::int32_t sum, std::int64_t channel, int row, const SparseOutput& out) {
  const OutputStage& stage = *out.stage->plain;
  if (out.row_sums != nullptr) {
    sum = static_cast<std::int32_t>(
        static_cast<std::uint32_t>(sum) -
        static_cast<std::uint32_t>(out.row_sums[row]) *
            static_cast<std::uint32_t>(out.stage->w_zero_points[channel]));
  }
  const std::int64_t at = row * out.ldo + channel;
  switch (stage.type) {
    case OutputType::u8:
      reinterpret_cast<std::uint8_t*>(out.out)[at] =
          static_cast<std::uint8_t>(reference::requantize(sum, channel, stage));
      break;
    case OutputType::s8:
      reinterpret_cast<std::int8_t*>(out.out)[at] =
          static_cast<std::int8_t>(reference::requantize(sum, channel, stage));
      break;
    case OutputType::s32:
      reinterpret_cast<std::int32_t*>(out.out)[at] = sum;
      break;
    case OutputType::f32:
      reinterpret_cast<float*>(out.out)[at] = reference::requantize_f32(sum, channel, stage);
      break;
  }
}

void store(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel, int columns,
           const SparseOutput& out) {
  for (int i = 0; i < rows; ++i) {
    for (int c = 0; c < columns; ++c) store_one(sums[i * ld + c], channel + c, i, out);
  }
}

void store_transposed(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel,
                      int columns, const SparseOutput& out) {
  for (int i = 0; i < rows; ++i) {
    for (int c = 0; c < columns; ++c) store_one(sums[c * ld + i], channel + c, i, out);
  }
}

std::int32_t most(const std::uint8_t* a, std::int64_t n) {
  std::uint8_t most = 0;
  for (std::int64_t i = 0; i < n; ++i) most = std::max(most, a[i]);
  return most;
}

void start(const std::int32_t* sums, const std::int32_t* k_zw, std::int64_t n, std::int32_t za,
           std::int32_t* start) {
  for (std::int64_t c = 0; c < n; ++c) {
    const auto zw = static_cast<std::uint32_t>(k_zw != nullptr ? k_zw[c] : 0);
    start[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(za) *
                                         (zw - static_cast<std::uint32_t>(sums[c])));
  }
}

void make_panel(const std::uint8_t* a, std::int64_t lda, int rows, std::int64_t k, int panel_rows,
                std::uint8_t* panel) {
  const std::int64_t groups = (k + 15) / 16 * 4;
  for (std::int64_t g = 0; g < groups; ++g) {
    for (int i = 0; i < panel_rows; ++i) {
      for (int j = 0; j < 4; ++j) {
        const std::int64_t p = 4 * g + j;
        *panel++ = i < rows && p < k ? a[i * lda + p] : std::uint8_t{0};
      }
    }
  }
}

void make_columns(const std::uint8_t* a, std::int64_t lda, int rows, std::int64_t k,
                  std::uint8_t* columns) {
  for (std::int64_t p = 0; p < k; ++p) {
    for (int i = 0; i < 8; ++i) *columns++ = i < rows ? a[i * lda + p] : std::uint8_t{0};
  }
}

/// One row and one channel at a time, all blocks of inputs at once; any shape.
void run(const SparseJob& x) {
  const SparseView& w = *x.w;
  for (int i = 0; i < x.rows; ++i) {
    const std::uint8_t* row = x.a + i * x.lda;
    for (std::int64_t g = x.group_begin; g < x.group_end; ++g) {
      for (int c = 0; c < w.height && g * w.height + c < w.n; ++c) {
        const std::int64_t channel = g * w.height + c;
        auto sum = static_cast<std::uint32_t>(x.start[channel]);
        for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
          const std::uint8_t* a = row + kb * w.k_block;
          for_each_unit(w, kb * w.groups + g, [&](const std::int8_t* values, const int* inputs) {
            for (int j = 0; j < 4; ++j) {
              sum += static_cast<std::uint32_t>(a[inputs[j]] * values[4 * c + j]);
            }
          });
        }
        store_one(static_cast<std::int32_t>(sum), channel, i, x.out);
      }
    }
  }
}

}  // namespace

const SparseKernel u8s8_sparse_scalar{
    "u8s8_sparse_scalar",           Isa::scalar, 0, 0, false, 0, SparseInput::rows,
    [](std::int64_t) { return 1; }, run};

const SparseHelpers sparse_helpers_scalar{store, store_transposed, most,
                                          start, make_panel,       make_columns};

}  // namespace adze::kernels
