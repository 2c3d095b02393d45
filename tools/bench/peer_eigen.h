#pragma once

#include <cstdint>

namespace adze::bench {

/// True if Eigen was compiled in with the instruction sets it is compared with.
bool has_eigen();

/// c = op(a) · op(b), row-major and contiguous, by Eigen on one thread.
void eigen_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                const float* a, const float* b, float* c);

}  // namespace adze::bench
