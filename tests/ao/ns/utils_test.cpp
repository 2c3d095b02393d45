#include "adze/ao/ns/utils.h"

#include <cmath>
#include <limits>

#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using namespace adze::test;
namespace ns = ao::ns;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Metrics {
  double sqnr, l2, cosine;
};
Metrics metrics(const Tensor& x, const Tensor& y) {
  return {ns::compute_sqnr(x, y), ns::compute_normalized_l2_error(x, y),
          ns::compute_cosine_similarity(x, y)};
}
void check_metrics(const Metrics& came, const Metrics& wanted, double epsilon) {
  CHECK(came.sqnr == Approx(wanted.sqnr).epsilon(epsilon));
  CHECK(came.l2 == Approx(wanted.l2).epsilon(epsilon));
  CHECK(came.cosine == Approx(wanted.cosine).epsilon(epsilon));
}

Tensor some() {
  return tensor({{1, -2, 3}, {.5, 0, -4}});
}
Tensor close_to_some() {
  return tensor({{1.1, -1.9, 2.75}, {.5, .25, -4.5}});
}

}  // namespace

TEST_CASE("The metrics are what their formulas say", "[ao][ns]") {
  // |x|^2 = 30.25, |y|^2 = 32.945, x y = 31.4 and |x - y|^2 = 0.395, summed by hand.
  check_metrics(
      metrics(some(), close_to_some()),
      {10 * std::log10(30.25 / .395), std::sqrt(.395 / 30.25), 31.4 / std::sqrt(30.25 * 32.945)},
      1e-6);
  const Tensor half = tensor({1, 1, 1, 1}), one = tensor({1, 1, 1, 0});
  check_metrics(metrics(half, one), {20 * std::log10(2.0), .5, 3 / std::sqrt(12.0)}, 1e-12);
}

TEST_CASE("The metrics agree with the field's numbers", "[ao][ns][golden]") {
  check_metrics(metrics(some(), close_to_some()),
                {18.841283798217773, 0.11427095532417297, 0.9946544766426086}, 1e-6);
  check_metrics(metrics(close_to_some(), some()),
                {19.211923599243164, 0.10949739813804626, 0.9946544766426086}, 1e-6);
  check_metrics(metrics(some(), quantize_per_tensor(some(), .03, 128, quint8)),
                {30.67424964904785, 0.02926088310778141, 0.999776303768158}, 1e-6);
  check_metrics(metrics(some(), -some()), {-6.020600318908691, 2, -1}, 1e-6);
  std::vector<float> wave, coarse;
  for (int i = 0; i < 1000; ++i) {
    wave.push_back(static_cast<float>(std::sin(i * .1)));
    coarse.push_back(std::nearbyint(wave.back() * 16) / 16);
  }
  check_metrics(metrics(from_vector(wave, {1000}), from_vector(coarse, {1000})),
                {32.1293830871582, 0.024747470393776894, 0.9996960163116455}, 1e-6);
}

TEST_CASE("Equal tensors agree perfectly, zeros included", "[ao][ns]") {
  for (const Tensor& x : {some(), zeros({3}), empty({0}), tensor(7), full({5}, 1e-30)}) {
    CAPTURE(x.sizes());
    const Metrics m = metrics(x, x.clone());
    CHECK(m.sqnr == infinity);
    CHECK(m.l2 == 0);
    CHECK(m.cosine == 1);
  }
}

TEST_CASE("A signal of zeros and a result of zeros are defined", "[ao][ns]") {
  const Metrics from_zero = metrics(zeros({2}), ones({2}));
  CHECK(from_zero.sqnr == -infinity);
  CHECK(from_zero.l2 == infinity);
  CHECK(from_zero.cosine == 0);
  const Metrics to_zero = metrics(ones({2}), zeros({2}));
  CHECK(to_zero.sqnr == 0);
  CHECK(to_zero.l2 == 1);
  CHECK(to_zero.cosine == 0);
}

TEST_CASE("An element that is not finite makes every metric NaN", "[ao][ns]") {
  const auto nan = std::numeric_limits<float>::quiet_NaN(), inf = static_cast<float>(infinity);
  for (const float bad : {nan, inf, -inf}) {
    CAPTURE(bad);
    const Tensor x = tensor({1, 2}), y = tensor({1, bad});
    for (const Metrics& m : {metrics(x, y), metrics(y, x), metrics(y, y)}) {
      CHECK(std::isnan(m.sqnr));
      CHECK(std::isnan(m.l2));
      CHECK(std::isnan(m.cosine));
    }
  }
}

TEST_CASE("Sums do not overflow where float32 would", "[ao][ns]") {
  const Tensor x = full({1000}, 3e38), y = full({1000}, 1.5e38);
  check_metrics(metrics(x, y), {20 * std::log10(2.0), .5, 1}, 1e-6);
  const Tensor tiny = full({8}, 1e-40), none = zeros({8});
  CHECK(ns::compute_normalized_l2_error(tiny, none) == 1);
}

TEST_CASE("Metrics take every dtype and layout", "[ao][ns]") {
  const Tensor x = some(), y = close_to_some();
  const Metrics wanted = metrics(x, y);
  check_metrics(metrics(x.to(float64), y), wanted, 1e-12);
  check_metrics(metrics(x.t(), y.t().contiguous()), wanted, 1e-12);
  const Tensor leaf = x.clone();
  leaf.requires_grad_();
  check_metrics(metrics(leaf, y * 1.0), wanted, 1e-12);
  CHECK(ns::compute_sqnr(tensor_of<std::int64_t>({3, 4}), tensor_of<std::int64_t>({3, 3})) ==
        Approx(20 * std::log10(5.0)));
  CHECK(ns::compute_sqnr(tensor_of<bool>({true, false}), tensor({1, 0})) == infinity);
  CHECK(ns::compute_sqnr(tensor({1, 2}).to(float16), tensor({1, 2}).to(bfloat16)) == infinity);
  const Tensor per_channel =
      quantize_per_channel(x, tensor({.01, .03}), tensor_of<std::int64_t>({0, 0}), 0, qint8);
  check_metrics(metrics(per_channel, y), metrics(dequantize(per_channel), y), 1e-12);
}

TEST_CASE("Tensors of different shapes are not compared", "[ao][ns]") {
  CHECK(error_of([] {
          ns::compute_sqnr(zeros({2, 3}), zeros({3, 2}));
        }) == "numeric suite: x is (2, 3), y (3, 2); the shapes must agree");
  CHECK_THROWS_AS(ns::compute_cosine_similarity(zeros({1}), zeros({})), Error);
  CHECK_THAT(error_of([] { ns::compute_normalized_l2_error(Tensor(), zeros({1})); }),
             ContainsSubstring("undefined"));
}

TEST_CASE("Pairs that come one after the other count as one", "[ao][ns]") {
  Generator g(3);
  const Tensor x = randn({10, 4}, &g), y = x + 0.1 * randn({10, 4}, &g);
  ns::Agreement parts;
  parts.add(x.slice(0, 0, 3), y.slice(0, 0, 3));
  CHECK_THROWS_AS(parts.add(x, y.t()), Error);
  parts.add(x.slice(0, 3), y.slice(0, 3));
  check_metrics({parts.sqnr(), parts.normalized_l2_error(), parts.cosine_similarity()},
                metrics(x, y), 1e-12);
}
