#include "adze/ao/quantization/histogram_observer.h"

#include <cmath>

#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "support/catch.h"

using namespace adze;
using namespace adze::ao::quantization;

namespace {

struct Expected {
  float min, max;
  double sum;
  std::int64_t filled;  // bins that are not empty
  float scale;
  int zero_point;
};

void check_state(const HistogramObserver& o, const Expected& e) {
  const auto q = o.calculate_qparams();
  CHECK(o.min_val.value().item<float>() == e.min);
  CHECK(o.max_val.value().item<float>() == e.max);
  CHECK(o.histogram.value().sum().item<double>() == e.sum);
  CHECK(count_nonzero(o.histogram.value()) == e.filled);
  CHECK(q.scale.item<float>() == e.scale);
  CHECK(q.zero_point.item<int>() == e.zero_point);
}

// 10000 numbers in [-4, 4), most of them small, times `factor`.
Tensor cubic(float factor) {
  std::vector<float> out;
  for (int i = 0; i < 10000; ++i) {
    const float v = static_cast<float>(i * 7919 % 10007) / 10007.0f * 2 - 1;
    out.push_back(v * v * v * 4 * factor);
  }
  return from_vector(out, {10000});
}

}  // namespace

TEST_CASE("Histogram ranges of one tensor are the field's", "[ao][quantization][histogram]") {
  const auto check_one = [](const Tensor& x, const Expected& e) {
    HistogramObserver o;
    CHECK(o(x).is_same(x));
    check_state(o, e);
  };
  check_one(linspace(-1, 1, 2001), {-1, 1, 2001, 2001, 0.007839307188987732f, 128});
  check_one(linspace(-1.5, 2.7, 4201), {-1.5, 2.7f, 4201, 2048, 0.016462543979287148f, 91});
  check_one(linspace(0, 1, 1001), {0, 1, 1001, 1001, 0.003919653594493866f, 0});
  check_one(linspace(0, 10, 1001), {0, 10, 1001, 1001, 0.03919653967022896f, 0});
  check_one(zeros({10}), {0, 0, 10, 1, 1.1920928955078125e-07f, 0});
  check_one(cat({linspace(0, 4, 4001), tensor({100})}), {0, 100, 4002, 83, 0.391965389251709f, 0});
  check_one(tensor({0, 1, 2}), {0, 2, 3, 3, 0.007839307188987732f, 0});
}

TEST_CASE("A histogram follows the range of later tensors", "[ao][quantization][histogram]") {
  HistogramObserver o;
  o(linspace(0, 4, 401));
  check_state(o, {0, 4, 401, 401, 0.015640318393707275f, 0});
  o(linspace(0, 4, 401));
  check_state(o, {0, 4, 802, 401, 0.015640318393707275f, 0});
  o(linspace(-2, 8, 1001));
  check_state(o, {-2, 8, 1803, 1076, 0.03919653967022896f, 51});

  HistogramObserver integers;
  integers(linspace(0, 8, 9));
  check_state(integers, {0, 8, 9, 9, 0.03135722875595093f, 0});
  integers(linspace(-4, 12, 17));
  check_state(integers, {-4, 12, 26, 18, 0.06271445751190186f, 64});

  HistogramObserver cubes;
  cubes(cubic(1));
  check_state(cubes, {-4, 3.9976015090942383f, 10000, 2048, 0.031255945563316345f, 128});
  cubes(cubic(2));
  check_state(cubes, {-8, 7.995203018188477f, 20000, 2048, 0.06251189112663269f, 128});
}

TEST_CASE("A histogram of one value is kept when the range widens",
          "[ao][quantization][histogram]") {
  HistogramObserver o;
  o(full({10}, 2.0));
  check_state(o, {2, 2, 10, 1, 0.007843137718737125f, 0});
  CHECK(o.histogram.value()[1024].item<float>() == 10);
  o(full({10}, 3.0));
  check_state(o, {2, 3, 20, 2, 0.011762791313230991f, 0});
  CHECK(o.histogram.value()[0].item<float>() == 10);
  CHECK(o.histogram.value()[2047].item<float>() == 10);
}

TEST_CASE("Histogram qparams follow dtype, scheme and range", "[ao][quantization][histogram]") {
  HistogramObserver reduced({.reduce_range = true});
  reduced(cubic(1));
  check_state(reduced, {-4, 3.9976015090942383f, 10000, 2048, 0.06275799870491028f, 64});
  reduced(cubic(2));
  check_state(reduced, {-8, 7.995203018188477f, 20000, 2048, 0.12551599740982056f, 64});
  HistogramObserver symmetric({.dtype = qint8, .qscheme = per_tensor_symmetric});
  symmetric(cubic(1));
  check_state(symmetric, {-4, 3.9976015090942383f, 10000, 2048, 0.0313725508749485f, 0});
  symmetric(cubic(2));
  check_state(symmetric, {-8, 7.995203018188477f, 20000, 2048, 0.062745101749897f, 0});
}

TEST_CASE("Three bins show how histograms are joined", "[ao][quantization][histogram]") {
  HistogramObserver o({.bins = 3});
  o(tensor({0, 1, 2}));
  CHECK(o.histogram.value().to_vector<float>() == std::vector<float>{1, 1, 1});
  o(tensor({0, 3, 4}));
  check_state(o, {0, 4, 6, 3, 0.010457516647875309f, 0});

  struct Row {
    DType dtype;
    QScheme scheme;
    bool reduce_range;
    double scale;
    int zero_point;
  };
  for (const Row& r : {Row{quint8, per_tensor_affine, false, 0.0235294, 0},
                       Row{quint8, per_tensor_affine, true, 0.0235294 * 255 / 127, 0},
                       Row{qint8, per_tensor_affine, false, 0.0235294, -128},
                       Row{qint8, per_tensor_affine, true, 0.0235294 * 255 / 127, -64},
                       Row{quint8, per_tensor_symmetric, false, 0.0470588, 128},
                       Row{qint8, per_tensor_symmetric, true, 0.0470588 * 255 / 127, 0}}) {
    HistogramObserver h(
        {.dtype = r.dtype, .qscheme = r.scheme, .reduce_range = r.reduce_range, .bins = 3});
    h(tensor({2, 3, 4, 5}));
    h(tensor({5, 6, 7, 8}));
    CHECK(h.min_val.value().item<float>() == 2);
    CHECK(h.max_val.value().item<float>() == 8);
    CHECK(h.histogram.value().to_vector<float>() == std::vector<float>{2, 3, 3});
    CHECK(h.calculate_qparams().scale.item<double>() == Approx(r.scale).epsilon(1e-5));
    CHECK(h.calculate_qparams().zero_point.item<int>() == r.zero_point);
  }
}

TEST_CASE("Mass is kept when a histogram is spread over wider bins",
          "[ao][quantization][histogram]") {
  HistogramObserver o({.bins = 64});
  double count = 0;
  for (int i = 1; i <= 12; ++i) {
    const Tensor x = linspace(-std::pow(1.7, i), std::pow(1.3, i), 100 + i);
    o(x);
    count += 100 + i;
    CHECK(o.histogram.value().sum().item<double>() == Approx(count));
    CHECK(o.histogram.value().min().item<float>() >= 0);
  }
}

TEST_CASE("The range of a histogram gives up rare tails", "[ao][quantization][histogram]") {
  HistogramObserver o;
  // Clipping one value at 20 costs 19^2; keeping it costs 2e6 * (20 / 256)^2 / 12.
  std::vector<float> values(2000000);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i % 1000) / 1000.0f;
  values[0] = 20;
  o(from_vector(values, {2000000}));
  const auto q = o.calculate_qparams();
  CHECK(q.scale.item<double>() * 255 < 10);
  CHECK(q.scale.item<double>() * 255 > 0.9);
}

TEST_CASE("A histogram of a range that is too wide or tiny stays in bounds",
          "[ao][quantization][histogram]") {
  HistogramObserver o;
  CHECK_THROWS_WITH(o(tensor({-3e38, 3e38})),
                    "HistogramObserver: the range -3.0000000054977558e+38 to "
                    "3.0000000054977558e+38 is too wide for a histogram of float32");
  CHECK_FALSE(o.has_data());
  o(tensor({1e-45, 0}));
  o(tensor({1e-40, -1e-44}));
  o(full({3}, 1e-38));
  CHECK(o.calculate_qparams().scale.item<float>() == 0x1p-23f);
  HistogramObserver large;
  large(full({5}, 1e10));
  CHECK(large.histogram.value()[1024].item<float>() == 5);
  large(full({5}, 2e10));
  CHECK(large.histogram.value().sum().item<float>() == 10);
}
