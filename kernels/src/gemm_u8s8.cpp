#include "adze/kernels/gemm_u8s8.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#include "adze/kernels/parallel.h"

#include "activations.h"
#include "gemm_u8s8_kernel.h"
#include "isa_state.h"
#include "packed_weights.h"
#include "scratch.h"

namespace adze::kernels {

namespace {

using detail::PackedWeightsData;

// Best first.
const U8S8Kernel* const kernels[] = {
#if defined(__x86_64__)
    &u8s8_gemm_avx512vnni,     &u8s8_gemm_ymm_avx512vnni,  &u8s8_gemm_avxvnni,
    &u8s8_gemm_windows_avx512, &u8s8_gemm_windows_avx2,    &u8s8_gemm_rows_avx2,
    &u8s8_gemm_wide_avx2,      &u8s8_gemm_wide_plain_avx2,
#elif defined(__aarch64__)
    &u8s8_gemm_neondot,
    &u8s8_gemm_neon,
#endif
    &u8s8_gemm_scalar,
};

std::atomic<const U8S8Kernel*> forced{nullptr};

AnyAbove* bytes_above() {
#if defined(__x86_64__)
  if (includes(active(), Isa::avx2)) return any_above_avx2;
#elif defined(__aarch64__)
  if (includes(active(), Isa::neon)) return any_above_neon;
#endif
  return any_above_scalar;
}

const char* why_not(const U8S8Kernel& kernel, const GemmU8S8Problem& problem) {
  const U8S8Kernel* only = forced.load(std::memory_order_relaxed);
  if (only != nullptr && only != &kernel) return "another kernel is forced";
  if (const char* reason = why_not(kernel.isa)) return reason;
  return kernel.why_not(problem);
}

/// The kernels that the active instruction set includes, best first.
const std::vector<const U8S8Kernel*>& active_kernels() {
  static const auto of_isas = kernels_by_isa(kernels);
  return of_isas[static_cast<std::size_t>(active())];
}

/// The first kernel without a reason against it.
const U8S8Kernel& pick(const GemmU8S8Problem& problem) {
  const U8S8Kernel* only = forced.load(std::memory_order_relaxed);
  for (const U8S8Kernel* kernel : active_kernels()) {
    if (only != nullptr && only != kernel) continue;
    if (kernel->why_not(problem) == nullptr) return *kernel;
  }
  return u8s8_gemm_scalar;
}

// A block of rows of a, with a tile of weights, stays in L2.
constexpr std::int64_t block_bytes = 192 * 1024;
// Products that are worth a second thread: about 15 µs.
constexpr std::int64_t grain = 1 << 21;
// Threads get multiples of these: whole tiles of every kernel.
constexpr std::int64_t block_rows_unit = 12;
constexpr std::int64_t unit_columns = 64;

thread_local Scratch kernel_scratch;

ActivationBlock block_of(const Activations& a, std::int64_t row, std::int64_t rows,
                         std::int64_t k) {
  return readable_block(a, row, rows, k, std::max(k, std::int64_t{u8s8_group}));
}

constexpr float zeros[u8s8_columns] = {};

/// Points `all` to the values of the first tile and `last` to those of the last one, which has
/// `rest` channels if it is incomplete (0 otherwise). Returns how far apart those of two tiles are.
template <class T>
std::int64_t spread(const PerChannel<T>& from, std::int64_t n, std::int64_t rest, T* shared,
                    T* last_values, const T** all, const T** last) {
  if (from.stride == 0) {
    std::fill(shared, shared + u8s8_columns, *from.data);
    *all = *last = shared;
    return 0;
  }
  *all = from.data;
  if (rest > 0) {
    std::fill(std::copy(from.data + n - rest, from.data + n, last_values),
              last_values + u8s8_columns, T());
    *last = last_values;
  }
  return u8s8_columns;
}

void prepare(const OutputStage& stage, std::int64_t n, U8S8Stage* s) {
  s->type = stage.type;
  s->relu = stage.relu;
  s->bounds = OutputBounds(stage);
  s->a_zero_point = stage.a_zero_point;

  const std::int64_t rest = n % u8s8_columns;
  s->last_tile = rest > 0 ? n / u8s8_columns : -1;
  s->last.columns = static_cast<int>(rest);
  s->multipliers = s->bias = s->last.multipliers = s->last.bias = zeros;
  s->w_zero_points = s->last.w_zero_points = nullptr;
  s->multipliers_step = s->bias_step = s->w_zero_points_step = 0;
  if (stage.multipliers.data != nullptr) {
    s->multipliers_step = spread(stage.multipliers, n, rest, s->shared_multipliers,
                                 s->last_multipliers, &s->multipliers, &s->last.multipliers);
  }
  if (stage.bias.data != nullptr) {
    s->bias_step =
        spread(stage.bias, n, rest, s->shared_bias, s->last_bias, &s->bias, &s->last.bias);
  }
  if (stage.w_zero_points.data != nullptr) {
    s->w_zero_points_step =
        spread(stage.w_zero_points, n, rest, s->shared_w_zero_points, s->last_w_zero_points,
               &s->w_zero_points, &s->last.w_zero_points);
  }
}

/// One thread's part of a call: rows [row, row_end) × tiles [tile, tile_end).
struct Part {
  std::int64_t row, row_end, tile, tile_end;
};

bool any_above(const ActivationBlock& block, std::int64_t rows, std::int64_t k,
               std::int32_t limit) {
  AnyAbove* const above = bytes_above();
  if (block.lda == k) return above(block.a, rows * k, limit);
  for (std::int64_t i = 0; i < rows; ++i) {
    if (above(block.a + i * block.lda, k, limit)) return true;
  }
  return false;
}

/// True if no activation of a block is above the window limit.
bool all_low(const ActivationBlock& block, std::int64_t rows, std::int64_t k,
             std::int32_t promised) {
#ifndef NDEBUG
  if (promised < 255 && any_above(block, rows, k, promised)) {
    fail_a_max(promised);
  }
#endif
  return promised <= u8s8_window_limit || !any_above(block, rows, k, u8s8_window_limit);
}

void run(const Activations& a, const PackedWeightsData& w, const OutputStage& stage,
         const U8S8Stage& prepared, void* out, std::int64_t ldo, const Part& part) {
  const std::int64_t size = output_bytes(stage.type);
  const std::int64_t all_rows = part.row_end - part.row;
  const std::int64_t most_rows =
      all_rows * w.k <= block_bytes
          ? all_rows
          : std::max<std::int64_t>(1, block_bytes / w.k / block_rows_unit) * block_rows_unit;
  GemmU8S8Problem problem{a.rows, w.n, w.k, u8s8_window_limit, w.typical_weight};
  const U8S8Kernel& if_low = pick(problem);
  const U8S8Kernel* kernel = &if_low;
  problem.max_activation = 255;

  for (std::int64_t row = part.row; row < part.row_end; row += most_rows) {
    const std::int64_t rows = std::min(most_rows, part.row_end - row);
    const ActivationBlock block = block_of(a, row, rows, w.k);
    if (if_low.order == U8S8Order::windows) {
      kernel = all_low(block, rows, w.k, stage.a_max) ? &if_low : &pick(problem);
    }

    U8S8Panel panel;
    panel.a = block.a;
    panel.lda = block.lda;
    panel.rows = rows;
    panel.weights = &w.in(kernel->order);
    panel.tile = part.tile;
    panel.tile_end = part.tile_end;
    panel.stage = &prepared;
    panel.row_sums = stage.w_zero_points.data == nullptr ? nullptr : row_sums(block, rows, w.k);
    panel.out = static_cast<char*>(out) + row * ldo * size;
    panel.ldo = ldo;
    panel.scratch = nullptr;
    if (kernel->scratch != nullptr) {
      panel.scratch = kernel_scratch.get<std::uint8_t>(
          static_cast<std::size_t>(kernel->scratch(rows, std::max<std::int64_t>(w.k, u8s8_group))));
    }
    kernel->run(panel);
    set_last_kernel(kernel->name);
  }
}

/// A forced kernel must be exact for the call; the other kernels are only picked where they are.
void check_forced(const Activations& a, std::int64_t m, const PackedWeightsData& w) {
  const U8S8Kernel* kernel = forced.load(std::memory_order_relaxed);
  if (kernel == nullptr) return;
  GemmU8S8Problem problem{m, w.n, w.k, u8s8_window_limit, w.typical_weight};
  for (std::int64_t i = 0; i < m; ++i) {
    const ActivationBlock row = block_of(a, i, 1, w.k);
    if (bytes_above()(row.a, w.k, u8s8_window_limit)) problem.max_activation = 255;
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
  U8S8Stage prepared;
  prepare(stage, w.n, &prepared);
  const std::int64_t tiles = (w.n + u8s8_columns - 1) / u8s8_columns;
  if (m * w.n * w.k <= grain) {
    run(a, w, stage, prepared, out, ldo, {0, m, 0, tiles});
    return;
  }
  // Threads share the longer side of the result, in whole tiles.
  const bool by_columns = w.n >= m;
  const std::int64_t units = by_columns ? (w.n + unit_columns - 1) / unit_columns
                                        : (m + block_rows_unit - 1) / block_rows_unit;
  const std::int64_t products = std::max<std::int64_t>(1, m * w.n * w.k / units);
  parallel_for(
      0, units, (grain + products - 1) / products, [&](std::int64_t first, std::int64_t end) {
        constexpr std::int64_t unit_tiles = unit_columns / u8s8_columns;
        const Part part =
            by_columns
                ? Part{0, m, first * unit_tiles, std::min(tiles, end * unit_tiles)}
                : Part{first * block_rows_unit, std::min(m, end * block_rows_unit), 0, tiles};
        run(a, w, stage, prepared, out, ldo, part);
      });
}

}  // namespace

U8S8Order preferred_order(std::int64_t n, std::int64_t k) {
  return pick({1, n, k, u8s8_window_limit, 0}).order;
}

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
  run_all(Activations::of_bytes(a, lda, m), m, weights, stage, out, ldo);
}

void gemm_f32s8(const float* a, std::int64_t lda, std::int64_t m, const Affine& a_params,
                const PackedWeights& weights, const OutputStage& stage, void* out,
                std::int64_t ldo) {
  run_all(Activations::of_floats(a, lda, m, a_params), m, weights,
          with_activations(stage, a_params), out, ldo);
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
