#include <cmath>
#include <limits>
#include <string>

#include <adze/kernels/gemm_u8s8.h>
#include <adze/kernels/reference.h>

#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
const float nan_value = std::numeric_limits<float>::quiet_NaN();

/// Sums of all sizes, the bounds of int32 among them.
std::vector<std::int32_t> sums_of(std::int64_t n, std::uint32_t seed) {
  Numbers numbers(seed);
  constexpr std::int32_t special[] = {0,        1,        -1,        2147483647, -2147483647 - 1,
                                      16777217, 33554431, -16777219, 1 << 30,    -32768};
  std::vector<std::int32_t> x = numbers.integers<std::int32_t>(n, -3000, 3000);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i / 48 % 2 == 1 && i % 3 == 0) x[i] = special[i / 3 % std::size(special)];
  }
  return x;
}

/// m × n sums of rows with a gap behind them, through every element of the reference.
template <class T>
void check(std::int64_t m, std::int64_t n, const OutputStage& stage) {
  const std::int64_t lds = n + 3, ldo = n + 5;
  const Guarded sums(sums_of(m * lds - 3, static_cast<std::uint32_t>(n)));
  std::vector<T> expected(static_cast<std::size_t>(m * ldo - 5), T(77));
  const Guarded out(expected);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t c = 0; c < n; ++c) {
      const std::int32_t sum = sums.data()[i * lds + c];
      T& to = expected[static_cast<std::size_t>(i * ldo + c)];
      if constexpr (std::is_same_v<T, float>) {
        to = reference::requantize_f32(sum, c, stage);
      } else {
        to = static_cast<T>(reference::requantize(sum, c, stage));
      }
    }
  }
  requantize(sums.data(), lds, m, n, stage, out.data(), ldo);
  CHECK(difference(out.values(), expected) == "");
}

void check_types(std::int64_t m, std::int64_t n, OutputStage stage) {
  for (const bool relu : {false, true}) {
    CAPTURE(relu);
    stage.relu = relu;
    stage.type = OutputType::u8;
    for (const auto& [zero_point, lo, hi] : {std::tuple{100, 0, 255},
                                             {0, 0, 255},
                                             {255, 0, 255},
                                             {3, 2, 127},
                                             {-16384, 0, 255},
                                             {16384, 0, 255},
                                             {20000, 0, 255}}) {
      CAPTURE(zero_point, lo, hi);
      if (relu && zero_point > hi) continue;  // no value is allowed
      stage.out_zero_point = zero_point;
      stage.out_min = lo;
      stage.out_max = hi;
      check<std::uint8_t>(m, n, stage);
    }
    stage.type = OutputType::s8;
    for (const auto& [zero_point, lo, hi] :
         {std::tuple{0, -128, 127}, {-128, -128, 127}, {127, -128, 127}, {-5, -64, 63}}) {
      CAPTURE(zero_point, lo, hi);
      stage.out_zero_point = zero_point;
      stage.out_min = lo;
      stage.out_max = hi;
      check<std::int8_t>(m, n, stage);
    }
    stage.type = OutputType::f32;
    check<float>(m, n, stage);
    stage.type = OutputType::s32;
    check<std::int32_t>(m, n, stage);
  }
}

}  // namespace

TEST_CASE("requantize equals its reference for all widths and kinds of scaling",
          "[kernels][requantize]") {
  constexpr std::int64_t most = 300;
  Numbers numbers(5);
  std::vector<float> multipliers = numbers.reals(most, 1e-4f, 0.1f);
  std::vector<float> bias = numbers.reals(most, -900.0f, 900.0f);
  std::vector<float> odd_multipliers = multipliers, odd_bias = bias;
  const float special[] = {infinity, -infinity, nan_value, 3e38f, -3e38f, 1e-45f, 0.0f, 0.5f};
  for (std::size_t i = 0; i < most; ++i) {
    if (i % 5 == 0) odd_multipliers[i] = special[i / 5 % std::size(special)];
    if (i % 7 == 0) odd_bias[i] = special[i / 7 % std::size(special)];
  }
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    for (std::int64_t n = 0; n <= most; n += n < 130 ? 1 : 170) {
      const std::int64_t m = 1 + n % 3;
      CAPTURE(m, n);
      for (const auto& [multiplier_stride, bias_stride] :
           {std::pair{1, 1}, {0, 0}, {1, 0}, {0, 1}}) {
        if (n > 40 && n < 120 && multiplier_stride != bias_stride) continue;
        CAPTURE(multiplier_stride, bias_stride);
        OutputStage stage;
        stage.multipliers = {multipliers.data(), multiplier_stride};
        stage.bias = {bias.data(), bias_stride};
        check_types(m, n, stage);
        stage.multipliers.data = odd_multipliers.data();
        stage.bias.data = odd_bias.data();
        check_types(m, n, stage);
      }
      OutputStage without_bias;
      without_bias.multipliers = {multipliers.data(), 1};
      check_types(m, n, without_bias);
      without_bias.multipliers.stride = 0;
      check_types(m, n, without_bias);
    }
  });
}

TEST_CASE("requantize takes rows without gaps as one, on any number of threads",
          "[kernels][requantize]") {
  const float multiplier = 0.013f;
  const std::int64_t m = 1000, n = 77;
  const auto sums = sums_of(m * n, 1);
  OutputStage stage;
  stage.multipliers = {&multiplier, 0};
  stage.out_zero_point = 9;
  std::vector<std::uint8_t> expected(sums.size()), q(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    expected[i] = static_cast<std::uint8_t>(reference::requantize(sums[i], 0, stage));
  }
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      requantize(sums.data(), n, m, n, stage, q.data(), n);
      CHECK(difference(q, expected) == "");
    }
  });
}
