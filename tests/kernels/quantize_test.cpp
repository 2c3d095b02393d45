#include <cmath>
#include <limits>

#include <adze/kernels/quantize.h>
#include <adze/kernels/reference.h>

#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
const float nan_value = std::numeric_limits<float>::quiet_NaN();

/// Values around every rounding boundary, huge ones and the special ones.
std::vector<float> awkward_values(std::int64_t n, float scale) {
  Numbers numbers(4);
  std::vector<float> x = numbers.reals(n, -150.0f * scale, 300.0f * scale);
  const float special[] = {infinity, -infinity, nan_value, 1e30f, -1e30f, 0.0f,  -0.0f,
                           3e9f,     -3e9f,     1e-40f,    0.5f,  -0.5f,  1.5f,  2.5f,
                           -1e-40f,  32768.0f,  -32768.0f, 4e4f,  -4e4f,  -1e-3f};
  // Runs of ordinary values alone, between those with others.
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i / 40 % 3 == 1) continue;
    if (i % 3 == 1) x[i] = special[i / 3 % std::size(special)];
    if (i % 3 == 2) x[i] = (static_cast<float>(numbers.integer(-200, 300)) + 0.5f) * scale;
  }
  return x;
}

template <class Q>
struct TypeRange;
template <>
struct TypeRange<std::uint8_t> {
  static constexpr std::int32_t lo = 0, hi = 255;
};
template <>
struct TypeRange<std::int8_t> {
  static constexpr std::int32_t lo = -128, hi = 127;
};
template <>
struct TypeRange<std::int32_t> {
  static constexpr std::int32_t lo = std::numeric_limits<std::int32_t>::min(),
                                hi = std::numeric_limits<std::int32_t>::max();
};

}  // namespace

TEST_CASE("The quantize kernel rounds half to even before it adds the zero point",
          "[kernels][quantize]") {
  const std::vector<float> x{0.5f, 1.5f, 2.5f, 3.5f, -0.5f, -1.5f, -2.5f, 0.5f};
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    std::vector<std::int8_t> q(x.size());
    quantize(x.data(), 8, Affine{1.0f, 0, -128, 127}, q.data());
    CHECK(difference(q, {0, 2, 2, 4, 0, -2, -2, 0}) == "");
    quantize(x.data(), 8, Affine{1.0f, 1, -128, 127}, q.data());
    CHECK(difference(q, {1, 3, 3, 5, 1, -1, -1, 1}) == "");
  });
}

TEST_CASE("quantize multiplies by the reciprocal of the scale in float32", "[kernels][quantize]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    const float x = 0.273939937f, y = -1.0f;
    std::uint8_t u = 0;
    quantize(&x, 1, Affine{0.00214854861f, 0, 0, 255}, &u);
    CHECK(u == 128);
    std::int8_t s = 0;
    quantize(&y, 1, Affine{1.0f / 127.5f, 0, -128, 127}, &s);
    CHECK(s == -127);
  });
}

TEST_CASE("quantize saturates, and takes NaN to the zero point", "[kernels][quantize]") {
  const std::vector<float> x{infinity, -infinity, nan_value, 1e30f, -1e30f, 3e9f, -3e9f, 300.0f};
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    std::vector<std::uint8_t> u(x.size());
    quantize(x.data(), 8, Affine{1.0f, 7, 0, 127}, u.data());
    CHECK(difference(u, {127, 0, 7, 127, 0, 127, 0, 127}) == "");
    std::vector<std::int32_t> q(x.size());
    const std::int32_t lo = TypeRange<std::int32_t>::lo, hi = TypeRange<std::int32_t>::hi;
    quantize(x.data(), 8, Affine{1.0f, 7, lo, hi}, q.data());
    CHECK(difference(q, {hi, lo, 7, hi, lo, hi, lo, 307}) == "");
  });
}

TEMPLATE_TEST_CASE("quantize and dequantize equal their reference for all lengths and channels",
                   "[kernels][quantize]", std::uint8_t, std::int8_t, std::int32_t) {
  using Q = TestType;
  const std::int32_t lo = TypeRange<Q>::lo, hi = TypeRange<Q>::hi;
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    for (std::int64_t n = 0; n <= 130; ++n) {
      for (const Affine& p : {Affine{0.1f, 3, lo, hi}, Affine{1.0f, lo < 0 ? -5 : 200, lo, hi},
                              Affine{0.37f, 0, lo < 0 ? -63 : 0, 64}}) {
        CAPTURE(n, p.scale, p.zero_point);
        const auto x = awkward_values(n, p.scale);
        std::vector<Q> q(x.size()), expected(x.size());
        std::vector<float> y(x.size()), expected_y(x.size());
        for (std::size_t i = 0; i < x.size(); ++i) {
          expected[i] = static_cast<Q>(reference::quantize(x[i], p));
          expected_y[i] = reference::dequantize(expected[i], p);
        }
        const Guarded gx(x), gy(y);
        const Guarded gq(q), ge(expected);
        quantize(gx.data(), n, p, gq.data());
        dequantize(ge.data(), n, p, gy.data());
        CHECK(difference(gq.values(), expected) == "");
        CHECK(difference(gy.values(), expected_y) == "");
      }
    }
    for (const ChannelShape& shape :
         {ChannelShape{1, 5, 33}, ChannelShape{3, 4, 7}, ChannelShape{6, 9, 1}}) {
      Numbers numbers(8);
      const auto scales = numbers.reals(shape.channels, 0.05f, 0.9f);
      const auto zero_points = numbers.integers<std::int32_t>(shape.channels, 0, 100);
      for (bool with_zero_points : {true, false}) {
        const ChannelAffine p{scales.data(), with_zero_points ? zero_points.data() : nullptr, lo,
                              hi};
        const auto x = awkward_values(shape.outer * shape.channels * shape.inner, 0.4f);
        std::vector<Q> q(x.size()), expected(x.size());
        std::vector<float> y(x.size()), expected_y(x.size());
        for (std::size_t i = 0; i < x.size(); ++i) {
          const std::size_t c =
              i / static_cast<std::size_t>(shape.inner) % static_cast<std::size_t>(shape.channels);
          const Affine one{scales[c], with_zero_points ? zero_points[c] : 0, lo, hi};
          expected[i] = static_cast<Q>(reference::quantize(x[i], one));
          expected_y[i] = reference::dequantize(expected[i], one);
        }
        quantize(x.data(), shape, p, q.data());
        dequantize(expected.data(), shape, p, y.data());
        CHECK(difference(q, expected) == "");
        CHECK(difference(y, expected_y) == "");
      }
    }
  });
}

TEST_CASE("fake_quantize equals dequantize after quantize, and its mask marks what was in range",
          "[kernels][quantize]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (std::int64_t n = 0; n <= 130; ++n) {
      for (const Affine& p :
           {Affine{0.1f, 10, 0, 255}, Affine{0.25f, 0, -128, 127}, Affine{1.0f, 3, 0, 127}}) {
        CAPTURE(n, p.scale, p.zero_point);
        const auto x = awkward_values(n, p.scale);
        std::vector<float> y(x.size()), expected(x.size()), alone(x.size());
        std::vector<std::uint8_t> mask(x.size()), expected_mask(x.size());
        for (std::size_t i = 0; i < x.size(); ++i) {
          bool inside = false;
          expected[i] = reference::fake_quantize(x[i], p, &inside);
          expected_mask[i] = inside ? 1 : 0;
          CHECK(same(expected[i], reference::dequantize(reference::quantize(x[i], p), p)));
        }
        const Guarded gx(x), gy(y), galone(alone);
        const Guarded gmask(mask);
        fake_quantize(gx.data(), n, p, gy.data(), gmask.data());
        fake_quantize(gx.data(), n, p, galone.data());
        CHECK(difference(gy.values(), expected) == "");
        CHECK(difference(galone.values(), expected) == "");
        CHECK(difference(gmask.values(), expected_mask) == "");
      }
    }
  });
}

TEST_CASE("fake_quantize passes gradients inside the range only", "[kernels][quantize]") {
  const std::vector<float> x{-2.0f, -0.26f, 0.0f, 0.149f, 0.25f, 1.0f, 30.0f, nan_value, infinity};
  const auto n = static_cast<std::int64_t>(x.size());
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    std::vector<float> y(x.size()), dx(x.size());
    std::vector<std::uint8_t> mask(x.size());
    fake_quantize(x.data(), n, Affine{0.1f, 10, 0, 255}, y.data(), mask.data());
    const float expected[] = {-1.0f, -0.3f, 0.0f, 0.1f, 0.2f, 1.0f, 24.5f, 0.0f, 24.5f};
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == Approx(expected[i]));
    CHECK(difference(mask, {0, 1, 1, 1, 1, 1, 0, 0, 0}) == "");
    const std::vector<float> dy{1, 2, 3, 4, 5, 6, infinity, nan_value, 9};
    fake_quantize_backward(dy.data(), mask.data(), n, dx.data());
    CHECK(difference(dx, {0, 2, 3, 4, 5, 6, 0, 0, 0}) == "");
  });
}

TEST_CASE("fake_quantize takes the scale of each channel", "[kernels][quantize]") {
  const std::vector<float> x{0.26f, 0.74f, 0.26f, 0.74f};
  const float scales[] = {0.1f, 0.5f};
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    std::vector<float> y(4);
    std::vector<std::uint8_t> mask(4);
    fake_quantize(x.data(), ChannelShape{1, 2, 2}, ChannelAffine{scales, nullptr, -128, 4},
                  y.data(), mask.data());
    CHECK(y[0] == Approx(0.3f));
    CHECK(y[1] == Approx(0.4f));
    CHECK(y[2] == 0.5f);
    CHECK(y[3] == 0.5f);
    CHECK(difference(mask, {1, 0, 1, 1}) == "");
  });
}

TEST_CASE("min_max finds the range, reports NaN and never gives -0", "[kernels][quantize]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(6);
    for (std::int64_t n : {0, 1, 7, 8, 9, 31, 64, 65, 70000, 200001}) {
      CAPTURE(n);
      std::vector<float> x = numbers.reals(n);
      const MinMax expected = reference::min_max(x.data(), n);
      const Guarded guarded(x);
      const MinMax range = min_max(guarded.data(), n);
      CHECK((same(range.min, expected.min) && same(range.max, expected.max)));
      for (std::int64_t at : {std::int64_t{0}, n / 2, n - 1}) {
        if (n == 0) continue;
        auto with_nan = x;
        with_nan[static_cast<std::size_t>(at)] = nan_value;
        const MinMax none = min_max(with_nan.data(), n);
        CHECK((std::isnan(none.min) && std::isnan(none.max)));
      }
    }
    for (const float sign : {1.0f, -1.0f}) {
      for (std::int64_t n : {1, 5, 8, 33, 130, 4096, 4097, 9001}) {
        CAPTURE(n, sign);
        std::vector<float> x = numbers.reals(n, 1e-40f, 3.0f);
        for (float& v : x) v *= sign;
        if (n > 8) x[3] = sign * infinity;
        const auto check = [&] {
          const Guarded guarded(x);
          const MinMax expected = reference::min_max(x.data(), n);
          const MinMax range = min_max(guarded.data(), n);
          CHECK((same(range.min, expected.min) && same(range.max, expected.max)));
        };
        check();
        x.back() = -sign * 1e-41f;
        check();
        x.front() = -0.0f;
        check();
        x.back() = 0.0f;
        check();
        for (const float nan : {nan_value, -nan_value}) {
          x.back() = nan;
          CHECK(std::isnan(min_max(x.data(), n).min));
        }
      }
    }
    const std::vector<float> zeros(20, -0.0f);
    CHECK_FALSE(std::signbit(min_max(zeros.data(), 20).min));
    const std::vector<float> x{1, -2, 3, 4, 5, 6, -7, 8, 9, 10, nan_value, 12};
    float mins[3], maxs[3];
    min_max(x.data(), ChannelShape{2, 3, 2}, mins, maxs);
    CHECK((mins[0] == -7.0f && maxs[0] == 8.0f));
    CHECK((mins[1] == 3.0f && maxs[1] == 10.0f));
    CHECK((std::isnan(mins[2]) && std::isnan(maxs[2])));
  });
}

TEST_CASE("quantization does not depend on threads", "[kernels][quantize]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    const std::int64_t n = 150001;
    const auto x = awkward_values(n, 0.1f);
    const Affine p{0.1f, 10, 0, 255};
    std::vector<std::uint8_t> one(x.size()), two(x.size());
    set_num_threads(1);
    quantize(x.data(), n, p, one.data());
    set_num_threads(2);
    quantize(x.data(), n, p, two.data());
    CHECK(difference(two, one) == "");
  });
}

namespace {

/// Sums and products of all pairs of some bytes, compared with the reference.
template <class Q>
void check_combinations(std::int64_t n) {
  constexpr std::int32_t lo = TypeRange<Q>::lo, hi = TypeRange<Q>::hi;
  Numbers numbers(static_cast<std::uint32_t>(n));
  const Affine grids[] = {{0.1f, lo, lo, hi},
                          {0.037f, hi, lo, hi},
                          {1.0f, (lo + hi) / 2, lo, hi},
                          {0.5f, lo + 7, lo + 7, hi - 9},
                          {1e-3f, lo + 100, lo, hi},
                          {1e30f, lo + 50, lo + 3, hi},
                          {1e-38f, lo + 50, lo, hi - 1}};
  for (const Affine& a_params : grids) {
    for (const Affine& params : grids) {
      const Affine& b_params = grids[static_cast<std::size_t>(numbers.integer(0, 6))];
      const Guarded a(numbers.integers<Q>(n, lo, hi)), b(numbers.integers<Q>(n, lo, hi));
      const std::vector<Q> none(static_cast<std::size_t>(n));
      std::vector<Q> sums(none), products(none);
      for (std::int64_t i = 0; i < n; ++i) {
        const float x = reference::dequantize(a.data()[i], a_params);
        const float y = reference::dequantize(b.data()[i], b_params);
        sums[static_cast<std::size_t>(i)] = static_cast<Q>(reference::quantize(x + y, params));
        products[static_cast<std::size_t>(i)] = static_cast<Q>(reference::quantize(x * y, params));
      }
      const Guarded out(none);
      add_quantized(a.data(), a_params, b.data(), b_params, n, params, out.data());
      CHECK(difference(out.values(), sums) == "");
      mul_quantized(a.data(), a_params, b.data(), b_params, n, params, out.data());
      CHECK(difference(out.values(), products) == "");
    }
  }
}

}  // namespace

TEST_CASE("sums and products of quantized values are those of the values, quantized",
          "[kernels][quantize]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (std::int64_t n = 0; n <= 130; n += n < 34 || n > 62 ? 1 : 7) {
      CAPTURE(n);
      check_combinations<std::uint8_t>(n);
      check_combinations<std::int8_t>(n);
    }
    set_num_threads(3);
    check_combinations<std::uint8_t>(100003);
  });
}

TEST_CASE("every kind of rounding case agrees with the reference in every lane",
          "[kernels][quantize]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (std::int64_t n : {1, 9, 32, 33, 75, 1000}) {
      for (const Affine& p :
           {Affine{0.1f, 0, 0, 255}, Affine{0.1f, 255, 0, 255}, Affine{3.0f, 128, 16, 200},
            Affine{1e-38f, 3, 0, 127}, Affine{1e38f, 3, 3, 255}}) {
        CAPTURE(n, p.scale, p.zero_point);
        const Guarded x(awkward_values(n, p.scale));
        const auto size = static_cast<std::size_t>(n);
        const std::vector<std::uint8_t> no_bytes(size);
        const std::vector<float> no_values(size);
        const Guarded q(no_bytes), mask(no_bytes);
        const Guarded y(no_values), alone(no_values);
        std::vector<std::uint8_t> expected_q(size), expected_mask(size);
        std::vector<float> expected_y(size);
        for (std::size_t i = 0; i < size; ++i) {
          bool inside = false;
          const float v = x.data()[i];
          expected_q[i] = static_cast<std::uint8_t>(reference::quantize(v, p));
          expected_y[i] = reference::fake_quantize(v, p, &inside);
          expected_mask[i] = inside ? 1 : 0;
        }
        quantize(x.data(), n, p, q.data());
        fake_quantize(x.data(), n, p, y.data(), mask.data());
        fake_quantize(x.data(), n, p, alone.data());
        CHECK(difference(q.values(), expected_q) == "");
        CHECK(difference(y.values(), expected_y) == "");
        CHECK(difference(alone.values(), expected_y) == "");
        CHECK(difference(mask.values(), expected_mask) == "");
      }
    }
  });
}

TEST_CASE("histogram counts every value in the range in the bin of the reference",
          "[kernels][quantize]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    struct Shape {
      float lo, hi;
      std::int64_t bins;
    };
    const auto check = [](const std::vector<float>& values, const Shape& s) {
      CAPTURE(values.size(), s.lo, s.hi, s.bins);
      const Guarded x(values);
      std::vector<std::int64_t> counts(static_cast<std::size_t>(s.bins), 5), expected(counts);
      for (const float v : values) {
        const std::int64_t bin = reference::histogram_bin(v, s.lo, s.hi, s.bins);
        if (bin >= 0) ++expected[static_cast<std::size_t>(bin)];
      }
      histogram(x.data(), static_cast<std::int64_t>(values.size()), s.lo, s.hi, s.bins,
                counts.data());
      CHECK((counts == expected));
    };
    for (const Shape& s : {Shape{-3.0f, 5.0f, 1}, Shape{0.0f, 1.0f, 7}, Shape{-0.3f, 0.7f, 16},
                           Shape{2.0f, 2.0f, 9}, Shape{-0.0f, 0.0f, 4}, Shape{-1e35f, 1e34f, 100},
                           Shape{1e-40f, 3e-40f, 5}, Shape{-100.0f, 250.0f, 2048}}) {
      for (std::int64_t n = 0; n <= 130; ++n) {
        std::vector<float> x = awkward_values(n, (s.hi - s.lo) / 300);
        if (n > 2) x[0] = s.lo, x[1] = s.hi, x[2] = std::nextafter(s.hi, infinity);
        check(x, s);
      }
      check(awkward_values(9001, (s.hi - s.lo) / 300), s);
      check(std::vector<float>(9001, s.hi), s);
    }
  });
}
