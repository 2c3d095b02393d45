#include <algorithm>
#include <limits>
#include <tuple>

#include <adze/kernels/gemm_u8s8.h>
#include <adze/kernels/reference.h>

#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

/// Weights that are hard for sums in 16 bits.
enum class Hard { light, one_lane, all_positive, all_negative, mixed, full };

std::vector<std::int8_t> hard_weights(Hard kind, std::int64_t n, std::int64_t k, Numbers& numbers) {
  std::vector<std::int8_t> w(static_cast<std::size_t>(n * k));
  for (std::int64_t c = 0; c < n; ++c) {
    for (std::int64_t p = 0; p < k; ++p) {
      std::int32_t v = 0;
      switch (kind) {
        case Hard::light:
          v = numbers.integer(-9, 9);
          break;
        case Hard::one_lane:
          v = p % 4 < 2 && c % 16 == 3 ? (numbers.coin() ? 127 : -128) : numbers.integer(-3, 3);
          break;
        case Hard::all_positive:
          v = numbers.integer(20, 127);
          break;
        case Hard::all_negative:
          v = numbers.integer(-128, -20);
          break;
        case Hard::mixed:
          v = p % 8 < 4 ? numbers.integer(-128, 127) : numbers.integer(-30, 30);
          break;
        case Hard::full:
          v = numbers.coin() ? 127 : -128;
          break;
      }
      w[static_cast<std::size_t>(c * k + p)] = static_cast<std::int8_t>(v);
    }
  }
  return w;
}

/// Activations up to `most` that are as bad as can be for channel `c`: all of one sign count.
std::vector<std::uint8_t> worst_activations(const std::vector<std::int8_t>& w, std::int64_t m,
                                            std::int64_t n, std::int64_t k, int most) {
  std::vector<std::uint8_t> a(static_cast<std::size_t>(m * k));
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t p = 0; p < k; ++p) {
      const std::int8_t v = w[static_cast<std::size_t>(i % n * k + p)];
      const bool counts = i % 2 == 0 ? v > 0 : v < 0;
      a[static_cast<std::size_t>(i * k + p)] = static_cast<std::uint8_t>(counts ? most : 0);
    }
  }
  return a;
}

}  // namespace

TEST_CASE("every kernel is exact where activations pick the weights of one sign",
          "[kernels][gemm]") {
  struct Unforce {
    ~Unforce() { force_gemm_u8s8_kernel(""); }
  } unforce;
  const Restore restore;
  Numbers numbers(11);
  // The last two have several blocks of k, and channels beyond four tiles.
  for (const auto& [m, n, k] : {std::tuple{1, 16, 64},
                                {2, 8, 61},
                                {7, 33, 130},
                                {40, 20, 515},
                                {33, 70, 1541},
                                {18, 131, 2311}}) {
    for (Hard kind : {Hard::light, Hard::one_lane, Hard::all_positive, Hard::all_negative,
                      Hard::mixed, Hard::full}) {
      const std::vector<std::int8_t> w = hard_weights(kind, n, k, numbers);
      const PackedWeights weights(w.data(), n, k, k);
      for (int most : {127, 128, 255}) {
        const std::vector<std::uint8_t> a = worst_activations(w, m, n, k, most);
        OutputStage stage;
        stage.type = OutputType::s32;
        stage.a_max = most;
        std::vector<std::int32_t> expected(static_cast<std::size_t>(m * n)), actual(expected);
        reference::gemm_u8s8(a.data(), k, m, w.data(), k, n, k, stage, expected.data(), n);
        for (const KernelInfo& kernel :
             gemm_u8s8_kernels({m, n, k, most, weights.typical_weight()})) {
          if (!supported(kernel.isa)) continue;
          set_active(kernel.isa);
          force_gemm_u8s8_kernel(kernel.name);
          bool eligible = false;
          for (const KernelInfo& info :
               gemm_u8s8_kernels({m, n, k, most, weights.typical_weight()})) {
            eligible = eligible || info.reason == nullptr;
          }
          if (!eligible) continue;
          CAPTURE(kernel.name, m, n, k, static_cast<int>(kind), most);
          std::fill(actual.begin(), actual.end(), 0);
          gemm_u8s8(a.data(), k, m, weights, stage, actual.data(), n);
          CHECK(difference(actual, expected) == "");
        }
        force_gemm_u8s8_kernel("");
      }
    }
  }
}

TEST_CASE("one set of packed weights serves all instruction sets, whichever packed it",
          "[kernels][gemm]") {
  Numbers numbers(12);
  const std::int64_t m = 20, n = 41, k = 135;
  const auto w = numbers.integers<std::int8_t>(n * k, -128, 127);
  OutputStage stage;
  stage.type = OutputType::s32;
  for_each_isa([&](Isa packed_on) {
    const PackedWeights packed(w.data(), n, k, k);
    for (int most : {128, 255}) {
      const auto a = numbers.integers<std::uint8_t>(m * k, 0, most);
      std::vector<std::int32_t> expected(static_cast<std::size_t>(m * n)), actual(expected);
      reference::gemm_u8s8(a.data(), k, m, w.data(), k, n, k, stage, expected.data(), n);
      for (Isa isa : all_isas()) {
        if (!supported(isa)) continue;
        CAPTURE(name(packed_on), name(isa), most);
        set_active(isa);
        const std::int64_t before = packed.bytes();
        gemm_u8s8(a.data(), k, m, packed, stage, actual.data(), n);
        CHECK(difference(actual, expected) == "");
        CHECK(packed.bytes() >= before);
        std::vector<std::int8_t> back(w.size());
        packed.unpack(back.data(), k);
        CHECK(difference(back, w) == "");
      }
    }
  });
}

TEST_CASE("a promised largest activation changes no bit", "[kernels][gemm]") {
  Numbers numbers(13);
  for (const auto& [m, n, k] : {std::tuple{1, 64, 64}, {5, 17, 99}, {30, 40, 200}}) {
    const auto w = numbers.integers<std::int8_t>(n * k, -128, 127);
    const auto a = numbers.integers<std::uint8_t>(m * k, 0, 127);
    for_each_isa([&](Isa isa) {
      CAPTURE(name(isa), m, n, k);
      const PackedWeights packed(w.data(), n, k, k);
      OutputStage stage;
      stage.type = OutputType::s32;
      std::vector<std::int32_t> expected(static_cast<std::size_t>(m * n)), actual(expected);
      gemm_u8s8(a.data(), k, m, packed, stage, expected.data(), n);
      stage.a_max = 127;
      gemm_u8s8(a.data(), k, m, packed, stage, actual.data(), n);
      CHECK(difference(actual, expected) == "");
#ifndef NDEBUG
      stage.a_max = 20;
      if (isa == Isa::avx2 || isa == Isa::avx512) {
        CHECK_THROWS_WITH(gemm_u8s8(a.data(), k, m, packed, stage, actual.data(), n),
                          "gemm_u8s8: an activation is above the promised a_max 20");
      }
#endif
    });
  }
}

TEST_CASE("weights with more inputs than 16-bit offsets reach are multiplied exactly",
          "[kernels][gemm]") {
  Numbers numbers(14);
  const std::int64_t m = 3, n = 17, k = 65541;
  const auto w = numbers.integers<std::int8_t>(n * k, -128, 127);
  const auto a = numbers.integers<std::uint8_t>(m * k, 0, 127);
  OutputStage stage;
  stage.type = OutputType::s32;
  std::vector<std::int32_t> expected(static_cast<std::size_t>(m * n)), actual(expected);
  reference::gemm_u8s8(a.data(), k, m, w.data(), k, n, k, stage, expected.data(), n);
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    gemm_u8s8(a.data(), k, m, PackedWeights(w.data(), n, k, k), stage, actual.data(), n);
    CHECK(difference(actual, expected) == "");
  });
}

TEST_CASE("a multiplier or bias that is no number counts as 0 in all rows", "[kernels][gemm]") {
  Numbers numbers(15);
  const std::int64_t m = 9, n = 20, k = 30;
  const auto w = numbers.integers<std::int8_t>(n * k, -128, 127);
  const auto a = numbers.integers<std::uint8_t>(m * k, 0, 127);
  std::vector<float> multipliers(static_cast<std::size_t>(n), 0.001f), bias(multipliers);
  multipliers[1] = std::numeric_limits<float>::quiet_NaN();
  multipliers[2] = std::numeric_limits<float>::infinity();
  bias[3] = std::numeric_limits<float>::infinity();
  multipliers[17] = bias[18] = -std::numeric_limits<float>::infinity();
  bias[19] = std::numeric_limits<float>::quiet_NaN();
  for_each_isa([&](Isa isa) {
    const PackedWeights packed(w.data(), n, k, k);
    for (std::int32_t zero_point : {3, -20000, 40000}) {
      for (std::int64_t rows : {std::int64_t{1}, m}) {
        CAPTURE(name(isa), zero_point, rows);
        OutputStage stage;
        stage.a_zero_point = 60;
        stage.multipliers = {multipliers.data(), 1};
        stage.bias = {bias.data(), 1};
        stage.out_zero_point = zero_point;
        std::vector<std::uint8_t> expected(static_cast<std::size_t>(rows * n)), actual(expected);
        reference::gemm_u8s8(a.data(), k, rows, w.data(), k, n, k, stage, expected.data(), n);
        gemm_u8s8(a.data(), k, rows, packed, stage, actual.data(), n);
        CHECK(difference(actual, expected) == "");
      }
    }
  });
}
