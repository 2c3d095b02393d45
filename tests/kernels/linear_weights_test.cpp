#include "adze/kernels/linear_weights.h"

#include <algorithm>
#include <stdexcept>
#include <thread>

#include <adze/kernels/reference.h>

#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

std::vector<WeightLayout> all_layouts() {
  std::vector<WeightLayout> layouts{{}, WeightLayout::dense()};
  for (const BlockShape& block : sparse_block_shapes()) {
    layouts.push_back(WeightLayout::blocks(block.rows, block.cols));
  }
  return layouts;
}

/// n × k values of which whole 4 × 4 blocks are zero with that probability, in percent.
std::vector<std::int8_t> pruned(Numbers& numbers, std::int64_t n, std::int64_t k, int percent) {
  auto w = numbers.integers<std::int8_t>(n * k, -128, 127);
  for (std::int64_t i = 0; i < n; i += 4) {
    for (std::int64_t j = 0; j < k; j += 4) {
      if (numbers.integer(0, 99) >= percent) continue;
      for (std::int64_t r = i; r < std::min(n, i + 4); ++r) {
        for (std::int64_t c = j; c < std::min(k, j + 4); ++c) {
          w[static_cast<std::size_t>(r * k + c)] = 0;
        }
      }
    }
  }
  return w;
}

struct Product {
  std::int64_t m, n, k;
  std::vector<std::uint8_t> a;
  std::vector<std::int8_t> w;
  std::vector<float> multipliers;
  OutputStage stage;
  std::vector<std::uint8_t> expected;

  Product(Numbers& numbers, std::int64_t m_, std::int64_t n_, std::int64_t k_, int percent)
      : m(m_),
        n(n_),
        k(k_),
        a(numbers.integers<std::uint8_t>(m * k, 0, 255)),
        w(pruned(numbers, n, k, percent)),
        multipliers(numbers.reals(n, 1e-4f, 1e-2f)),
        expected(static_cast<std::size_t>(m * n)) {
    stage.a_zero_point = 7;
    stage.multipliers = {multipliers.data(), 1};
    stage.out_zero_point = 100;
    reference::gemm_u8s8(a.data(), k, m, w.data(), k, n, k, stage, expected.data(), n);
  }
  std::vector<std::uint8_t> with(const LinearWeights& weights) const {
    std::vector<std::uint8_t> out(expected.size());
    gemm_u8s8(a.data(), k, m, weights, stage, out.data(), n);
    return out;
  }
};

}  // namespace

TEST_CASE("no layout of weights changes a bit of the product", "[kernels][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(11);
    for (const int percent : {0, 70, 100}) {
      for (const std::int64_t m : {1, 7, 8, 33}) {
        const Product p(numbers, m, 37, 50, percent);
        for (const WeightLayout& layout : all_layouts()) {
          CAPTURE(percent, m, to_string(layout));
          const LinearWeights weights(p.w.data(), p.n, p.k, p.k, layout);
          CHECK(difference(p.with(weights), p.expected) == "");
          CHECK(weights.layout() == layout);
          CHECK(std::string(last_kernel()) == weights.kernel(m, 255));
        }
      }
    }
  });
}

TEST_CASE("float activations are quantized while they are read, in every layout",
          "[kernels][sparse]") {
  Numbers numbers(12);
  const std::int64_t m = 9, n = 20, k = 30;
  const auto x = numbers.reals(m * k);
  const auto w = pruned(numbers, n, k, 60);
  const Affine grid{0.02f, 100, 0, 255};
  std::vector<std::uint8_t> a(x.size());
  quantize(x.data(), m * k, grid, a.data());
  OutputStage stage;
  stage.type = OutputType::s32;
  stage.a_zero_point = grid.zero_point;
  std::vector<std::int32_t> expected(static_cast<std::size_t>(m * n)), actual(expected.size());
  reference::gemm_u8s8(a.data(), k, m, w.data(), k, n, k, stage, expected.data(), n);
  for (const WeightLayout& layout : all_layouts()) {
    CAPTURE(to_string(layout));
    gemm_f32s8(x.data(), k, m, grid, LinearWeights(w.data(), n, k, k, layout), stage, actual.data(),
               n);
    CHECK(difference(actual, expected) == "");
  }
}

TEST_CASE("weights come back from every layout, and copies share them", "[kernels][sparse]") {
  Numbers numbers(13);
  const std::int64_t n = 21, k = 35;
  const auto w = pruned(numbers, n, k, 50);
  for (const WeightLayout& layout : all_layouts()) {
    CAPTURE(to_string(layout));
    const LinearWeights weights(w.data(), n, k, k, layout), copy = weights;
    std::vector<std::int8_t> back(w.size());
    copy.unpack(back.data(), k);
    CHECK(difference(back, w) == "");
    CHECK(&copy.data() == &weights.data());
    CHECK(weights.bytes() > 0);
    CHECK(weights.n() == n);
    CHECK(weights.k() == k);
    CHECK_FALSE(weights.choice(1).why.empty());
  }
  CHECK(LinearWeights().n() == 0);
}

TEST_CASE("rows longer than 16-bit offsets reach are exact in every layout", "[kernels][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(15);
    const std::int64_t m = 2, n = 5;
    for (const std::int64_t k : {65533, 65536, 65540, 131075}) {
      for (const int most : {127, 255}) {
        auto a = numbers.integers<std::uint8_t>(m * k, 0, most);
        const auto w = pruned(numbers, n, k, 60);
        OutputStage stage;
        stage.type = OutputType::s32;
        std::vector<std::int32_t> expected(static_cast<std::size_t>(m * n)),
            actual(expected.size());
        reference::gemm_u8s8(a.data(), k, m, w.data(), k, n, k, stage, expected.data(), n);
        for (const WeightLayout& layout : all_layouts()) {
          CAPTURE(k, most, to_string(layout));
          gemm_u8s8(a.data(), k, m, LinearWeights(w.data(), n, k, k, layout), stage, actual.data(),
                    n);
          CHECK(difference(actual, expected) == "");
        }
      }
    }
  });
}

TEST_CASE("layouts have names that lead back to them", "[kernels][sparse]") {
  for (const WeightLayout& layout : all_layouts()) {
    CHECK(weight_layout_from(to_string(layout)) == layout);
  }
  CHECK(to_string(WeightLayout::blocks(16, 4)) == "16x4");
  CHECK_THROWS_WITH(weight_layout_from("4x5"),
                    ContainsSubstring("unknown layout of weights '4x5', known are automatic, "
                                      "dense, ") &&
                        ContainsSubstring("16x4"));
  CHECK_THROWS_AS(weight_layout_from(""), std::runtime_error);
  const std::int8_t w[4] = {1, 2, 3, 4};
  CHECK_THROWS_AS(LinearWeights(w, 2, 2, 2, WeightLayout::blocks(3, 3)), std::runtime_error);
}

TEST_CASE("the second layout of automatic weights is made once, whichever thread comes first",
          "[kernels][sparse][threads]") {
  Numbers numbers(14);
  for (int round = 0; round < 20; ++round) {
    const Product few(numbers, 2, 64, 96, 80);
    Product many(numbers, 32, 64, 96, 80);
    many.w = few.w;
    reference::gemm_u8s8(many.a.data(), many.k, many.m, many.w.data(), many.k, many.n, many.k,
                         many.stage, many.expected.data(), many.n);
    const LinearWeights weights(few.w.data(), few.n, few.k, few.k);
    std::vector<std::string> wrong(4);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < wrong.size(); ++i) {
      threads.emplace_back([&, i] {
        const Product& p = i % 2 == 0 ? few : many;
        wrong[i] = difference(p.with(weights), p.expected);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& text : wrong) CHECK(text == "");
  }
}
