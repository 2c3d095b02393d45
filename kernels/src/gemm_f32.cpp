#include "adze/kernels/gemm_f32.h"

#include <algorithm>
#include <atomic>

#include "adze/kernels/parallel.h"

#include "aligned_memory.h"
#include "gemm_f32_kernel.h"
#include "gemm_f32_run.h"
#include "isa_state.h"

namespace adze::kernels {

namespace {

// Best first.
const F32Kernel* const kernels[] = {
#if defined(__x86_64__)
    &f32_gemm_12x32_avx512,
    &f32_gemm_6x16_avx2,
#elif defined(__aarch64__)
    &f32_gemm_6x16_neon,
#endif
    &f32_gemm_scalar,
};

/// Products that are worth a second thread, 10 to 20 µs: with few rows reading b takes longest.
constexpr std::int64_t grain(std::int64_t rows) {
  return rows == 1 ? 1 << 18 : rows <= 3 ? 1 << 19 : 1 << 20;
}
constexpr std::int64_t pack_grain = 1 << 14;  // the same for groups of 16 values to pack

/// Cuts the longer side of the result, in whole tiles, into parts for threads.
void run_on_threads(const F32Kernel& kernel, const F32Product& x) {
  const bool by_columns = x.n >= x.m;
  const std::int64_t unit = by_columns ? 16 : kernel.rows;
  const std::int64_t size = by_columns ? x.n : x.m;
  const std::int64_t products = std::max<std::int64_t>(1, (by_columns ? x.m : x.n) * x.k * unit);
  parallel_for(0, (size + unit - 1) / unit, (grain(x.m) + products - 1) / products,
               [&](std::int64_t first, std::int64_t end) {
                 const std::int64_t from = first * unit, to = std::min(size, end * unit);
                 run(kernel, by_columns ? x.columns(from, to) : x.rows(from, to));
               });
}

}  // namespace

const F32Kernel& f32_kernel() {
  // One for each instruction set, as the check whether a machine has one takes a while.
  static const std::vector<const F32Kernel*> chosen = [] {
    std::vector<const F32Kernel*> best;
    for (Isa isa : all_isas()) {
      best.push_back(*std::find_if(std::begin(kernels), std::end(kernels),
                                   [&](const F32Kernel* k) { return includes(isa, k->isa); }));
    }
    return best;
  }();
  const F32Kernel& kernel = *chosen[static_cast<std::size_t>(active())];
  set_last_kernel(kernel.name);
  return kernel;
}

void gemm_f32(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k,
              const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
              std::int64_t ldc, const GemmF32Options& options) {
  const F32Kernel& kernel = f32_kernel();
  if (m <= 0 || n <= 0) return;
  const bool at = ta == Transpose::yes, bt = tb == Transpose::yes;
  const F32Product x{m, n, k,   a,      at ? 1 : lda, at ? lda : 1, b, bt ? 1 : ldb, bt ? ldb : 1,
                     0, c, ldc, options};
  if (m * n * k < 2 * grain(m)) {
    if ((bt && m <= kernel.by_columns_rows) || !run_small(kernel, x)) run(kernel, x);
  } else {
    run_on_threads(kernel, x);
  }
}

PackedF32Weights::PackedF32Weights(const float* w, std::int64_t n, std::int64_t k, std::int64_t ldw)
    : n_(n), k_(k) {
  const std::int64_t groups = (n + 15) / 16;
  const std::int64_t bytes = groups * k * 16 * static_cast<std::int64_t>(sizeof(float));
  if (bytes == 0) return;
  auto* data = static_cast<float*>(aligned_memory(bytes));
  data_.reset(data, FreeAligned());
  const F32Kernel& kernel = f32_kernel();
  parallel_for(0, groups, 1 + pack_grain / (1 + k), [&](std::int64_t group, std::int64_t end) {
    for (; group < end; ++group) {
      float* to = data + group * 16 * k;
      const std::int64_t columns = std::min<std::int64_t>(16, n - group * 16);
      if (columns < 16) std::fill(to, to + 16 * k, 0.0f);
      kernel.transpose(w + group * 16 * ldw, ldw, columns, k, to);
    }
  });
}

void gemm_f32(const float* a, std::int64_t lda, std::int64_t m, const PackedF32Weights& w,
              const float* bias, bool relu, float* c, std::int64_t ldc) {
  const F32Kernel& kernel = f32_kernel();
  if (m <= 0 || w.n() <= 0) return;
  F32Product x{};
  x.m = m;
  x.n = w.n();
  x.k = w.k();
  x.a = a;
  x.a_row = lda;
  x.a_step = 1;
  x.b = w.data();
  x.b_step = 16;
  x.b_column = 1;
  x.b_group = std::max<std::int64_t>(16, 16 * x.k);
  x.c = c;
  x.ldc = ldc;
  x.options.bias = bias;
  x.options.relu = relu;
  run_on_threads(kernel, x);
}

std::vector<KernelInfo> gemm_f32_kernels() {
  std::vector<KernelInfo> infos;
  for (const F32Kernel* kernel : kernels) {
    infos.push_back({kernel->name, kernel->isa, why_not(kernel->isa)});
  }
  return infos;
}

}  // namespace adze::kernels
