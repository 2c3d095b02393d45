// The table of sparse int8 kernels: which one is used, and why others are not.
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "adze/kernels/gemm_sparse.h"

#include "gemm_sparse_kernel.h"
#include "isa_state.h"

namespace adze::kernels {

namespace {

// Best first, for each block shape.
const SparseKernel* const kernels[] = {
#if defined(__x86_64__)
    &u8s8_sparse_1x4_dot_avx512vnni,
    &u8s8_sparse_1x4_rows_avx512vnni,
    &u8s8_sparse_1x16_dot_avx512vnni,
    &u8s8_sparse_1x16_rows_avx512vnni,
    &u8s8_sparse_4x4_two_avx512vnni,
    &u8s8_sparse_4x4_rows_avx512vnni,
    &u8s8_sparse_8x4_avx512vnni,
    &u8s8_sparse_16x4_avx512vnni,
    &u8s8_sparse_8x1_few_avx512vnni,
    &u8s8_sparse_8x1_rows_avx512vnni,
    &u8s8_sparse_1x4_rows_ymm_avx512vnni,
    &u8s8_sparse_1x16_rows_ymm_avx512vnni,
    &u8s8_sparse_4x4_rows_ymm_avx512vnni,
    &u8s8_sparse_16x4_ymm_avx512vnni,
    &u8s8_sparse_1x4_dot_avxvnni,
    &u8s8_sparse_1x4_rows_avxvnni,
    &u8s8_sparse_1x16_dot_avxvnni,
    &u8s8_sparse_1x16_rows_avxvnni,
    &u8s8_sparse_4x4_two_avxvnni,
    &u8s8_sparse_4x4_rows_avxvnni,
    &u8s8_sparse_8x4_avxvnni,
    &u8s8_sparse_16x4_avxvnni,
    &u8s8_sparse_8x1_few_avxvnni,
    &u8s8_sparse_8x1_rows_avxvnni,
    &u8s8_sparse_1x4_dot_avx2,
    &u8s8_sparse_1x4_rows_avx2,
    &u8s8_sparse_1x16_dot_avx2,
    &u8s8_sparse_1x16_rows_avx2,
    &u8s8_sparse_4x4_two_avx2,
    &u8s8_sparse_4x4_rows_avx2,
    &u8s8_sparse_8x4_avx2,
    &u8s8_sparse_16x4_avx2,
    &u8s8_sparse_8x1_few_avx2,
    &u8s8_sparse_8x1_rows_avx2,
#elif defined(__aarch64__)
    &u8s8_sparse_1x4_dot_neondot,  &u8s8_sparse_1x4_rows_neondot,
    &u8s8_sparse_1x16_dot_neondot, &u8s8_sparse_1x16_rows_neondot,
    &u8s8_sparse_4x4_few_neondot,  &u8s8_sparse_4x4_rows_neondot,
    &u8s8_sparse_8x4_neondot,      &u8s8_sparse_16x4_neondot,
    &u8s8_sparse_8x1_few_neondot,  &u8s8_sparse_8x1_rows_neondot,
    &u8s8_sparse_1x4_dot_neon,     &u8s8_sparse_1x4_rows_neon,
    &u8s8_sparse_1x16_dot_neon,    &u8s8_sparse_1x16_rows_neon,
    &u8s8_sparse_4x4_few_neon,     &u8s8_sparse_4x4_rows_neon,
    &u8s8_sparse_8x4_neon,         &u8s8_sparse_16x4_neon,
    &u8s8_sparse_8x1_few_neon,     &u8s8_sparse_8x1_rows_neon,
#endif
    &u8s8_sparse_scalar,
};

std::atomic<const SparseKernel*> forced{nullptr};

/// Why the kernel cannot do it on any machine.
const char* unfit(const SparseKernel& kernel, BlockShape block) {
  return kernel.block_rows == 0 || block == BlockShape{kernel.block_rows, kernel.block_cols}
             ? nullptr
             : "it is made for another block shape";
}

/// Why the kernel is passed over even where its instruction set is active.
const char* unwanted(const SparseKernel& kernel, const SparseProblem& problem) {
  const SparseKernel* only = forced.load(std::memory_order_relaxed);
  if (only != nullptr && only != &kernel) return "another kernel is forced";
  if (const char* reason = unfit(kernel, problem.block)) return reason;
  return only == nullptr && kernel.most_rows != 0 && problem.m > kernel.most_rows
             ? "it is made for fewer rows of activations"
             : nullptr;
}

/// The kernels that the active instruction set includes, best first.
const std::vector<const SparseKernel*>& active_kernels() {
  static const auto of_isas = kernels_by_isa(kernels);
  return of_isas[static_cast<std::size_t>(active())];
}

}  // namespace

const SparseKernel& pick_sparse_u8s8(const SparseProblem& problem) {
  for (const SparseKernel* kernel : active_kernels()) {
    if (unwanted(*kernel, problem) == nullptr) return *kernel;
  }
  return u8s8_sparse_scalar;
}

void check_forced_sparse_u8s8(BlockShape block) {
  const SparseKernel* kernel = forced.load(std::memory_order_relaxed);
  if (kernel == nullptr) return;
  const char* reason = why_not(kernel->isa);
  if (reason == nullptr) reason = unfit(*kernel, block);
  if (reason != nullptr) {
    throw std::runtime_error("gemm_u8s8: cannot use the forced kernel " +
                             std::string(kernel->name) + ": " + reason);
  }
}

std::vector<KernelInfo> sparse_u8s8_kernels(const SparseProblem& problem) {
  std::vector<KernelInfo> infos;
  for (const SparseKernel* kernel : kernels) {
    const char* reason = why_not(kernel->isa);
    infos.push_back(
        {kernel->name, kernel->isa, reason != nullptr ? reason : unwanted(*kernel, problem)});
  }
  return infos;
}

void force_sparse_u8s8_kernel(const char* kernel) {
  const std::string wanted = kernel;
  if (wanted.empty()) {
    forced.store(nullptr);
    return;
  }
  for (const SparseKernel* candidate : kernels) {
    if (wanted == candidate->name) {
      forced.store(candidate);
      return;
    }
  }
  throw std::runtime_error("force_sparse_u8s8_kernel: no kernel is called '" + wanted + "'");
}

}  // namespace adze::kernels
