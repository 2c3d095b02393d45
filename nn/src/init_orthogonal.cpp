#include <Eigen/QR>

#include "adze/core/creation.h"
#include "adze/nn/init.h"

namespace adze::nn::init {

// The Q of a normal matrix's QR decomposition is uniform among orthogonal matrices once the signs
// of R's diagonal are made positive.
Tensor orthogonal_(const Target& target, double gain, Generator* generator) {
  const Tensor& t = target.tensor();
  check(t.dim() >= 2, "init::orthogonal_: needs at least 2 dimensions, got shape ", t.sizes());
  if (t.numel() == 0) return t;
  const std::int64_t rows = t.size(0), columns = t.numel() / rows;
  const bool wide = rows < columns;
  const std::int64_t tall = wide ? columns : rows, narrow = wide ? rows : columns;

  const Tensor normal = empty({tall, narrow});
  adze::normal_(normal, 0, 1, generator);
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<const RowMajor> a(normal.data<float>(), tall, narrow);
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(a.cast<double>());
  Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(tall, narrow);
  for (Eigen::Index i = 0; i < narrow; ++i)
    if (qr.matrixQR()(i, i) < 0) q.col(i) = -q.col(i);
  q *= gain;

  const Tensor values = empty(t.sizes());
  Eigen::Map<RowMajor> out(values.mutable_data<float>(), rows, columns);
  if (wide) {
    out = q.transpose().cast<float>();
  } else {
    out = q.cast<float>();
  }
  return target.write(values);
}

}  // namespace adze::nn::init
