#include "adze/kernels/linear_weights_f32.h"

#include <algorithm>

#include "kernel_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

/// n × k values of which whole blocks are zero, `percent` of them.
std::vector<float> pruned(Numbers& numbers, std::int64_t n, std::int64_t k, BlockShape block,
                          int percent) {
  auto w = numbers.reals(n * k);
  for (std::int64_t i = 0; i < n; i += block.rows) {
    for (std::int64_t j = 0; j < k; j += block.cols) {
      if (numbers.integer(0, 99) >= percent) continue;
      for (std::int64_t r = i; r < std::min(n, i + block.rows); ++r) {
        std::fill_n(w.begin() + r * k + j, std::min(block.cols, k - j), 0.0f);
      }
    }
  }
  return w;
}

bool same_values(const std::vector<float>& a, const std::vector<float>& b) {
  return a == b;  // 0 and -0 are equal
}

}  // namespace

TEST_CASE("float weights without their zero blocks give the values of all weights",
          "[kernels][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(21);
    for (const BlockShape block : {BlockShape{1, 4}, BlockShape{4, 4}, BlockShape{16, 4}}) {
      for (const int percent : {0, 50, 90, 100}) {
        for (const std::int64_t m : {1, 7, 8, 32, 33, 70}) {
          CAPTURE(block.rows, block.cols, percent, m);
          const std::int64_t n = 37, k = 52;
          const auto w = pruned(numbers, n, k, block, percent);
          const auto a = numbers.reals(m * k), bias = numbers.reals(n);
          std::vector<float> expected(static_cast<std::size_t>(m * n)), actual(expected.size());
          gemm_f32(Transpose::no, Transpose::yes, m, n, k, a.data(), k, w.data(), k,
                   expected.data(), n, {.bias = bias.data()});
          const LinearWeightsF32 weights(w.data(), n, k, k, m);
          if (!weights.useful()) {
            CHECK(m > 32);
            continue;
          }
          gemm_f32(a.data(), k, m, weights, bias.data(), false, actual.data(), n);
          CHECK(same_values(actual, expected));
        }
      }
    }
  });
}

TEST_CASE("float weights are kept in blocks where enough of them are zero", "[kernels][sparse]") {
  Numbers numbers(22);
  const std::int64_t n = 64, k = 64;
  for (const std::int64_t m : {1, 16, 64}) {
    CAPTURE(m);
    const auto dense = numbers.reals(n * k), few = pruned(numbers, n, k, {16, 4}, 90);
    CHECK_FALSE(LinearWeightsF32(dense.data(), n, k, k, m).sparse());
    CHECK(LinearWeightsF32(dense.data(), n, k, k, m).useful() == (m <= 32));
    CHECK(LinearWeightsF32(few.data(), n, k, k, m).sparse());
    CHECK(LinearWeightsF32(few.data(), n, k, k, m).block().cols == 4);
  }
  // Single rows gain nothing from blocks of one channel.
  const auto narrow = pruned(numbers, n, k, {1, 4}, 60);
  CHECK_FALSE(LinearWeightsF32(narrow.data(), n, k, k, 1).sparse());
  CHECK_FALSE(LinearWeightsF32().useful());
}
