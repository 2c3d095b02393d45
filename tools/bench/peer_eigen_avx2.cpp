// The only file of this program that includes Eigen: it is compiled for AVX2 and FMA, and Eigen's
// symbols do not tell for what they were compiled.
#include <Eigen/Core>

#include "bench/peer_eigen.h"

namespace adze::bench {

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::Matrix<float, 1, Eigen::Dynamic>;
using In = Eigen::Map<const Matrix>;

}  // namespace

bool has_eigen() {
#if defined(__AVX2__) && defined(__FMA__)
  return true;
#else
  return false;
#endif
}

void eigen_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                const float* a, const float* b, float* c) {
  Eigen::Map<Matrix> out(c, m, n);
  if (m == 1) {  // a product of vector and matrix is a function of its own in Eigen
    const Eigen::Map<const Row> row(a, k);
    Eigen::Map<Row> result(c, n);
    if (transpose_b) {
      result.noalias() = row * In(b, n, k).transpose();
    } else {
      result.noalias() = row * In(b, k, n);
    }
  } else if (transpose_a && transpose_b) {
    out.noalias() = In(a, k, m).transpose() * In(b, n, k).transpose();
  } else if (transpose_a) {
    out.noalias() = In(a, k, m).transpose() * In(b, k, n);
  } else if (transpose_b) {
    out.noalias() = In(a, m, k) * In(b, n, k).transpose();
  } else {
    out.noalias() = In(a, m, k) * In(b, k, n);
  }
}

}  // namespace adze::bench
