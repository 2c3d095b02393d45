/// \file
/// Products by Eigen, for the files that include it: each with the flags of one instruction set and
/// under a namespace of its own (a macro named Eigen), because Eigen's symbols do not tell for what
/// they were compiled.
#pragma once

#include <cstdint>

#include <Eigen/Core>

namespace adze::bench {

namespace {

void multiply(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
              const float* a, const float* b, float* c) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Row = Eigen::Matrix<float, 1, Eigen::Dynamic>;
  using In = Eigen::Map<const Matrix>;
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

}  // namespace

}  // namespace adze::bench
