#include <arm_neon.h>
#include <cstdint>

#include "gemm_sparse_kernel.h"
#include "output_stage.h"
#include "u8s8_lanes_neon.h"
#include "unroll.h"

namespace adze::kernels {

namespace {

struct File {};
using Output = OutputStageLoops<U8S8LanesNeon<File>>;

constexpr float zeros[u8s8_columns] = {};

/// The output stage of the dense product for rows of 16 sums from `channel`, a multiple of 16, on.
void store_rows(const std::int32_t* sums, int row, int rows, std::int64_t channel, int columns,
                const SparseOutput& out) {
  const SparseStage& s = *out.stage;
  U8S8Stage stage;
  stage.relu = s.relu;
  stage.bounds = s.bounds;
  const bool scaled = s.type != OutputType::s32;
  stage.last_tile = 0;
  stage.last = {scaled ? s.multipliers + channel : zeros, scaled ? s.bias + channel : zeros,
                s.w_zero_points == nullptr ? nullptr : s.w_zero_points + channel, columns};
  Output::store_for(s.type)(stage, 0, 1, sums, rows, rows,
                            out.row_sums == nullptr ? nullptr : out.row_sums + row,
                            out.out + (row * out.ldo + channel) * output_bytes(s.type), out.ldo);
}

void store(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel, int columns,
           const SparseOutput& out) {
  constexpr int most_rows = 8;
  alignas(16) std::int32_t tile[most_rows * u8s8_columns] = {};
  for (int c = 0; c < columns; c += u8s8_columns) {
    const int some = columns - c < u8s8_columns ? columns - c : u8s8_columns;
    for (int i = 0; i < rows; i += most_rows) {
      const int count = rows - i < most_rows ? rows - i : most_rows;
      for (int r = 0; r < count; ++r) {
        for (int j = 0; j < some; j += 4) {
          vst1q_s32(tile + r * u8s8_columns + j, vld1q_s32(sums + (i + r) * ld + c + j));
        }
      }
      store_rows(tile, i, count, channel + c, some, out);
    }
  }
}

/// 4 × 4 values of 32 bits: r[i] holds value i of all four afterwards.
[[gnu::always_inline]] inline void transpose(uint32x4_t (&r)[4]) {
  const uint32x4_t a = vzip1q_u32(r[0], r[2]), b = vzip2q_u32(r[0], r[2]);
  const uint32x4_t c = vzip1q_u32(r[1], r[3]), d = vzip2q_u32(r[1], r[3]);
  r[0] = vzip1q_u32(a, c);
  r[1] = vzip2q_u32(a, c);
  r[2] = vzip1q_u32(b, d);
  r[3] = vzip2q_u32(b, d);
}

void store_transposed(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel,
                      int columns, const SparseOutput& out) {
  alignas(16) std::int32_t tile[4 * u8s8_columns];
  for (; columns > 0; columns -= u8s8_columns, channel += u8s8_columns, sums += u8s8_columns * ld) {
    const int some = columns < u8s8_columns ? columns : u8s8_columns;
    for (int i = 0; i < rows; i += 4) {
      for (int c = 0; c < u8s8_columns; c += 4) {
        uint32x4_t v[4];
        unroll<4>([&](auto j) __attribute__((always_inline)) {
          v[j] = vreinterpretq_u32_s32(vld1q_s32(sums + (c + j) * ld + i));
        });
        transpose(v);
        unroll<4>([&](auto r) __attribute__((always_inline)) {
          vst1q_s32(tile + r * u8s8_columns + c, vreinterpretq_s32_u32(v[r]));
        });
      }
      store_rows(tile, i, rows - i < 4 ? rows - i : 4, channel, some, out);
    }
  }
}

std::int32_t most(const std::uint8_t* a, std::int64_t n) {
  return sparse_helpers_scalar.most(a, n);
}

void start(const std::int32_t* sums, const std::int32_t* k_zw, std::int64_t n, std::int32_t za,
           std::int32_t* start) {
  for (std::int64_t c = 0; c < n; c += 4) {
    const int32x4_t zw = k_zw != nullptr ? vld1q_s32(k_zw + c) : vdupq_n_s32(0);
    vst1q_s32(start + c, vmulq_n_s32(vsubq_s32(zw, vld1q_s32(sums + c)), za));
  }
}

/// The 16 bytes of a row from p on, as far as they exist, and zeros.
uint8x16_t load_some(const std::uint8_t* row, std::int64_t p, std::int64_t k) {
  if (row == nullptr) return vdupq_n_u8(0);
  if (p + 16 <= k) return vld1q_u8(row + p);
  std::uint8_t buffer[16] = {};
  for (std::int64_t i = p; i < k; ++i) buffer[i - p] = row[i];
  return vld1q_u8(buffer);
}

void make_panel(const std::uint8_t* a, std::int64_t lda, int rows, std::int64_t k, int panel_rows,
                std::uint8_t* panel) {
  for (int i = 0; i < panel_rows; i += 4) {
    const std::uint8_t* row[4];
    for (int r = 0; r < 4; ++r) row[r] = i + r < rows ? a + (i + r) * lda : nullptr;
    std::uint8_t* to = panel + 4 * i;
    for (std::int64_t p = 0; p < k; p += 16) {
      uint32x4_t v[4];
      unroll<4>([&](auto r) __attribute__((always_inline)) {
        v[r] = vreinterpretq_u32_u8(load_some(row[r], p, k));
      });
      transpose(v);
      unroll<4>([&](auto j) __attribute__((always_inline)) {
        vst1q_u8(to, vreinterpretq_u8_u32(v[j]));
        to += 4 * panel_rows;
      });
    }
  }
}

void make_columns(const std::uint8_t* a, std::int64_t lda, int rows, std::int64_t k,
                  std::uint8_t* columns) {
  const std::uint8_t* row[8];
  for (int r = 0; r < 8; ++r) row[r] = a + (r < rows ? r : rows - 1) * lda;
  std::int64_t p = 0;
  for (; p + 8 <= k; p += 8, columns += 64) {
    uint8x16_t pairs[4], low[2], high[2];  // of rows i and i + 4; then of every second row
    unroll<4>([&](auto i) __attribute__((always_inline)) {
      const uint8x8x2_t both = vzip_u8(vld1_u8(row[i] + p), vld1_u8(row[i + 4] + p));
      pairs[i] = vcombine_u8(both.val[0], both.val[1]);
    });
    unroll<2>([&](auto i) __attribute__((always_inline)) {
      low[i] = vzip1q_u8(pairs[i], pairs[i + 2]);
      high[i] = vzip2q_u8(pairs[i], pairs[i + 2]);
    });
    vst1q_u8(columns, vzip1q_u8(low[0], low[1]));
    vst1q_u8(columns + 16, vzip2q_u8(low[0], low[1]));
    vst1q_u8(columns + 32, vzip1q_u8(high[0], high[1]));
    vst1q_u8(columns + 48, vzip2q_u8(high[0], high[1]));
  }
  for (; p < k; ++p) {
    for (int i = 0; i < 8; ++i) *columns++ = row[i][p];
  }
}

}  // namespace

const SparseHelpers sparse_helpers_neon{store, store_transposed, most,
                                        start, make_panel,       make_columns};

}  // namespace adze::kernels
