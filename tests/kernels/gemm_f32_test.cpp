#include <algorithm>
#include <cmath>
#include <limits>

#include <Eigen/Core>

#include <adze/kernels/gemm_f32.h>
#include <adze/kernels/reference.h>

#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

struct Case {
  std::int64_t m, n, k;
  bool ta, tb, accumulate, bias, relu;
  std::int64_t gap;  ///< how much longer rows are than needed
};

/// Runs one product on the active instruction set; where it differs from the reference, or nothing.
std::string check(const Case& x, std::uint32_t seed) {
  Numbers numbers(seed);
  const std::int64_t lda = std::max<std::int64_t>(1, x.ta ? x.m : x.k) + x.gap;
  const std::int64_t ldb = std::max<std::int64_t>(1, x.tb ? x.k : x.n) + x.gap;
  const std::int64_t ldc = x.n + x.gap;
  // Exactly as long as needed: what lies behind the last row must not be touched.
  const auto length = [](std::int64_t rows, std::int64_t columns, std::int64_t ld) {
    return rows == 0 || columns == 0 ? 0 : (rows - 1) * ld + columns;
  };
  const Guarded a(numbers.reals(length(x.ta ? x.k : x.m, x.ta ? x.m : x.k, lda)));
  const Guarded b(numbers.reals(length(x.tb ? x.n : x.k, x.tb ? x.k : x.n, ldb)));
  const Guarded bias(numbers.reals(x.n));
  const auto before = numbers.reals(length(x.m, x.n, ldc));
  GemmF32Options options;
  options.accumulate = x.accumulate;
  options.bias = x.bias ? bias.data() : nullptr;
  options.relu = x.relu;
  const Guarded expected(before), actual(before);
  const auto ta = static_cast<Transpose>(x.ta), tb = static_cast<Transpose>(x.tb);
  reference::gemm_f32(ta, tb, x.m, x.n, x.k, a.data(), lda, b.data(), ldb, expected.data(), ldc,
                      options);
  gemm_f32(ta, tb, x.m, x.n, x.k, a.data(), lda, b.data(), ldb, actual.data(), ldc, options);
  return difference(actual.values(), expected.values());
}

}  // namespace

TEST_CASE("the float32 product equals its reference bit for bit for all remainders",
          "[kernels][gemm]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(7);
    for (int i = 0; i < 1500; ++i) {
      const Case x{numbers.integer(1, i % 3 == 0 ? 3 : 40),
                   numbers.integer(1, i % 5 == 0 ? 140 : 40),
                   numbers.integer(0, 40),
                   numbers.coin(),
                   numbers.coin(),
                   numbers.coin(),
                   numbers.coin(),
                   numbers.coin(),
                   numbers.integer(0, 2)};
      CAPTURE(x.m, x.n, x.k, x.ta, x.tb, x.accumulate, x.bias, x.relu, x.gap);
      const std::string difference = check(x, static_cast<std::uint32_t>(i));
      if (!difference.empty()) FAIL(difference);
    }
  });
}

TEST_CASE("the float32 product does not depend on blocks or threads", "[kernels][gemm]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (int threads : {1, 2, 5}) {
      set_num_threads(threads);
      for (const auto& [m, n, k] : {std::tuple{150, 70, 600},
                                    {13, 301, 520},
                                    {1, 500, 300},
                                    {3, 200, 1030},
                                    {300, 17, 259},
                                    {2, 2100, 20}}) {
        for (int form = 0; form < 4; ++form) {
          const Case x{m, n, k, form % 2 == 1, form / 2 == 1, form != 2, form == 1, form == 3, 0};
          CAPTURE(threads, m, n, k, form);
          CHECK(check(x, 3) == "");
        }
      }
    }
  });
}

TEST_CASE("the float32 product does not depend on how far rows are apart", "[kernels][gemm]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (int form = 0; form < 4; ++form) {
      const bool ta = form % 2 == 1, tb = form / 2 == 1;
      // Rows of b a multiple of 2 KiB and of 8 KiB apart, with few and many values of each.
      for (std::int64_t step : {512, 2048}) {
        for (std::int64_t m : {1, 2, 3, 6, 13, 50}) {
          for (std::int64_t used : {5, 40, 63, 64, 65, 203, 512}) {
            const Case x{m,      tb ? 43 : used, tb ? used : 43, ta,         tb,
                         m == 2, m != 3,         m == 6,         step - used};
            CAPTURE(form, step, m, used);
            CHECK(check(x, 5) == "");
          }
        }
      }
      // More columns than stay in L1, more values than stay in L2.
      const Case wide{1, 8200, 13, ta, tb, form == 0, form == 1, form == 2, 0};
      CHECK(check(wide, 6) == "");
      for (std::int64_t m : {7, 47, 49}) {
        const Case large{m, 530, 200, ta, tb, form == 0, form == 1, form == 2, 0};
        CAPTURE(form, m);
        CHECK(check(large, 7) == "");
      }
    }
  });
}

TEST_CASE("the float32 product agrees with Eigen within rounding", "[kernels][gemm]") {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Index m = 37, n = 53, k = 91;
  Numbers numbers(11);
  const auto av = numbers.reals(m * k), bv = numbers.reals(k * n);
  const Eigen::Map<const Matrix> a(av.data(), m, k), b(bv.data(), k, n);
  const Matrix expected = a * b, at = a.transpose(), bt = b.transpose();
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    for (bool ta : {false, true}) {
      for (bool tb : {false, true}) {
        Matrix c(m, n);
        gemm_f32(static_cast<Transpose>(ta), static_cast<Transpose>(tb), m, n, k,
                 ta ? at.data() : av.data(), ta ? m : k, tb ? bt.data() : bv.data(), tb ? k : n,
                 c.data(), n);
        CHECK((c - expected).cwiseAbs().maxCoeff() < 1e-4f);
      }
    }
  });
}

TEST_CASE("the ReLU of the float32 product lets NaN and -0 through", "[kernels][gemm]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    const float a[1] = {1.0f};
    const float b[4] = {nan, -1.0f, 2.0f, -0.0f};
    const float bias[4] = {0.0f, 0.0f, 0.0f, -0.0f};
    float c[4] = {0.0f, 0.0f, 0.0f, -0.0f};
    GemmF32Options options;
    options.relu = true;
    options.bias = bias;
    options.accumulate = true;
    gemm_f32(Transpose::no, Transpose::no, 1, 4, 1, a, 1, b, 4, c, 4, options);
    CHECK(std::isnan(c[0]));
    CHECK(c[1] == 0.0f);
    CHECK(c[2] == 2.0f);
    CHECK(std::signbit(c[3]));
  });
}

TEST_CASE("a packed float32 weight gives the bits of the product with the weight itself",
          "[kernels][gemm]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(5);
    for (int i = 0; i < 400; ++i) {
      const std::int64_t m = numbers.integer(1, i % 2 == 0 ? 4 : 30);
      const std::int64_t n = numbers.integer(1, i % 3 == 0 ? 300 : 40);
      const std::int64_t k = numbers.integer(i % 7 == 0 ? 0 : 1, i % 5 == 0 ? 700 : 40);
      const std::int64_t gap = numbers.integer(0, 2);
      const bool bias = numbers.coin(), relu = numbers.coin();
      CAPTURE(m, n, k, gap, bias, relu);
      const Guarded a(numbers.reals((m - 1) * (k + gap) + k));
      const Guarded w(numbers.reals((n - 1) * (k + gap) + k));
      const Guarded b(numbers.reals(n));
      const Guarded expected(std::vector<float>(static_cast<std::size_t>((m - 1) * (n + gap) + n)));
      const Guarded actual(expected.values());
      GemmF32Options options;
      options.bias = bias ? b.data() : nullptr;
      options.relu = relu;
      reference::gemm_f32(Transpose::no, Transpose::yes, m, n, k, a.data(), k + gap, w.data(),
                          k + gap, expected.data(), n + gap, options);
      const PackedF32Weights packed(w.data(), n, k, k + gap);
      set_num_threads(1 + i % 3);
      gemm_f32(a.data(), k + gap, m, packed, options.bias, relu, actual.data(), n + gap);
      const std::string difference = testing::difference(actual.values(), expected.values());
      if (!difference.empty()) FAIL(difference);
    }
  });
}

TEST_CASE("a packed float32 weight serves any number of rows, threads and instruction sets",
          "[kernels][gemm]") {
  Numbers numbers(17);
  for (const auto& [m, n, k] : {std::tuple{1, 2100, 515}, {200, 130, 600}, {13, 1030, 70}}) {
    const auto a = numbers.reals(m * k), w = numbers.reals(n * k);
    std::vector<float> expected(static_cast<std::size_t>(m * n)), actual(expected);
    reference::gemm_f32(Transpose::no, Transpose::yes, m, n, k, a.data(), k, w.data(), k,
                        expected.data(), n, {});
    const PackedF32Weights packed(w.data(), n, k, k);
    const PackedF32Weights shared = packed;  // NOLINT: the copy is what is tested
    CHECK(shared.data() == packed.data());
    CHECK((shared.n() == n && shared.k() == k));
    for_each_isa([&](Isa isa) {
      for (int threads : {1, 2, 5}) {
        CAPTURE(name(isa), threads, m, n, k);
        set_num_threads(threads);
        gemm_f32(a.data(), k, m, shared, nullptr, false, actual.data(), n);
        CHECK(difference(actual, expected) == "");
      }
    });
  }
}

TEST_CASE("NaN, infinity and denormal numbers pass through every float32 product alike",
          "[kernels][gemm]") {
  const float infinity = std::numeric_limits<float>::infinity();
  const float special[] = {std::numeric_limits<float>::quiet_NaN(),
                           infinity,
                           -infinity,
                           1e-41f,
                           -1e-41f,
                           3e38f,
                           -0.0f,
                           1.0f,
                           -1.0f,
                           1e-30f};
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(23);
    for (int i = 0; i < 60; ++i) {
      const std::int64_t m = numbers.integer(1, 20), n = numbers.integer(1, 70);
      const std::int64_t k = numbers.integer(1, 30);
      CAPTURE(m, n, k);
      auto a = numbers.reals(m * k), w = numbers.reals(n * k), bias = numbers.reals(n);
      for (float& v : a) v = numbers.integer(0, 19) == 0 ? special[numbers.integer(0, 9)] : v;
      for (float& v : w) v = numbers.integer(0, 19) == 0 ? special[numbers.integer(0, 9)] : v;
      for (float& v : bias) v = numbers.integer(0, 9) == 0 ? special[numbers.integer(0, 9)] : v;
      GemmF32Options options;
      options.bias = bias.data();
      options.relu = i % 2 == 0;
      std::vector<float> expected(static_cast<std::size_t>(m * n)), actual(expected);
      reference::gemm_f32(Transpose::no, Transpose::yes, m, n, k, a.data(), k, w.data(), k,
                          expected.data(), n, options);
      gemm_f32(Transpose::no, Transpose::yes, m, n, k, a.data(), k, w.data(), k, actual.data(), n,
               options);
      CHECK(difference(actual, expected) == "");
      gemm_f32(a.data(), k, m, PackedF32Weights(w.data(), n, k, k), bias.data(), options.relu,
               actual.data(), n);
      CHECK(difference(actual, expected) == "");
    }
  });
}

TEST_CASE("empty products write zeros and bias, or nothing", "[kernels][gemm]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    float c[2] = {5.0f, 6.0f};
    const float bias[2] = {1.0f, 2.0f};
    GemmF32Options options;
    options.bias = bias;
    gemm_f32(Transpose::no, Transpose::no, 1, 2, 0, nullptr, 1, nullptr, 2, c, 2, options);
    CHECK((c[0] == 1.0f && c[1] == 2.0f));
    gemm_f32(Transpose::no, Transpose::no, 0, 2, 3, nullptr, 3, bias, 2, c, 2);
    CHECK((c[0] == 1.0f && c[1] == 2.0f));
  });
}
