#include <cmath>
#include <functional>
#include <limits>

#include <adze/kernels/elementwise.h>
#include <adze/kernels/quantize.h>
#include <adze/kernels/reference.h>

#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
const float nan_value = std::numeric_limits<float>::quiet_NaN();

/// n numbers of all sizes, special values among them.
std::vector<float> values(std::int64_t n, std::uint32_t seed) {
  Numbers numbers(seed);
  const float special[] = {0.0f,      -0.0f,     infinity, -infinity, nan_value, 1e-40f,  -1e-40f,
                           3.4e38f,   -3.4e38f,  88.72f,   88.73f,    -87.4f,    -103.9f, -104.1f,
                           0.624999f, 0.625001f, 1.0f,     -1.0f,     709.0f,    1e-30f};
  std::vector<float> x = numbers.reals(n, -12.0f, 12.0f);
  for (float& v : x) {
    if (numbers.integer(0, 5) == 0) v = special[numbers.integer(0, std::size(special) - 1)];
  }
  return x;
}

/// The largest error of f against `exact` in units of the last place over `count` values of [lo,
/// hi].
double largest_error(float (*f)(float), double (*exact)(double), float lo, float hi, int count) {
  double worst = 0;
  for (int i = 0; i <= count; ++i) {
    const float x = lo + (hi - lo) * static_cast<float>(i) / static_cast<float>(count);
    const double expected = exact(static_cast<double>(x));
    const double magnitude = std::max(std::abs(expected), 1.17549435e-38);
    const double unit = std::ldexp(1.0, std::ilogb(magnitude) - 23);
    worst = std::max(worst, std::abs(static_cast<double>(f(x)) - expected) / unit);
  }
  return worst;
}

using Unary = void (*)(const float*, std::int64_t, float*);

}  // namespace

TEST_CASE("functions of one array equal their reference bit for bit for all lengths",
          "[kernels][elementwise]") {
  struct Row {
    const char* name;
    Unary kernel;
    float (*expected)(float);
  };
  const Row rows[] = {
      {"relu", relu, reference::relu},
      {"sqrt", adze::kernels::sqrt, [](float x) { return std::sqrt(x); }},
      {"exp", adze::kernels::exp, reference::exp},
      {"log", adze::kernels::log, reference::log},
      {"sigmoid", sigmoid, reference::sigmoid},
      {"tanh", adze::kernels::tanh, reference::tanh},
      {"clamp", [](const float* x, std::int64_t n, float* y) { clamp(x, -1.5f, 2.0f, n, y); },
       [](float x) { return reference::clamp(x, -1.5f, 2.0f); }},
  };
  for_each_isa([&](Isa isa) {
    for (const Row& row : rows) {
      for (std::int64_t n = 0; n <= 130; ++n) {
        CAPTURE(name(isa), row.name, n);
        const auto values_of_x = values(n, static_cast<std::uint32_t>(n));
        const Guarded x(values_of_x), y(values_of_x);
        auto expected = values_of_x;
        for (float& v : expected) v = row.expected(v);
        row.kernel(x.data(), n, y.data());
        CHECK(difference(y.values(), expected) == "");
        row.kernel(x.data(), n, x.data());  // in place
        CHECK(difference(x.values(), expected) == "");
      }
    }
  });
}

TEST_CASE("exp, log, sigmoid and tanh are as exact as documented", "[kernels][elementwise]") {
  CHECK(largest_error(reference::exp, std::exp, -87.3f, 88.7f, 400000) < 2.0);
  CHECK(largest_error(reference::log, std::log, 1e-30f, 1e-3f, 200000) < 2.0);
  CHECK(largest_error(reference::log, std::log, 1e-3f, 3.0f, 400000) < 2.0);
  CHECK(largest_error(reference::log, std::log, 3.0f, 3e38f, 200000) < 2.0);
  const auto sigmoid_exact = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  CHECK(largest_error(reference::sigmoid, sigmoid_exact, -87.0f, 20.0f, 400000) < 3.0);
  CHECK(largest_error(reference::tanh, std::tanh, -10.0f, 10.0f, 400000) < 3.0);
  CHECK(largest_error(reference::tanh, std::tanh, -0.7f, 0.7f, 400000) < 3.0);
}

TEST_CASE("exp, log, sigmoid and tanh take special values where they belong",
          "[kernels][elementwise]") {
  CHECK(reference::exp(infinity) == infinity);
  CHECK(reference::exp(-infinity) == 0.0f);
  CHECK(reference::exp(0.0f) == 1.0f);
  CHECK(reference::exp(89.0f) == infinity);
  CHECK(reference::exp(-95.0f) == Approx(std::exp(-95.0)).margin(0).epsilon(1e-3));  // subnormal
  CHECK(std::isnan(reference::exp(nan_value)));
  CHECK(reference::log(0.0f) == -infinity);
  CHECK(reference::log(-0.0f) == -infinity);
  CHECK(reference::log(infinity) == infinity);
  CHECK(reference::log(1.0f) == 0.0f);
  CHECK(reference::log(1e-40f) == Approx(std::log(1e-40)));
  CHECK(std::isnan(reference::log(-1.0f)));
  CHECK(std::isnan(reference::log(-infinity)));
  CHECK(std::isnan(reference::log(nan_value)));
  CHECK(reference::sigmoid(infinity) == 1.0f);
  CHECK(reference::sigmoid(-infinity) == 0.0f);
  CHECK(reference::sigmoid(0.0f) == 0.5f);
  CHECK(std::isnan(reference::sigmoid(nan_value)));
  CHECK(reference::tanh(infinity) == 1.0f);
  CHECK(reference::tanh(-infinity) == -1.0f);
  CHECK(std::signbit(reference::tanh(-0.0f)));
  CHECK(std::isnan(reference::tanh(nan_value)));
}

TEST_CASE("arithmetic of arrays and values equals plain code bit for bit",
          "[kernels][elementwise]") {
  struct Row {
    const char* name;
    float (*op)(float, float);
    void (*arrays)(const float*, const float*, std::int64_t, float*);
    void (*right)(const float*, float, std::int64_t, float*);
    void (*left)(float, const float*, std::int64_t, float*);
  };
  const Row rows[] = {
      {"add", [](float a, float b) { return a + b; }, add, add, nullptr},
      {"sub", [](float a, float b) { return a - b; }, sub, sub, sub},
      {"mul", [](float a, float b) { return a * b; }, mul, mul, nullptr},
      {"div", [](float a, float b) { return a / b; }, div, div, div},
  };
  for_each_isa([&](Isa isa) {
    for (const Row& row : rows) {
      for (std::int64_t n = 0; n <= 130; ++n) {
        CAPTURE(name(isa), row.name, n);
        const auto a = values(n, 1), b = values(n, 2);
        const Guarded ga(a), gb(b);
        std::vector<float> y(a.size()), expected(a.size());
        for (std::size_t i = 0; i < a.size(); ++i) expected[i] = row.op(a[i], b[i]);
        row.arrays(ga.data(), gb.data(), n, y.data());
        CHECK(difference(y, expected) == "");
        for (std::size_t i = 0; i < a.size(); ++i) expected[i] = row.op(a[i], 0.37f);
        row.right(a.data(), 0.37f, n, y.data());
        CHECK(difference(y, expected) == "");
        if (row.left == nullptr) continue;
        for (std::size_t i = 0; i < a.size(); ++i) expected[i] = row.op(0.37f, b[i]);
        row.left(0.37f, b.data(), n, y.data());
        CHECK(difference(y, expected) == "");
      }
    }
  });
}

TEST_CASE("updates, selections and gradients equal plain code bit for bit",
          "[kernels][elementwise]") {
  for_each_isa([](Isa isa) {
    for (std::int64_t n = 0; n <= 130; ++n) {
      CAPTURE(name(isa), n);
      const auto a = values(n, 3), b = values(n, 4), y = values(n, 5);
      const auto mask = Numbers(6).integers<std::uint8_t>(n, 0, 2);
      const Guarded ga(a), gb(b);
      const Guarded gmask(mask);
      const auto check = [&](const std::function<float(std::size_t)>& formula,
                             const std::function<void(float*)>& kernel) {
        auto expected = y;
        const Guarded actual(y);
        for (std::size_t i = 0; i < y.size(); ++i) expected[i] = formula(i);
        kernel(actual.data());
        CHECK(difference(actual.values(), expected) == "");
      };
      const float p = 0.3f, q = -1.7f;
      check([&](std::size_t i) { return y[i] + p * a[i]; },
            [&](float* out) { axpy(p, ga.data(), n, out); });
      check([&](std::size_t i) { return p * a[i] + q * y[i]; },
            [&](float* out) { axpby(p, ga.data(), q, n, out); });
      check([&](std::size_t i) { return y[i] + p * (a[i] * b[i]); },
            [&](float* out) { addcmul(p, ga.data(), gb.data(), n, out); });
      check([&](std::size_t i) { return y[i] + p * (a[i] / b[i]); },
            [&](float* out) { addcdiv(p, ga.data(), gb.data(), n, out); });
      check([&](std::size_t i) { return b[i] > 0.0f ? a[i] : 0.0f; },
            [&](float* out) { threshold_backward(ga.data(), gb.data(), 0.0f, n, out); });
      check([&](std::size_t i) { return mask[i] != 0 ? a[i] : 0.0f; },
            [&](float* out) { fake_quantize_backward(ga.data(), gmask.data(), n, out); });
      check([&](std::size_t i) { return mask[i] != 0 ? a[i] : b[i]; },
            [&](float* out) { select(gmask.data(), ga.data(), gb.data(), n, out); });
      check([&](std::size_t i) { return mask[i] != 0 ? a[i] : q; },
            [&](float* out) { select(gmask.data(), ga.data(), q, n, out); });
    }
  });
}

TEST_CASE("sums keep one order for every length, instruction set and number of threads",
          "[kernels][elementwise]") {
  for_each_isa([](Isa isa) {
    for (std::int64_t n : {0, 1, 31, 32, 33, 100, 4095, 4096, 4097, 8192, 12289, 200003}) {
      const auto x = Numbers(7).reals(n, -1.0f, 3.0f);
      for (int threads : {1, 2, 4}) {
        set_num_threads(threads);
        CAPTURE(name(isa), n, threads);
        CHECK(same(sum(x.data(), n), reference::sum(x.data(), n)));
        CHECK(same(sum_of_squares(x.data(), n), reference::sum_of_squares(x.data(), n)));
      }
    }
  });
  const auto x = Numbers(7).reals(1 << 20, 0.0f, 1.0f);
  double exact = 0;
  for (float v : x) exact += static_cast<double>(v);
  CHECK(sum(x.data(), 1 << 20) == Approx(exact).epsilon(1e-6));
}

TEST_CASE("sum_rows adds rows from the first to the last", "[kernels][elementwise]") {
  for_each_isa([](Isa isa) {
    for (std::int64_t columns : {1, 7, 8, 33, 130}) {
      for (std::int64_t rows : {0, 1, 2, 65}) {
        CAPTURE(name(isa), rows, columns);
        const auto x = Numbers(8).reals(rows * columns);
        std::vector<float> expected(static_cast<std::size_t>(columns), 0.0f), actual(expected);
        for (std::size_t i = 0; i < x.size(); ++i) {
          expected[i % static_cast<std::size_t>(columns)] += x[i];
        }
        sum_rows(x.data(), rows, columns, actual.data());
        CHECK(difference(actual, expected) == "");
      }
    }
  });
}

TEST_CASE("softmax equals its reference for all lengths of rows", "[kernels][elementwise]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    const auto check = [](const std::vector<float>& x, std::int64_t rows, std::int64_t n) {
      CAPTURE(rows, n);
      std::vector<float> expected(x.size());
      for (std::int64_t r = 0; r < rows; ++r) {
        reference::softmax(x.data() + r * n, n, expected.data() + r * n);
      }
      const Guarded from(x), to(std::vector<float>(x.size()));
      softmax(from.data(), rows, n, to.data());
      CHECK(difference(to.values(), expected) == "");
      softmax(from.data(), rows, n, from.data());
      CHECK(difference(from.values(), expected) == "");
    };
    for (std::int64_t n = 0; n <= 130; ++n) {
      Numbers numbers(static_cast<std::uint32_t>(n));
      // The widths of range that ordinary rows have, the last one that needs no small powers, more.
      for (const float width : {4.0f, 80.0f, 86.0f, 86.1f, 104.0f, 300.0f, 3e38f}) {
        std::vector<float> x = numbers.reals(3 * n, -width / 2, width / 2);
        if (n > 1) {
          x[0] = -width / 2;
          x[1] = width / 2;
        }
        check(x, 3, n);
      }
      check(values(3 * n, 5), 3, n);
      for (const float special : {infinity, -infinity, nan_value}) {
        std::vector<float> x = numbers.reals(2 * n);
        if (n > 0) x[static_cast<std::size_t>(n / 2)] = special;
        check(x, 2, n);
        check(std::vector<float>(static_cast<std::size_t>(n), special), 1, n);
      }
    }
    for (std::int64_t n : {4095, 4096, 4097, 9001}) check(Numbers(3).reals(2 * n), 2, n);
    set_num_threads(3);
    check(Numbers(4).reals(600 * 100), 600, 100);
  });
}

TEST_CASE("element-wise kernels do not depend on threads", "[kernels][elementwise]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    const std::int64_t n = 300001;
    const auto x = values(n, 9);
    std::vector<float> one(x.size()), two(x.size());
    set_num_threads(1);
    adze::kernels::exp(x.data(), n, one.data());
    set_num_threads(3);
    adze::kernels::exp(x.data(), n, two.data());
    CHECK(difference(two, one) == "");
  });
}
