#include "adze/kernels/gemm_u8s8.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>

#include "adze/kernels/parallel.h"

#include "gemm_u8s8_kernel.h"
#include "isa_state.h"
#include "packed_weights.h"
#include "quantize_table.h"
#include "scratch.h"

namespace adze::kernels {

namespace {

using detail::PackedWeightsData;

// Best first.
const U8S8Kernel* const kernels[] = {
#if defined(__x86_64__)
    &u8s8_gemm_4x16c4_avx2,
    &u8s8_gemm_3x16c4_wide_avx2,
#endif
    &u8s8_gemm_scalar,
};

std::atomic<const U8S8Kernel*> forced{nullptr};

const U8S8Helpers& helpers() {
#if defined(__x86_64__)
  if (includes(active(), Isa::avx2)) return u8s8_helpers_avx2;
#endif
  return u8s8_helpers_scalar;
}

const char* why_not(const U8S8Kernel& kernel, const GemmU8S8Problem& problem) {
  const U8S8Kernel* only = forced.load(std::memory_order_relaxed);
  if (only != nullptr && only != &kernel) return "another kernel is forced";
  if (const char* reason = why_not(kernel.isa)) return reason;
  return kernel.why_not(problem);
}

const U8S8Kernel& pick(const GemmU8S8Problem& problem) {
  for (const U8S8Kernel* kernel : kernels) {
    if (why_not(*kernel, problem) == nullptr) return *kernel;
  }
  return u8s8_gemm_scalar;
}

// A block of rows of a, with a tile of weights, stays in L2.
constexpr std::int64_t block_bytes = 192 * 1024;
constexpr std::int64_t block_rows_unit = 12;  // whole tiles of 3, 4 and 6 rows
// Products that are worth a second thread: about 20 µs.
constexpr std::int64_t grain = 1 << 21;
constexpr int most_tile_rows = 8;

thread_local Scratch a_scratch;
thread_local Scratch row_sum_scratch;

/// Activations: 8-bit, or float32 with the way to quantize them.
struct Activations {
  const std::uint8_t* bytes = nullptr;
  const float* floats = nullptr;
  AffineRow affine{};
  std::int64_t ld = 0;
};

/// A block of activations, where tiles can read it.
struct Block {
  const std::uint8_t* a;
  std::int64_t lda;
};

Block prepare_block(const Activations& a, std::int64_t row, std::int64_t rows, std::int64_t k) {
  if (a.floats == nullptr && k >= PackedWeightsData::group_size) {
    return {a.bytes + row * a.ld, a.ld};
  }
  const std::int64_t ld = std::max(k, PackedWeightsData::group_size);
  auto* out = a_scratch.get<std::uint8_t>(static_cast<std::size_t>(rows * ld));
  for (std::int64_t i = 0; i < rows; ++i) {
    std::uint8_t* to = out + i * ld;
    if (a.floats != nullptr) {
      quantize_table().quantize_u8(a.floats + (row + i) * a.ld, k, a.affine, to);
    } else {
      std::copy_n(a.bytes + (row + i) * a.ld, k, to);
    }
    std::fill(to + k, to + ld, std::uint8_t{0});
  }
  return {out, ld};
}

/// The values of 16 channels from `channel` on, zeros behind the first `count`.
template <class T>
void copy_channels(const PerChannel<T>& from, std::int64_t channel, int count, T* to) {
  if (from.data == nullptr) {
    std::fill(to, to + u8s8_columns, T());
  } else if (from.stride == 0) {
    std::fill(to, to + u8s8_columns, *from.data);
  } else if (count == u8s8_columns) {
    std::memcpy(to, from.data + channel, sizeof(T) * u8s8_columns);
  } else {
    std::fill(std::copy(from.data + channel, from.data + channel + count, to), to + u8s8_columns,
              T());
  }
}

void fill_in(const OutputStage& stage, std::int64_t channel, std::int64_t n, ColumnStage* s) {
  s->columns = static_cast<int>(std::min<std::int64_t>(u8s8_columns, n - channel));
  s->type = stage.type;
  s->relu = stage.relu;
  s->zero_point = stage.out_zero_point;
  const std::int32_t lowest =
      stage.relu ? std::max(stage.out_min, stage.out_zero_point) : stage.out_min;
  s->lowest = static_cast<float>(lowest - stage.out_zero_point);
  s->highest = static_cast<float>(stage.out_max - stage.out_zero_point);
  copy_channels(stage.multipliers, channel, s->columns, s->multipliers);
  copy_channels(stage.bias, channel, s->columns, s->bias);
}

/// sum (a - za)(w - zw) = sum a w - za sum w - zw sum a + k za zw: the terms that no row changes,
/// modulo 2³².
void fill_in_corrections(const OutputStage& stage, const PackedWeightsData& w, std::int64_t channel,
                         ColumnStage* s) {
  copy_channels(stage.w_zero_points, channel, s->columns, s->w_zero_points);
  const auto za = static_cast<std::uint32_t>(stage.a_zero_point);
  const auto k = static_cast<std::uint32_t>(w.k);
  const std::int32_t* sums = w.sums.get() + channel;
  for (int c = 0; c < u8s8_columns; ++c) {
    const auto zw = static_cast<std::uint32_t>(s->w_zero_points[c]);
    s->start[c] = static_cast<std::int32_t>(za * (k * zw - static_cast<std::uint32_t>(sums[c])));
  }
}

std::int64_t out_bytes(OutputType type) {
  return type == OutputType::u8 || type == OutputType::s8 ? 1 : 4;
}

/// One thread's part of a call: rows [row, row_end) × tiles [tile, tile_end).
struct Part {
  std::int64_t row, row_end, tile, tile_end;
};

void run(const Activations& a, const PackedWeightsData& w, const OutputStage& stage, void* out,
         std::int64_t ldo, const Part& part) {
  const U8S8Helpers& help = helpers();
  const std::int64_t size = out_bytes(stage.type);
  const std::int64_t most_rows =
      std::max<std::int64_t>(1, block_bytes / std::max<std::int64_t>(1, w.k) / block_rows_unit) *
      block_rows_unit;
  GemmU8S8Problem problem{part.row_end - part.row, w.n, w.k, 255, w.pair_limit};
  alignas(64) std::int32_t sums[most_tile_rows * u8s8_columns];
  ColumnStage s;

  for (std::int64_t row = part.row; row < part.row_end; row += most_rows) {
    const std::int64_t rows = std::min(most_rows, part.row_end - row);
    const Block block = prepare_block(a, row, rows, w.k);

    if (w.pair_limit < 255) {
      problem.max_activation = w.pair_limit;
      for (std::int64_t i = 0; i < rows; ++i) {
        if (help.any_above(block.a + i * block.lda, w.k, w.pair_limit)) {
          problem.max_activation = 255;
          break;
        }
      }
    }
    const U8S8Kernel& kernel = pick(problem);
    set_last_kernel(kernel.name);

    std::int32_t* row_sums = nullptr;
    if (stage.w_zero_points.data != nullptr) {
      row_sums = row_sum_scratch.get<std::int32_t>(static_cast<std::size_t>(rows));
      for (std::int64_t i = 0; i < rows; ++i) {
        std::int32_t sum = 0;
        for (std::int64_t p = 0; p < w.k; ++p) sum += block.a[i * block.lda + p];
        row_sums[i] = sum;
      }
    }

    const std::int64_t tiles = (rows + kernel.rows - 1) / kernel.rows;
    for (std::int64_t t = part.tile; t < part.tile_end; ++t) {
      const std::int64_t channel = t * u8s8_columns;
      fill_in(stage, channel, w.n, &s);
      fill_in_corrections(stage, w, channel, &s);
      U8S8Tile tile;
      tile.lda = block.lda;
      tile.weights = w.tile(t);
      tile.groups = w.groups;
      tile.last_start = w.groups > 0 ? w.group_start(w.groups - 1) : 0;
      tile.start = s.start;
      tile.sums = sums;
      for (std::int64_t i = 0; i < tiles; ++i) {
        const std::int64_t first = rows * i / tiles;
        tile.rows = static_cast<int>(rows * (i + 1) / tiles - first);
        tile.a = block.a + first * block.lda;
        kernel.tile(tile);
        for (std::int64_t r = 0; r < tile.rows; ++r) {
          help.store(sums + r * u8s8_columns, s, row_sums ? row_sums + first + r : nullptr,
                     static_cast<char*>(out) + ((row + first + r) * ldo + channel) * size);
        }
      }
    }
  }
}

/// A forced kernel must be exact for the call; the other kernels are only picked where they are.
void check_forced(const Activations& a, std::int64_t m, const PackedWeightsData& w) {
  const U8S8Kernel* kernel = forced.load(std::memory_order_relaxed);
  if (kernel == nullptr) return;
  GemmU8S8Problem problem{m, w.n, w.k, w.pair_limit, w.pair_limit};
  for (std::int64_t i = 0; i < m; ++i) {
    const Block row = prepare_block(a, i, 1, w.k);
    if (helpers().any_above(row.a, w.k, w.pair_limit)) problem.max_activation = 255;
  }
  if (const char* reason = why_not(*kernel, problem)) {
    throw std::runtime_error("gemm_u8s8: cannot use the forced kernel " +
                             std::string(kernel->name) + ": " + reason);
  }
}

void run_all(const Activations& a, std::int64_t m, const PackedWeights& weights,
             const OutputStage& stage, void* out, std::int64_t ldo) {
  const PackedWeightsData& w = weights.data();
  if (m <= 0 || w.n <= 0) return;
  check_forced(a, m, w);
  // Threads share the longer side of the result, in whole tiles.
  const bool by_columns = w.n >= m;
  const std::int64_t units = by_columns ? w.tiles : (m + block_rows_unit - 1) / block_rows_unit;
  const std::int64_t products = std::max<std::int64_t>(1, m * w.n * w.k / units);
  parallel_for(
      0, units, (grain + products - 1) / products, [&](std::int64_t first, std::int64_t end) {
        const Part part = by_columns ? Part{0, m, first, end}
                                     : Part{first * block_rows_unit,
                                            std::min(m, end * block_rows_unit), 0, w.tiles};
        run(a, w, stage, out, ldo, part);
      });
}

}  // namespace

void linear_multipliers(float a_scale, PerChannel<float> w_scales, float out_scale, std::int64_t n,
                        float* multipliers) {
  for (std::int64_t c = 0; c < n; ++c) multipliers[c] = a_scale * w_scales[c] / out_scale;
}

void linear_bias(const float* bias, float a_scale, PerChannel<float> w_scales, std::int64_t n,
                 float* scaled) {
  for (std::int64_t c = 0; c < n; ++c) scaled[c] = bias[c] / (a_scale * w_scales[c]);
}

void gemm_u8s8(const std::uint8_t* a, std::int64_t lda, std::int64_t m,
               const PackedWeights& weights, const OutputStage& stage, void* out,
               std::int64_t ldo) {
  Activations activations;
  activations.bytes = a;
  activations.ld = lda;
  run_all(activations, m, weights, stage, out, ldo);
}

void gemm_f32s8(const float* a, std::int64_t lda, std::int64_t m, const Affine& a_params,
                const PackedWeights& weights, const OutputStage& stage, void* out,
                std::int64_t ldo) {
  Activations activations;
  activations.floats = a;
  activations.affine = {1.0f / a_params.scale, a_params.scale, a_params.zero_point,
                        static_cast<float>(a_params.qmin - a_params.zero_point),
                        static_cast<float>(a_params.qmax - a_params.zero_point)};
  activations.ld = lda;
  OutputStage with_zero_point = stage;
  with_zero_point.a_zero_point = a_params.zero_point;
  run_all(activations, m, weights, with_zero_point, out, ldo);
}

void requantize(const std::int32_t* sums, std::int64_t lds, std::int64_t m, std::int64_t n,
                const OutputStage& stage, void* out, std::int64_t ldo) {
  const U8S8Helpers& help = helpers();
  const std::int64_t size = out_bytes(stage.type);
  ColumnStage s;
  alignas(64) std::int32_t part[u8s8_columns] = {};
  for (std::int64_t c = 0; c < n; c += u8s8_columns) {
    fill_in(stage, c, n, &s);
    for (std::int64_t i = 0; i < m; ++i) {
      const std::int32_t* from = sums + i * lds + c;
      if (s.columns < u8s8_columns) {
        std::copy(from, from + s.columns, part);
        from = part;
      }
      help.store(from, s, nullptr, static_cast<char*>(out) + (i * ldo + c) * size);
    }
  }
}

std::vector<KernelInfo> gemm_u8s8_kernels(const GemmU8S8Problem& problem) {
  std::vector<KernelInfo> infos;
  for (const U8S8Kernel* kernel : kernels) {
    infos.push_back({kernel->name, kernel->isa, why_not(*kernel, problem)});
  }
  return infos;
}

void force_gemm_u8s8_kernel(const char* kernel) {
  const std::string wanted = kernel;
  if (wanted.empty()) {
    forced.store(nullptr);
    return;
  }
  for (const U8S8Kernel* candidate : kernels) {
    if (wanted == candidate->name) {
      forced.store(candidate);
      return;
    }
  }
  throw std::runtime_error("force_gemm_u8s8_kernel: no kernel is called '" + wanted + "'");
}

}  // namespace adze::kernels
