/// \file
/// What the tests of the int8 products share: random problems, and how a result is judged.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <adze/kernels/gemm_u8s8.h>
#include <adze/kernels/reference.h>

#include "kernel_test_support.h"

namespace adze::kernels::testing {

enum class Values { random, seven_bit, extremes, alternating, light, gaussian };
enum class WeightZeroPoint { none, one, per_channel };

struct ProductCase {
  std::int64_t m, n, k;
  Values values;
  WeightZeroPoint w_zero_point;
  OutputType type;
  bool per_channel;  ///< multipliers and bias
  bool bias, relu;
  std::int64_t gap;  ///< between rows
};

/// All inputs of one product.
struct ProductInputs {
  std::vector<std::uint8_t> a;
  std::vector<std::int8_t> w;
  std::vector<std::int32_t> w_zero_points;
  std::vector<float> multipliers, bias;
  OutputStage stage;  ///< points into the vectors
  std::int64_t lda, ldw, ldo;

  ProductInputs(const ProductCase& x, std::uint32_t seed)
      : lda(x.k + x.gap), ldw(x.k + x.gap), ldo(x.n + x.gap) {
    Numbers numbers(seed);
    a = numbers.integers<std::uint8_t>(x.m * lda, 0, x.values == Values::seven_bit ? 127 : 255);
    w = numbers.integers<std::int8_t>(x.n * ldw, -128, 127);
    shape(x.values, numbers);
    w_zero_points = numbers.integers<std::int32_t>(x.n, -128, 127);
    const std::int64_t channels = x.per_channel ? x.n : 1;
    const float size = 1.0f / (80.0f * static_cast<float>(x.k + 1));
    multipliers = numbers.reals(channels, 0.2f * size, 3.0f * size);
    bias = numbers.reals(channels, -3000.0f, 3000.0f);
    const std::int64_t stride = x.per_channel ? 1 : 0;
    stage.type = x.type;
    stage.a_zero_point = numbers.coin() ? numbers.integer(0, 255) : 0;
    if (x.w_zero_point != WeightZeroPoint::none) {
      stage.w_zero_points = {w_zero_points.data(),
                             x.w_zero_point == WeightZeroPoint::per_channel ? 1 : 0};
    }
    stage.multipliers = {multipliers.data(), stride};
    if (x.bias) stage.bias = {bias.data(), stride};
    stage.relu = x.relu;
    const bool s8 = x.type == OutputType::s8;
    stage.out_min = s8 ? -128 : 0;
    stage.out_max = s8 ? 127 : numbers.coin() ? 255 : 127;
    stage.out_zero_point = numbers.integer(stage.out_min, stage.out_max);
    if (numbers.integer(0, 3) == 0) make_unusual(numbers);
  }
  ProductInputs(const ProductInputs&) = delete;
  ProductInputs& operator=(const ProductInputs&) = delete;

 private:
  /// Some multipliers and bias that give values beyond int32, infinite ones or NaN; zero points
  /// that 16 bits do not hold together with a value.
  void make_unusual(Numbers& numbers) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float special[] = {0.0f,  -0.0f, 0.4f,  0.6f,     -0.6f,
                             1e9f,  -1e9f, 1e30f, infinity, std::numeric_limits<float>::quiet_NaN(),
                             1e-40f};
    // What NaN a float result is differs between instructions.
    const int most = stage.type == OutputType::f32 ? 7 : 10;
    for (std::vector<float>* values : {&multipliers, &bias}) {
      for (float& x : *values) {
        if (numbers.integer(0, 7) == 0) x = special[numbers.integer(0, most)];
      }
    }
    if (numbers.coin()) stage.out_zero_point = -numbers.integer(16380, 40000);
  }

  void shape(Values values, Numbers& numbers) {
    switch (values) {
      case Values::random:
      case Values::seven_bit:
        break;
      case Values::extremes: {
        const bool up = numbers.coin();
        std::fill(a.begin(), a.end(), std::uint8_t{255});
        std::fill(w.begin(), w.end(), static_cast<std::int8_t>(up ? 127 : -128));
        break;
      }
      case Values::alternating:
        for (std::size_t i = 0; i < a.size(); ++i) a[i] = i % 2 == 0 ? 255 : 0;
        for (std::size_t i = 0; i < w.size(); ++i) {
          w[i] = static_cast<std::int8_t>(i % 4 < 2 ? 127 : -128);
        }
        break;
      case Values::light:
        for (std::int8_t& v : w) {
          if (numbers.integer(0, 7) != 0) v = static_cast<std::int8_t>(v / 4);
        }
        break;
      case Values::gaussian:
        for (std::int8_t& v : w) {
          int sum = 0;
          for (int i = 0; i < 4; ++i) sum += numbers.integer(-31, 31);
          v = static_cast<std::int8_t>(sum);
        }
        break;
    }
  }
};

/// Where run(a, stage, out) differs from the reference on the active instruction set, or nothing.
/// Every array ends where a forbidden page begins.
template <class Run>
std::string difference_from_reference(const ProductCase& x, const ProductInputs& in, Run run) {
  const auto last_row = static_cast<std::ptrdiff_t>(x.m - 1);
  const Guarded a(std::vector<std::uint8_t>(
      in.a.begin(), in.a.begin() + last_row * in.lda + static_cast<std::ptrdiff_t>(x.k)));
  const Guarded multipliers(in.multipliers), bias(in.bias);
  const Guarded w_zero_points(in.w_zero_points);
  OutputStage stage = in.stage;
  stage.multipliers.data = multipliers.data();
  if (stage.bias.data != nullptr) stage.bias.data = bias.data();
  if (stage.w_zero_points.data != nullptr) stage.w_zero_points.data = w_zero_points.data();
  const std::vector<std::uint8_t> before(
      static_cast<std::size_t>((last_row * in.ldo + x.n) * output_bytes(x.type)), 0xee);
  const Guarded expected(before), actual(before);
  reference::gemm_u8s8(a.data(), in.lda, x.m, in.w.data(), in.ldw, x.n, x.k, stage, expected.data(),
                       in.ldo);
  run(a.data(), stage, actual.data());
  return difference(actual.values(), expected.values());
}

}  // namespace adze::kernels::testing
