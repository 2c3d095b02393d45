#include "adze/ao/ns/utils.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "adze/core/autograd.h"
#include "adze/core/ops.h"

namespace adze::ao::ns {
namespace {

std::vector<double> values(const Tensor& t) {
  return (t.is_quantized() ? dequantize(t) : t.detach()).to_vector<double>();
}

Agreement agreement(const Tensor& x, const Tensor& y) {
  Agreement a;
  a.add(x, y);
  return a;
}

}  // namespace

double compute_sqnr(const Tensor& x, const Tensor& y) {
  return agreement(x, y).sqnr();
}
double compute_normalized_l2_error(const Tensor& x, const Tensor& y) {
  return agreement(x, y).normalized_l2_error();
}
double compute_cosine_similarity(const Tensor& x, const Tensor& y) {
  return agreement(x, y).cosine_similarity();
}

void Agreement::add(const Tensor& x, const Tensor& y) {
  check(x.defined() && y.defined(), "numeric suite: needs two tensors, got an undefined one");
  check(x.sizes() == y.sizes(), "numeric suite: x is ", x.sizes(), ", y ", y.sizes(),
        "; the shapes must agree");
  NoGrad guard;
  const std::vector<double> xs = values(x), ys = values(y);
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const double difference = xs[i] - ys[i];
    xx_ += xs[i] * xs[i];
    yy_ += ys[i] * ys[i];
    xy_ += xs[i] * ys[i];
    error_ += difference * difference;
  }
  if (!std::isfinite(xx_) || !std::isfinite(yy_) || !std::isfinite(error_))
    xx_ = yy_ = xy_ = error_ = std::numeric_limits<double>::quiet_NaN();
}

double Agreement::sqnr() const {
  if (error_ == 0) return std::numeric_limits<double>::infinity();
  return 10 * (std::log10(xx_) - std::log10(error_));
}

double Agreement::normalized_l2_error() const {
  if (error_ == 0) return 0;
  return std::sqrt(error_) / std::sqrt(xx_);
}

double Agreement::cosine_similarity() const {
  if (error_ == 0) return 1;
  if (xx_ == 0 || yy_ == 0) return 0;
  const double cosine = xy_ / (std::sqrt(xx_) * std::sqrt(yy_));
  return std::isnan(cosine) ? cosine : std::clamp(cosine, -1.0, 1.0);
}

}  // namespace adze::ao::ns
