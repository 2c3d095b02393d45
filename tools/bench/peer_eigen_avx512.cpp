#if defined(__GNUC__) && !defined(__clang__)
// GCC takes the undefined registers of its own header for a mistake.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define Eigen Eigen_avx512
#include "bench/peer_eigen_product.h"

namespace adze::bench {

void eigen_gemm_avx512(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n,
                       std::int64_t k, const float* a, const float* b, float* c) {
  multiply(transpose_a, transpose_b, m, n, k, a, b, c);
}

}  // namespace adze::bench
