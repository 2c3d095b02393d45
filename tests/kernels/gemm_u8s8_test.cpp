#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include <adze/kernels/gemm_u8s8.h>
#include <adze/kernels/reference.h>

#include "int8_product.h"
#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

using Case = ProductCase;
using Inputs = ProductInputs;

/// Runs one product on the active instruction set; where it differs from the reference, or nothing.
std::string check(const Case& x, std::uint32_t seed) {
  const Inputs in(x, seed);
  return difference_from_reference(
      x, in, [&](const std::uint8_t* a, const OutputStage& stage, std::uint8_t* out) {
        gemm_u8s8(a, in.lda, x.m, PackedWeights(in.w.data(), x.n, x.k, in.ldw), stage, out, in.ldo);
      });
}

Case random_case(Numbers& numbers, int i) {
  return {numbers.integer(1, i % 3 == 0   ? 4
                             : i % 3 == 1 ? 40
                                          : 75),
          numbers.integer(1, 40),
          numbers.integer(0, i % 4 == 0 ? 9 : 70),
          static_cast<Values>(numbers.integer(0, 4)),
          static_cast<WeightZeroPoint>(numbers.integer(0, 2)),
          static_cast<OutputType>(numbers.integer(0, 3)),
          numbers.coin(),
          numbers.coin(),
          numbers.coin(),
          numbers.integer(0, 3)};
}

}  // namespace

TEST_CASE("the int8 product equals its reference bit for bit for all remainders and stages",
          "[kernels][gemm]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(5);
    for (int i = 0; i < 2500; ++i) {
      const Case x = random_case(numbers, i);
      CAPTURE(i, x.m, x.n, x.k, static_cast<int>(x.values), static_cast<int>(x.w_zero_point),
              static_cast<int>(x.type), x.per_channel, x.bias, x.relu, x.gap);
      const std::string difference = check(x, static_cast<std::uint32_t>(i));
      if (!difference.empty()) FAIL(difference);
    }
  });
}

TEST_CASE("the int8 product is exact where 16-bit sums of pairs would overflow",
          "[kernels][gemm]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (std::int64_t k : {1, 2, 3, 4, 5, 31, 64, 4099}) {
      for (int w0 : {-128, -127, 127}) {
        for (int w1 : {-128, 127, 1}) {
          for (int a0 : {0, 127, 128, 129, 254, 255}) {
            CAPTURE(k, w0, w1, a0);
            const std::int64_t m = 3, n = 17;
            std::vector<std::uint8_t> a(static_cast<std::size_t>(m * k));
            std::fill(a.begin(), a.end(), static_cast<std::uint8_t>(a0));
            std::vector<std::int8_t> w(static_cast<std::size_t>(n * k));
            std::int64_t expected = 0;
            for (std::int64_t p = 0; p < k; ++p) {
              const int value = p % 2 == 0 ? w0 : w1;
              for (std::int64_t c = 0; c < n; ++c) {
                w[static_cast<std::size_t>(c * k + p)] = static_cast<std::int8_t>(value);
              }
              expected += a0 * value;
            }
            OutputStage stage;
            stage.type = OutputType::s32;
            std::vector<std::int32_t> out(static_cast<std::size_t>(m * n));
            gemm_u8s8(a.data(), k, m, PackedWeights(w.data(), n, k, k), stage, out.data(), n);
            const std::vector<std::int32_t> all(out.size(), static_cast<std::int32_t>(expected));
            CHECK(difference(out, all) == "");
          }
        }
      }
    }
  });
}

TEST_CASE("every kernel of the int8 table is exact where it is eligible, and refuses elsewhere",
          "[kernels][gemm]") {
  struct Unforce {
    ~Unforce() { force_gemm_u8s8_kernel(""); }
  } unforce;
  for (const KernelInfo& kernel : gemm_u8s8_kernels({8, 16, 16, 127, 32})) {
    if (!supported(kernel.isa)) continue;
    const Restore restore;
    set_active(kernel.isa);
    CAPTURE(kernel.name);
    force_gemm_u8s8_kernel(kernel.name);
    Numbers numbers(9);
    for (int i = 0; i < 300; ++i) {
      Case x = random_case(numbers, i);
      x.k = std::max<std::int64_t>(x.k, 1);
      CAPTURE(i, x.m, x.n, x.k, static_cast<int>(x.values));
      const Inputs in(x, static_cast<std::uint32_t>(i));
      const float typical = PackedWeights(in.w.data(), x.n, x.k, in.ldw).typical_weight();
      std::int32_t most = 0;
      for (std::int64_t r = 0; r < x.m; ++r) {
        for (std::int64_t p = 0; p < x.k; ++p) {
          most = std::max<std::int32_t>(most, in.a[static_cast<std::size_t>(r * in.lda + p)]);
        }
      }
      bool eligible = false;
      for (const KernelInfo& info : gemm_u8s8_kernels({x.m, x.n, x.k, most, typical})) {
        if (info.name == kernel.name) eligible = info.reason == nullptr;
      }
      if (eligible) {
        const std::string difference = check(x, static_cast<std::uint32_t>(i));
        if (!difference.empty()) FAIL(difference);
        CHECK(std::string(last_kernel()) == kernel.name);
      } else {
        CHECK_THROWS_WITH(check(x, static_cast<std::uint32_t>(i)),
                          ContainsSubstring("cannot use the forced kernel"));
      }
    }
  }
  CHECK_THROWS_WITH(force_gemm_u8s8_kernel("u8s8_gemm_9x9"),
                    "force_gemm_u8s8_kernel: no kernel is called 'u8s8_gemm_9x9'");
}

TEST_CASE("the int8 product does not depend on blocks or threads", "[kernels][gemm]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (int threads : {1, 2, 5}) {
      set_num_threads(threads);
      for (const auto& [m, n, k] :
           {std::tuple{130, 33, 2000}, {5, 700, 800}, {1, 1500, 1600}, {900, 20, 300}}) {
        for (Values values : {Values::random, Values::light}) {
          CAPTURE(threads, m, n, k, static_cast<int>(values));
          const Case x{m,    n,    k,    values, WeightZeroPoint::per_channel, OutputType::u8,
                       true, true, true, 0};
          CHECK(check(x, 1) == "");
        }
      }
    }
  });
}

TEST_CASE("float activations are quantized while they are read", "[kernels][gemm]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(3);
    for (int i = 0; i < 200; ++i) {
      const Case x = random_case(numbers, i);
      CAPTURE(x.m, x.n, x.k);
      const Inputs in(x, static_cast<std::uint32_t>(i));
      const std::vector<float> a = numbers.reals(x.m * in.lda, -4.0f, 4.0f);
      const Affine affine{numbers.real(0.01f, 0.04f), numbers.integer(0, 255), 0, 255};
      const PackedWeights packed(in.w.data(), x.n, x.k, in.ldw);
      std::vector<std::uint8_t> q(a.size());
      quantize(a.data(), static_cast<std::int64_t>(a.size()), affine, q.data());
      OutputStage stage = in.stage;
      stage.a_zero_point = affine.zero_point;
      const std::size_t bytes = static_cast<std::size_t>(x.m * in.ldo * output_bytes(x.type));
      std::vector<std::uint8_t> expected(bytes), actual(bytes);
      gemm_u8s8(q.data(), in.lda, x.m, packed, stage, expected.data(), in.ldo);
      stage.a_zero_point = 77;  // not used
      gemm_f32s8(a.data(), in.lda, x.m, affine, packed, stage, actual.data(), in.ldo);
      CHECK(difference(actual, expected) == "");
    }
  });
}

TEST_CASE("packed weights unpack to the same bytes and know their sums", "[kernels][gemm]") {
  Numbers numbers(2);
  for (int i = 0; i < 200; ++i) {
    const std::int64_t n = numbers.integer(1, 40), k = numbers.integer(1, 40), ldw = k + i % 3;
    CAPTURE(n, k, ldw);
    const auto w = numbers.integers<std::int8_t>(n * ldw, -128, 127);
    const PackedWeights packed(w.data(), n, k, ldw);
    std::vector<std::int8_t> back(w);
    for (std::int64_t c = 0; c < n; ++c) {
      std::int32_t sum = 0;
      for (std::int64_t p = 0; p < k; ++p) {
        sum += w[static_cast<std::size_t>(c * ldw + p)];
        back[static_cast<std::size_t>(c * ldw + p)] = 99;
      }
      CHECK(packed.sums()[c] == sum);
    }
    packed.unpack(back.data(), ldw);
    CHECK(difference(back, w) == "");
    CHECK((packed.n() == n && packed.k() == k));
    CHECK(packed.bytes() >= n * k);
  }
  CHECK(PackedWeights().n() == 0);
  const std::int8_t four[4] = {100, -100, 0, 20};
  CHECK(PackedWeights(four, 2, 2, 2).typical_weight() == 55.0f);
}

TEST_CASE("requantize rounds half to even, saturates and applies the ReLU at the zero point",
          "[kernels][gemm]") {
  const std::vector<std::int32_t> sums{0,
                                       1,
                                       2,
                                       3,
                                       4,
                                       5,
                                       -1,
                                       -3,
                                       -5,
                                       1000,
                                       -1000,
                                       2147483647,
                                       std::numeric_limits<std::int32_t>::min(),
                                       7,
                                       9,
                                       11,
                                       13};
  const auto n = static_cast<std::int64_t>(sums.size());
  const float half = 0.5f;
  OutputStage stage;
  stage.multipliers = {&half, 0};
  stage.out_zero_point = 3;
  for_each_isa([&](Isa isa) {
    CAPTURE(name(isa));
    std::vector<std::uint8_t> q(sums.size());
    stage.relu = false;
    requantize(sums.data(), n, 1, n, stage, q.data(), n);
    CHECK(difference(q, {3, 3, 4, 5, 5, 5, 3, 1, 1, 255, 0, 255, 0, 7, 7, 9, 9}) == "");
    stage.relu = true;
    requantize(sums.data(), n, 1, n, stage, q.data(), n);
    CHECK(difference(q, {3, 3, 4, 5, 5, 5, 3, 3, 3, 255, 3, 255, 3, 7, 7, 9, 9}) == "");
  });
}

TEST_CASE("the requantized sum uses the float bias before rounding", "[kernels][gemm]") {
  // acc 0, bias 0.26, scales 0.5 * 1 and 0.1, zero point 50: a bias rounded to int32 would give 55.
  const float w_scale = 1.0f, bias = 0.26f;
  float multiplier = 0.0f, scaled = 0.0f;
  linear_multipliers(0.5f, {&w_scale, 0}, 0.1f, 1, &multiplier);
  linear_bias(&bias, 0.5f, {&w_scale, 0}, 1, &scaled);
  OutputStage stage;
  stage.multipliers = {&multiplier, 1};
  stage.bias = {&scaled, 1};
  stage.out_zero_point = 50;
  CHECK(reference::requantize(0, 0, stage) == 53);
}
