#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>

#include "adze/kernels/gemm_sparse.h"
#include "adze/kernels/parallel.h"

#include "gemm_sparse_f32_kernel.h"
#include "isa_state.h"
#include "scratch.h"
#include "sparse_weights_f32.h"

namespace adze::kernels {

namespace {

using detail::SparseWeightsF32Data;

// Best first, for each block shape: those for few rows only say how many these are.
const SparseF32Kernel* const kernels[] = {
#if defined(__x86_64__)
    &f32_sparse_1x1_few_avx2, &f32_sparse_1x1_rows_avx512, &f32_sparse_1x1_rows_avx2,
    &f32_sparse_1x4_few_avx2, &f32_sparse_1x4_rows_avx512, &f32_sparse_1x4_rows_avx2,
    &f32_sparse_4x4_few_avx2, &f32_sparse_4x4_rows_avx512, &f32_sparse_4x4_rows_avx2,
    &f32_sparse_8x4_avx2,     &f32_sparse_16x4_avx512,     &f32_sparse_16x4_avx2,
#elif defined(__aarch64__)
    &f32_sparse_1x1_few_neon,  &f32_sparse_1x1_rows_neon, &f32_sparse_1x4_few_neon,
    &f32_sparse_1x4_rows_neon, &f32_sparse_4x4_few_neon,  &f32_sparse_4x4_rows_neon,
    &f32_sparse_8x4_neon,      &f32_sparse_16x4_neon,
#endif
    &f32_sparse_scalar,
};

std::atomic<const SparseF32Kernel*> forced{nullptr};

const SparseF32Helpers& helpers() {
#if defined(__x86_64__)
  if (includes(active(), Isa::avx2)) return sparse_f32_helpers_avx2;
#elif defined(__aarch64__)
  if (includes(active(), Isa::neon)) return sparse_f32_helpers_neon;
#endif
  return sparse_f32_helpers_scalar;
}

/// Why the kernel cannot do it at all.
const char* why_not(const SparseF32Kernel& kernel, BlockShape block) {
  if (const char* reason = why_not(kernel.isa)) return reason;
  if (kernel.block_rows == 0) return nullptr;
  return block == BlockShape{kernel.block_rows, kernel.block_cols}
             ? nullptr
             : "it is made for another block shape";
}

const char* why_not(const SparseF32Kernel& kernel, const SparseProblem& problem) {
  const SparseF32Kernel* only = forced.load(std::memory_order_relaxed);
  if (only != nullptr && only != &kernel) return "another kernel is forced";
  if (const char* reason = why_not(kernel, problem.block)) return reason;
  return only == nullptr && kernel.most_rows != 0 && problem.m > kernel.most_rows
             ? "it is made for fewer rows of activations"
             : nullptr;
}

const SparseF32Kernel& pick(const SparseProblem& problem) {
  for (const SparseF32Kernel* kernel : kernels) {
    if (why_not(*kernel, problem) == nullptr) return *kernel;
  }
  return f32_sparse_scalar;
}

constexpr std::int64_t strip = 16;  // channels; parts of a call begin at multiples of it
constexpr std::int64_t most_job_rows = 64;
constexpr std::int64_t word = 4;  // rows in place are read in words of 4 inputs
// Weights that are read again for each few rows are taken in chunks that stay in L2.
constexpr std::int64_t chunk_bytes = 256 * 1024;
// Products that are worth a second thread: about 20 µs.
constexpr std::int64_t grain = 1 << 20;
constexpr std::int64_t products_of_an_output = 8;

thread_local Scratch row_scratch;
thread_local Scratch panel_scratch;
thread_local Scratch partial_scratch;

std::int64_t round_up(std::int64_t x, std::int64_t unit) {
  return (x + unit - 1) / unit * unit;
}

/// What all threads of a call read.
struct Call {
  const SparseF32View* w;
  const float* a;
  std::int64_t lda;
  const float* bias;
  bool relu;
  float* c;
  std::int64_t ldc;
};

/// One thread's part of a call: rows × strips.
struct Part {
  std::int64_t row, row_end, strip, strip_end;
};

/// A job's activations, in place or as the kernel wants them.
void prepare(const Call& call, const SparseF32Kernel& kernel, std::int64_t row, int panel_rows,
             SparseF32Job* job) {
  const std::int64_t k = call.w->k, padded = round_up(k, word);
  job->a = call.a + row * call.lda;
  job->lda = call.lda;
  if (kernel.panel) {
    float* panel = panel_scratch.get<float>(static_cast<std::size_t>(padded * panel_rows));
    helpers().make_panel(job->a, call.lda, job->rows, k, panel_rows, panel);
    job->a = panel;
  } else if (padded != k) {
    float* rows = row_scratch.get<float>(static_cast<std::size_t>(job->rows * padded));
    for (int i = 0; i < job->rows; ++i) {
      std::copy_n(job->a + i * call.lda, k, rows + i * padded);
      std::fill_n(rows + i * padded + k, padded - k, 0.0f);
    }
    job->a = rows;
    job->lda = padded;
  }
}

void run(const Call& call, const SparseF32Kernel& kernel, const Part& part) {
  set_last_kernel(kernel.name);
  const SparseF32View& w = *call.w;
  SparseF32Job job{};
  job.w = &w;
  if (w.k_blocks > 1 && kernel.block_rows != 0) {
    job.partial =
        partial_scratch.get<float>(static_cast<std::size_t>(round_up(w.n, strip) * most_job_rows));
  }
  job.store = helpers().store;
  job.store_transposed = helpers().store_transposed;
  std::int64_t chunk = part.strip_end - part.strip;
  const std::int64_t rows = part.row_end - part.row;
  if (!kernel.panel && w.k % word == 0 && rows > kernel.job_rows(rows)) {
    const std::int64_t strips = round_up(w.n, strip) / strip;
    const std::int64_t bytes = std::max<std::int64_t>(
        1, std::int64_t{w.lists[w.groups * w.k_blocks]} * w.height * w.cols * 4);
    chunk = std::clamp<std::int64_t>(strips * chunk_bytes / bytes, 1, chunk);
  }
  for (std::int64_t s = part.strip; s < part.strip_end; s += chunk) {
    job.group_begin = s * strip / w.height;
    job.group_end = std::min(w.groups, std::min(part.strip_end, s + chunk) * strip / w.height);
    for (std::int64_t row = part.row; row < part.row_end; row += job.rows) {
      const int size = kernel.job_rows(part.row_end - row);
      job.rows = static_cast<int>(std::min<std::int64_t>(size, part.row_end - row));
      prepare(call, kernel, row, size, &job);
      job.out = {call.bias, call.relu, call.c + row * call.ldc, call.ldc};
      kernel.run(job);
    }
  }
}

/// Where the i-th of `parts` begins if strips are shared so that all have as much to do.
std::int64_t cut(const SparseF32View& w, std::int64_t strips, std::int64_t parts, std::int64_t i) {
  if (i == 0 || i == parts) return i == 0 ? 0 : strips;
  const auto before = [&](std::int64_t s) {
    const std::int64_t g = std::min(w.groups, s * strip / w.height);
    std::int64_t units = 0;
    for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
      units += std::int64_t{w.lists[kb * w.groups + g]} - w.lists[kb * w.groups];
    }
    return units * w.height * w.cols + s * strip * products_of_an_output;
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

void check_forced(BlockShape block) {
  const SparseF32Kernel* kernel = forced.load(std::memory_order_relaxed);
  if (kernel == nullptr) return;
  if (const char* reason = why_not(*kernel, block)) {
    throw std::runtime_error("gemm_f32: cannot use the forced kernel " + std::string(kernel->name) +
                             ": " + reason);
  }
}

}  // namespace

void gemm_f32(const float* a, std::int64_t lda, std::int64_t m, const SparseWeightsF32& weights,
              const float* bias, bool relu, float* c, std::int64_t ldc) {
  const SparseWeightsF32Data& data = weights.data();
  const SparseF32View& w = data.view;
  if (m <= 0 || w.n <= 0) return;
  check_forced(data.block);
  const std::int64_t strips = round_up(w.n, strip) / strip;
  const Call call{&w, a, lda, bias, relu, c, ldc};
  const SparseF32Kernel& kernel = pick({m, data.block});
  const std::int64_t products =
      m * (data.nonzero_blocks() * w.height * w.cols + products_of_an_output * w.n);
  const std::int64_t worth = std::max<std::int64_t>(1, products / grain);
  const std::int64_t parts = worth == 1 ? 1 : std::min<std::int64_t>(get_num_threads(), worth);
  if (parts == 1) {
    run(call, kernel, {0, m, 0, strips});
    return;
  }
  // Rows are easiest to share evenly, but few of them are better kept together.
  const std::int64_t unit = kernel.panel ? kernel.job_rows(m) : 24;
  const std::int64_t units = (m + unit - 1) / unit;
  const bool by_rows = units % parts == 0 || units >= 4 * parts || strips < parts;
  parallel_for(0, parts, 1, [&](std::int64_t first, std::int64_t end) {
    const Part part =
        by_rows
            ? Part{units * first / parts * unit, std::min(m, units * end / parts * unit), 0, strips}
            : Part{0, m, cut(w, strips, parts, first), cut(w, strips, parts, end)};
    run(call, kernel, part);
  });
}

std::vector<KernelInfo> sparse_f32_kernels(const SparseProblem& problem) {
  std::vector<KernelInfo> infos;
  for (const SparseF32Kernel* kernel : kernels) {
    infos.push_back({kernel->name, kernel->isa, why_not(*kernel, problem)});
  }
  return infos;
}

void force_sparse_f32_kernel(const char* kernel) {
  const std::string wanted = kernel;
  if (wanted.empty()) {
    forced.store(nullptr);
    return;
  }
  for (const SparseF32Kernel* candidate : kernels) {
    if (wanted == candidate->name) {
      forced.store(candidate);
      return;
    }
  }
  throw std::runtime_error("force_sparse_f32_kernel: no kernel is called '" + wanted + "'");
}

}  // namespace adze::kernels
