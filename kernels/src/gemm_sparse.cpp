#include "adze/kernels/gemm_sparse.h"

#include <algorithm>
#include <cstring>

#include "adze/kernels/parallel.h"

#include "activations.h"
#include "gemm_sparse_kernel.h"
#include "isa_state.h"
#include "scratch.h"
#include "sparse_weights.h"

namespace adze::kernels {

namespace {

using detail::SparseForm;
using detail::SparseWeightsData;

const SparseHelpers& helpers() {
#if defined(__x86_64__)
  if (includes(active(), Isa::avx2)) return sparse_helpers_avx2;
#elif defined(__aarch64__)
  if (includes(active(), Isa::neon)) return sparse_helpers_neon;
#endif
  return sparse_helpers_scalar;
}

constexpr std::int64_t strip = 16;  // channels; parts of a call begin at multiples of it
// Activations that are prepared at a time, and weights that meet all of them, stay in L2.
constexpr std::int64_t block_bytes = 192 * 1024;
constexpr std::int64_t block_rows_unit = 64;
constexpr std::int64_t chunk_bytes = 256 * 1024;
// Products that are worth a second thread: about 20 µs. The output stage takes as long as so many.
constexpr std::int64_t grain = 1 << 21;
constexpr std::int64_t products_of_an_output = 16;
constexpr std::int64_t most_job_rows = 64;
// Rows in place are read in words of 4 bytes, blocks of 1 × 16 in words of 16.
constexpr std::int64_t word = 4;
constexpr std::int64_t long_word = 16;

thread_local Scratch panel_scratch;
thread_local Scratch partial_scratch;
thread_local Scratch stage_scratch;

std::int64_t round_up(std::int64_t x, std::int64_t unit) {
  return (x + unit - 1) / unit * unit;
}

/// An array with one value for each of `padded` channels: the one given, or a copy in `to`.
template <class T>
const T* for_channels(const PerChannel<T>& from, std::int64_t n, std::int64_t padded, T* to) {
  if (from.data != nullptr && from.stride == 1) {
    if (n == padded) return from.data;
    std::copy_n(from.data, n, to);
    std::fill(to + n, to + padded, T());
  } else {
    std::fill_n(to, padded, from.data != nullptr ? *from.data : T());
  }
  return to;
}

/// What all threads of a call read.
struct Call {
  const Activations* a;
  std::int64_t m;
  const SparseWeightsData* w;
  SparseStage stage;
  const std::int32_t* start;
  char* out;
  std::int64_t ldo;
  std::int64_t out_bytes;
};

void fill_in(const OutputStage& from, Call* call) {
  const SparseWeightsData& w = *call->w;
  SparseStage& s = call->stage;
  const std::int64_t n = w.n, padded = round_up(n, strip);
  auto* memory = stage_scratch.get<std::int32_t>(static_cast<std::size_t>(5 * padded));
  auto* floats = reinterpret_cast<float*>(memory + 3 * padded);
  s.plain = &from;
  s.type = from.type;
  s.relu = from.relu;
  s.bounds = OutputBounds(from);
  s.multipliers = s.bias = nullptr;
  if (from.type != OutputType::s32) {
    s.multipliers = for_channels(from.multipliers, n, padded, floats);
    s.bias = for_channels(from.bias, n, padded, floats + padded);
  }
  // sum (a - za)(w - zw) = sum a w + za (k zw - sum w) - zw sum a, modulo 2³².
  std::int32_t* k_zw = nullptr;
  s.w_zero_points = nullptr;
  if (from.w_zero_points.data != nullptr) {
    s.w_zero_points = for_channels(from.w_zero_points, n, padded, memory);
    k_zw = memory + padded;
    for (std::int64_t c = 0; c < padded; ++c) {
      k_zw[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(w.k) *
                                          static_cast<std::uint32_t>(s.w_zero_points[c]));
    }
  }
  std::int32_t* start = memory + 2 * padded;
  if (from.a_zero_point == 0) {
    std::fill_n(start, padded, 0);
  } else {
    helpers().start(w.sums.data(), k_zw, padded, from.a_zero_point, start);
  }
  call->start = start;
}

/// One thread's part of a call: rows × strips.
struct Part {
  std::int64_t row, row_end, strip, strip_end;
};

std::int64_t spread_bytes(std::int64_t k) {
  return 4 * round_up(k, word);
}

/// SparseInput::spread for one row.
void spread(const std::uint8_t* a, std::int64_t k, std::uint8_t* to) {
  for (std::int64_t p = 0; p < k; p += word, to += 4 * word) {
    std::uint32_t x;
    std::memcpy(&x, a + p, sizeof x);
    const std::uint32_t copies[4] = {x, x, x, x};
    std::memcpy(to, copies, sizeof copies);
  }
}

/// Activations as the kernel wants them.
const std::uint8_t* panel_of(const SparseKernel& kernel, const ActivationBlock& block,
                             std::int64_t row, int rows, std::int64_t k, int panel_rows) {
  const std::uint8_t* a = block.a + row * block.lda;
  const auto memory = [](std::int64_t size) {
    return panel_scratch.get<std::uint8_t>(static_cast<std::size_t>(size));
  };
  std::uint8_t* panel = nullptr;
  switch (kernel.input) {
    case SparseInput::rows:
      return a;
    case SparseInput::panel:
      panel = memory(round_up(k, long_word) * panel_rows);
      helpers().make_panel(a, block.lda, rows, k, panel_rows, panel);
      break;
    case SparseInput::columns:
      panel = memory(k * 8);
      helpers().make_columns(a, block.lda, rows, k, panel);
      break;
    case SparseInput::spread:
      panel = memory(rows * spread_bytes(k));
      for (int i = 0; i < rows; ++i) {
        spread(a + i * block.lda, k, panel + i * spread_bytes(k));
      }
      break;
  }
  return panel;
}

/// Some rows of a block times some strips.
void run_jobs(const Call& call, const SparseKernel& kernel, const SparseForm& form,
              const ActivationBlock& block, std::int64_t row, std::int64_t rows,
              const std::int32_t* sums, std::int64_t strip_begin, std::int64_t strip_end) {
  const SparseView& w = form.view;
  const std::int64_t groups_of_a_strip = strip / w.height;
  SparseJob job;
  job.w = &w;
  job.group_begin = strip_begin * groups_of_a_strip;
  job.group_end = std::min(w.groups, strip_end * groups_of_a_strip);
  job.start = call.start;
  job.weight_sums = call.w->sums.data();
  job.partial = nullptr;
  if (w.k_blocks > 1 && kernel.block_rows != 0) {
    job.partial = partial_scratch.get<std::int32_t>(
        static_cast<std::size_t>(round_up(w.n, strip) * most_job_rows));
  }
  job.store = helpers().store;
  job.store_transposed = helpers().store_transposed;
  for (std::int64_t i = 0; i < rows;) {
    const int size = kernel.job_rows(rows - i);
    job.rows = static_cast<int>(std::min<std::int64_t>(size, rows - i));
    job.lda = kernel.input == SparseInput::spread ? spread_bytes(w.k) : block.lda;
    job.a = panel_of(kernel, block, i, job.rows, w.k, size);
    job.out = {&call.stage, sums == nullptr ? nullptr : sums + i,
               call.out + (row + i) * call.ldo * call.out_bytes, call.ldo, w.n};
    kernel.run(job);
    i += job.rows;
  }
}

/// The largest activation of a block, or what is promised if that is low; above low_bound it may be
/// any number above.
std::int32_t largest(const ActivationBlock& block, std::int64_t rows, std::int64_t k,
                     std::int32_t promised) {
  const auto scan = [&](std::int32_t enough) {
    std::int32_t most = 0;
    for (std::int64_t i = 0; i < rows && most <= enough; ++i) {
      most = std::max(most, helpers().most(block.a + i * block.lda, k));
    }
    return most;
  };
#ifndef NDEBUG
  if (promised < 255 && scan(promised) > promised) {
    fail_a_max(promised);
  }
#endif
  return promised <= detail::low_bound ? promised : scan(detail::low_bound);
}

void run(const Call& call, const Part& part) {
  const SparseWeightsData& w = *call.w;
  const std::int64_t unit = w.block.cols == long_word ? long_word : word;
  const std::int64_t most_rows =
      std::max<std::int64_t>(1, block_bytes / std::max<std::int64_t>(1, w.k) / block_rows_unit) *
      block_rows_unit;
  for (std::int64_t row = part.row; row < part.row_end; row += most_rows) {
    const std::int64_t rows = std::min(most_rows, part.row_end - row);
    const ActivationBlock block = readable_block(*call.a, row, rows, w.k, round_up(w.k, unit));
    const SparseKernel& kernel = pick_sparse_u8s8({rows, w.block});
    set_last_kernel(kernel.name);

    const SparseForm* form = nullptr;
    if (kernel.windows) {
      const bool low = largest(block, rows, w.k, call.stage.plain->a_max) <= detail::low_bound;
      form = &w.form(low ? detail::low_bound : 255);
    } else {
      form = &w.form(0);
    }

    const std::int32_t* sums =
        call.stage.w_zero_points == nullptr ? nullptr : row_sums(block, rows, w.k);

    // Weights that are read again for each few rows are taken in chunks.
    std::int64_t chunk = part.strip_end - part.strip;
    if (kernel.input == SparseInput::rows && rows > kernel.job_rows(rows)) {
      const std::int64_t strips = round_up(w.n, strip) / strip;
      const std::int64_t bytes = std::max<std::int64_t>(1, form->units * form->view.height * 4);
      chunk = std::clamp<std::int64_t>(strips * chunk_bytes / bytes, 1, chunk);
    }
    for (std::int64_t s = part.strip; s < part.strip_end; s += chunk) {
      run_jobs(call, kernel, *form, block, row, rows, sums, s, std::min(part.strip_end, s + chunk));
    }
  }
}

/// Where the i-th of `parts` begins if strips are shared so that all have as much to do: units of
/// 4 inputs × a channel, and the output stage.
std::int64_t cut(const SparseView& w, std::int64_t strips, std::int64_t parts, std::int64_t i) {
  if (i == 0 || i == parts) return i == 0 ? 0 : strips;
  const auto before = [&](std::int64_t s) {
    const std::int64_t g = std::min(w.groups, s * strip / w.height);
    std::int64_t units = 0;
    for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
      const SparseList* lists = w.lists + kb * w.groups;
      units += lists[g].first - lists[0].first;
    }
    return units * w.height * 4 + s * strip * products_of_an_output;
  };
  const std::int64_t wanted = before(strips) * i / parts;
  std::int64_t low = 0, high = strips;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (before(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void run_all(const Activations& a, std::int64_t m, const SparseWeights& weights,
             const OutputStage& stage, void* out, std::int64_t ldo) {
  const SparseWeightsData& w = weights.data();
  if (m <= 0 || w.n <= 0) return;
  check_forced_sparse_u8s8(w.block);
  Call call{};
  call.a = &a;
  call.m = m;
  call.w = &w;
  call.out = static_cast<char*>(out);
  call.ldo = ldo;
  call.out_bytes = output_bytes(stage.type);
  fill_in(stage, &call);

  const std::int64_t strips = round_up(w.n, strip) / strip;
  const std::int64_t products =
      m * (w.nonzero_blocks * w.block.rows * w.block.cols + products_of_an_output * w.n);
  const std::int64_t worth = std::max<std::int64_t>(1, products / grain);
  const std::int64_t parts = worth == 1 ? 1 : std::min<std::int64_t>(get_num_threads(), worth);
  if (parts == 1) {
    run(call, {0, m, 0, strips});
    return;
  }
  // Rows are easiest to share evenly, but few of them are better kept together.
  const SparseKernel& kernel = pick_sparse_u8s8({m, w.block});
  const std::int64_t unit = kernel.input == SparseInput::rows ? 32 : kernel.job_rows(m);
  const std::int64_t units = (m + unit - 1) / unit;
  const bool by_rows = units % parts == 0 || units >= 4 * parts || strips < parts;
  const SparseView& view = w.form(kernel.windows ? detail::low_bound : 0).view;
  parallel_for(0, parts, 1, [&](std::int64_t first, std::int64_t end) {
    const Part part =
        by_rows
            ? Part{units * first / parts * unit, std::min(m, units * end / parts * unit), 0, strips}
            : Part{0, m, cut(view, strips, parts, first), cut(view, strips, parts, end)};
    run(call, part);
  });
}

}  // namespace

void gemm_u8s8(const std::uint8_t* a, std::int64_t lda, std::int64_t m,
               const SparseWeights& weights, const OutputStage& stage, void* out,
               std::int64_t ldo) {
  run_all(Activations::of_bytes(a, lda, m), m, weights, stage, out, ldo);
}

void gemm_f32s8(const float* a, std::int64_t lda, std::int64_t m, const Affine& a_params,
                const SparseWeights& weights, const OutputStage& stage, void* out,
                std::int64_t ldo) {
  run_all(Activations::of_floats(a, lda, m, a_params), m, weights,
          with_activations(stage, a_params), out, ldo);
}

}  // namespace adze::kernels
