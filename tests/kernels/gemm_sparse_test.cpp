#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <adze/kernels/gemm_sparse.h>
#include <adze/kernels/reference.h>

#include "int8_product.h"
#include "kernel_test_support.h"
#include "sparse_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

struct Case {
  std::int64_t m, n, k;
  BlockShape block;
  int kept;  ///< per cent of the blocks
  Values values;
  WeightZeroPoint w_zero_point;
  OutputType type;
  bool per_channel;  ///< multipliers and bias
  bool bias, relu;
  std::int64_t gap;

  ProductCase product() const {
    return {m, n, k, values, w_zero_point, type, per_channel, bias, relu, gap};
  }
};

/// All inputs of one call; the weights are pruned.
struct Inputs : ProductInputs {
  Inputs(const Case& x, std::uint32_t seed) : ProductInputs(x.product(), seed) {
    Numbers numbers(seed + 1);
    prune(w, x.n, x.k, ldw, x.block, x.kept, numbers);
  }
};

/// Runs one product on the active instruction set; where it differs from the reference, or nothing.
std::string check(const Case& x, const Inputs& in) {
  return difference_from_reference(
      x.product(), in, [&](const std::uint8_t* a, const OutputStage& stage, std::uint8_t* out) {
        gemm_u8s8(a, in.lda, x.m, SparseWeights(in.w.data(), x.n, x.k, in.ldw, x.block), stage, out,
                  in.ldo);
      });
}

std::string check(const Case& x, std::uint32_t seed) {
  return check(x, Inputs(x, seed));
}

Case random_case(Numbers& numbers, int i) {
  static constexpr int kept[] = {100, 50, 20, 10, 0};
  return {numbers.integer(1, i % 3 == 0 ? 8 : 80),
          numbers.integer(1, 70),
          numbers.integer(0, i % 4 == 0 ? 9 : 100),
          some_shape(sparse_block_shapes(), numbers),
          kept[numbers.integer(0, 4)],
          static_cast<Values>(numbers.integer(0, 5)),
          static_cast<WeightZeroPoint>(numbers.integer(0, 2)),
          static_cast<OutputType>(numbers.integer(0, 3)),
          numbers.coin(),
          numbers.coin(),
          numbers.coin(),
          numbers.integer(0, 3)};
}

struct Unforce {
  ~Unforce() { force_sparse_u8s8_kernel(""); }
};

}  // namespace

TEST_CASE("the sparse int8 product equals the dense reference bit for bit in all cases",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(5);
    for (int i = 0; i < 3000; ++i) {
      const Case x = random_case(numbers, i);
      CAPTURE(i, x.m, x.n, x.k, x.block.rows, x.block.cols, x.kept, static_cast<int>(x.values),
              static_cast<int>(x.w_zero_point), static_cast<int>(x.type), x.per_channel, x.bias,
              x.relu, x.gap);
      const std::string difference = check(x, static_cast<std::uint32_t>(i));
      if (!difference.empty()) FAIL(difference);
    }
  });
}

TEST_CASE("the sparse int8 product is exact where 16-bit sums would overflow",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (const BlockShape& block : sparse_block_shapes()) {
      for (std::int64_t m : {1, 3, 9, 40}) {
        for (int w0 : {-128, -127, 127}) {
          for (int w1 : {-128, 127, 1}) {
            for (int a0 : {0, 127, 128, 129, 254, 255}) {
              CAPTURE(m, block.rows, block.cols, w0, w1, a0);
              const std::int64_t n = 17, k = 67;
              const std::vector<std::uint8_t> a(static_cast<std::size_t>(m * k),
                                                static_cast<std::uint8_t>(a0));
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
              gemm_u8s8(a.data(), k, m, SparseWeights(w.data(), n, k, k, block), stage, out.data(),
                        n);
              const std::vector<std::int32_t> all(out.size(), static_cast<std::int32_t>(expected));
              const std::string difference = testing::difference(out, all);
              if (!difference.empty()) FAIL(difference);
            }
          }
        }
      }
    }
  });
}

TEST_CASE("every kernel of the sparse int8 table is exact for its shape and refuses others",
          "[kernels][gemm][sparse]") {
  const Unforce unforce;
  for (const KernelInfo& kernel : sparse_u8s8_kernels({8, {1, 4}})) {
    if (!supported(kernel.isa)) continue;
    const Restore restore;
    set_active(kernel.isa);
    CAPTURE(kernel.name);
    force_sparse_u8s8_kernel(kernel.name);
    Numbers numbers(9);
    int exact = 0, refused = 0;
    for (int i = 0; i < 400; ++i) {
      const Case x = random_case(numbers, i);
      CAPTURE(i, x.m, x.n, x.k, x.block.rows, x.block.cols, static_cast<int>(x.values));
      bool eligible = false;
      for (const KernelInfo& info : sparse_u8s8_kernels({x.m, x.block})) {
        if (info.name == kernel.name) eligible = info.reason == nullptr;
      }
      if (eligible) {
        const std::string difference = check(x, static_cast<std::uint32_t>(i));
        if (!difference.empty()) FAIL(difference);
        CHECK(std::string(last_kernel()) == kernel.name);
        ++exact;
      } else {
        CHECK_THROWS_WITH(check(x, static_cast<std::uint32_t>(i)),
                          ContainsSubstring("cannot use the forced kernel"));
        ++refused;
      }
    }
    CHECK(exact > 0);
    CHECK((refused > 0 || std::string(kernel.name) == "u8s8_sparse_scalar"));
  }
  CHECK_THROWS_WITH(force_sparse_u8s8_kernel("u8s8_sparse_9x9"),
                    "force_sparse_u8s8_kernel: no kernel is called 'u8s8_sparse_9x9'");
}

TEST_CASE("the list of sparse int8 kernels says why one is not used", "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (const BlockShape& block : sparse_block_shapes()) {
      for (std::int64_t m : {1, 100}) {
        const auto kernels = sparse_u8s8_kernels({m, block});
        const auto first = std::find_if(kernels.begin(), kernels.end(),
                                        [](const KernelInfo& k) { return k.reason == nullptr; });
        REQUIRE(first != kernels.end());
        CHECK(includes(isa, first->isa));
        CHECK((isa == Isa::scalar) == (first->isa == Isa::scalar));
        const std::vector<std::uint8_t> a(static_cast<std::size_t>(m * 32), 1);
        const std::vector<std::int8_t> w(16 * 32, 1);
        std::vector<std::uint8_t> out(static_cast<std::size_t>(m * 16));
        const float one = 1.0f;
        OutputStage stage;
        stage.multipliers = {&one, 0};
        gemm_u8s8(a.data(), 32, m, SparseWeights(w.data(), 16, 32, 32, block), stage, out.data(),
                  16);
        CHECK(std::string(last_kernel()) == first->name);
        CHECK(difference(out, std::vector<std::uint8_t>(out.size(), 32)) == "");
      }
    }
  });
}

TEST_CASE("the sparse int8 product does not depend on blocks or threads",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (const BlockShape& block : sparse_block_shapes()) {
      for (int threads : {1, 2, 5}) {
        set_num_threads(threads);
        for (const auto& [m, n, k] : {std::tuple{130, 33, 2000},
                                      {5, 700, 801},
                                      {1, 1500, 3601},
                                      {300, 40, 300},
                                      {2, 17, 70000},
                                      {9, 2, 140001}}) {
          if (isa == Isa::scalar && threads == 2) continue;
          CAPTURE(threads, m, n, k, block.rows, block.cols);
          const Case x{m,
                       n,
                       k,
                       block,
                       20,
                       Values::gaussian,
                       WeightZeroPoint::per_channel,
                       OutputType::u8,
                       true,
                       true,
                       true,
                       0};
          const std::string difference = check(x, 1);
          if (!difference.empty()) FAIL(difference);
        }
      }
    }
  });
}

TEST_CASE("rows of very different sizes and empty rows are shared among threads",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (const BlockShape& block : sparse_block_shapes()) {
      for (int threads : {1, 2, 3, 8}) {
        set_num_threads(threads);
        CAPTURE(block.rows, block.cols, threads);
        const Case x{
            12,   600,  900,  block, 30, Values::random, WeightZeroPoint::none, OutputType::s32,
            true, true, true, 0};
        Inputs in(x, 4);
        // All blocks of the first and the last strip, hardly any between.
        for (std::int64_t c = 16; c < 584; ++c) {
          if (c % 48 != 0) std::fill_n(in.w.begin() + c * in.ldw, x.k, std::int8_t{0});
        }
        const std::string difference = check(x, in);
        if (!difference.empty()) FAIL(difference);
      }
    }
  });
}

TEST_CASE("float activations of a sparse product are quantized while they are read",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(3);
    for (int i = 0; i < 200; ++i) {
      const Case x = random_case(numbers, i);
      CAPTURE(x.m, x.n, x.k, x.block.rows, x.block.cols);
      const Inputs in(x, static_cast<std::uint32_t>(i));
      const std::vector<float> a = numbers.reals(x.m * in.lda, -4.0f, 4.0f);
      const Affine affine{numbers.real(0.01f, 0.04f), numbers.integer(0, 255), 0, 255};
      const SparseWeights packed(in.w.data(), x.n, x.k, in.ldw, x.block);
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

TEST_CASE("a promise about activations changes no result of a sparse product",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (const BlockShape& block : sparse_block_shapes()) {
      for (std::int32_t promised : {127, 128, 200, 255}) {
        CAPTURE(block.rows, block.cols, promised);
        const Case x{
            20,   40,   200,   block, 50, Values::random, WeightZeroPoint::none, OutputType::s32,
            true, true, false, 0};
        Inputs in(x, 6);
        for (std::uint8_t& v : in.a) v = static_cast<std::uint8_t>(v % (promised + 1));
        in.a[7] = static_cast<std::uint8_t>(promised);
        in.stage.a_max = promised;
        CHECK(check(x, in) == "");
      }
    }
  });
}

TEST_CASE("a block that is split at the end of a row makes no kernel read beyond the row",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (std::int64_t m = 1; m <= 5; ++m) {
      CAPTURE(m);
      const Case x{
          m,    3,    32,    {1, 16}, 100, Values::random, WeightZeroPoint::none, OutputType::s32,
          true, true, false, 0};
      Inputs in(x, 9);
      std::fill(in.a.begin(), in.a.end(), std::uint8_t{255});
      for (std::int64_t c = 0; c < x.n; ++c) {
        for (std::int64_t p = 0; p < x.k; ++p) {
          // One block that stays whole; then a unit too heavy for 16 bits, and light ones.
          in.w[static_cast<std::size_t>(c * in.ldw + p)] = p >= 16 && p < 20 ? 127 : 3;
        }
      }
      CHECK(check(x, in) == "");
    }
  });
}

TEST_CASE("sparse weights grow once if an activation is above 128, and not where sums have 32 bits",
          "[kernels][gemm][sparse]") {
  const std::int64_t m = 3, n = 64, k = 256;
  for (const BlockShape& block : sparse_block_shapes()) {
    Numbers numbers(8);
    auto w = numbers.integers<std::int8_t>(n * k, -127, 127);
    prune(w, n, k, k, block, 40, numbers);
    OutputStage stage;
    stage.type = OutputType::s32;
    for_each_isa([&](Isa isa) {
      CAPTURE(name(isa), block.rows, block.cols);
      const SparseWeights packed(w.data(), n, k, k, block);
      const std::int64_t first = packed.bytes();
      std::vector<std::int32_t> expected(static_cast<std::size_t>(m * n)), actual(expected);
      std::int64_t before = first;
      for (int most : {127, 128, 255, 128, 255}) {
        CAPTURE(most);
        auto a = numbers.integers<std::uint8_t>(m * k, 0, most);
        a.back() = static_cast<std::uint8_t>(most);
        reference::gemm_u8s8(a.data(), k, m, w.data(), k, n, k, stage, expected.data(), n);
        gemm_u8s8(a.data(), k, m, packed, stage, actual.data(), n);
        CHECK(difference(actual, expected) == "");
        const bool sums_of_16_bits = includes(isa, Isa::avx2) && !includes(isa, Isa::avx512vnni) &&
                                     !includes(isa, Isa::avxvnni);
        const bool grows = sums_of_16_bits && most > 128 && before == first;
        CHECK((packed.bytes() > before) == grows);
        before = packed.bytes();
        std::vector<std::int8_t> back(w.size());
        packed.unpack(back.data(), k);
        CHECK(difference(back, w) == "");
      }
    });
  }
}

TEST_CASE("sparse weights serve calls on several threads at once", "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    const Case x{
        1,    64,   256,   {8, 4}, 50, Values::random, WeightZeroPoint::none, OutputType::u8,
        true, true, false, 0};
    const Inputs in(x, 8);
    const SparseWeights packed(in.w.data(), x.n, x.k, in.ldw, x.block);
    std::vector<std::uint8_t> expected(static_cast<std::size_t>(x.n));
    reference::gemm_u8s8(in.a.data(), in.lda, 1, in.w.data(), in.ldw, x.n, x.k, in.stage,
                         expected.data(), in.ldo);
    set_num_threads(4);
    std::vector<std::uint8_t> out(static_cast<std::size_t>(40 * x.n));
    parallel_for(0, 40, 1, [&](std::int64_t first, std::int64_t end) {
      for (std::int64_t i = first; i < end; ++i) {
        gemm_u8s8(in.a.data(), in.lda, 1, packed, in.stage, out.data() + i * x.n, x.n);
      }
    });
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i] != expected[i % expected.size()]) FAIL("value " << i);
    }
  });
}

TEST_CASE("sparse weights unpack to the same bytes on all instruction sets",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(2);
    for (int i = 0; i < 300; ++i) {
      const Case x = random_case(numbers, i);
      CAPTURE(i, x.n, x.k, x.block.rows, x.block.cols, static_cast<int>(x.values));
      const Inputs in(x, static_cast<std::uint32_t>(i));
      const SparseWeights packed(in.w.data(), x.n, x.k, in.ldw, x.block);
      std::vector<std::int8_t> back(in.w);
      for (std::int64_t c = 0; c < x.n; ++c) {
        std::int32_t sum = 0;
        for (std::int64_t p = 0; p < x.k; ++p) {
          sum += in.w[static_cast<std::size_t>(c * in.ldw + p)];
          back[static_cast<std::size_t>(c * in.ldw + p)] = 99;
        }
        CHECK(packed.sums()[c] == sum);
      }
      packed.unpack(back.data(), in.ldw);
      CHECK(difference(back, in.w) == "");
      CHECK((packed.n() == x.n && packed.k() == x.k && packed.block() == x.block));
      CHECK(packed.nonzero_blocks() ==
            count_nonzero_blocks(in.w.data(), x.n, x.k, in.ldw, x.block));
      CHECK(packed.nonzero_blocks() <= packed.blocks());
    }
  });
}

TEST_CASE("sparse weights are small, share when copied, and name the shapes they can have",
          "[kernels][gemm][sparse]") {
  const std::int64_t n = 256, k = 512;
  for (const BlockShape& block : sparse_block_shapes()) {
    CAPTURE(block.rows, block.cols);
    Numbers numbers(6);
    auto w = numbers.integers<std::int8_t>(n * k, -40, 40);
    prune(w, n, k, k, block, 20, numbers);
    const SparseWeights packed(w.data(), n, k, k, block);
    // At least the weights; at most two bytes for the place of four, and 40 for each channel.
    const std::int64_t kept = packed.nonzero_blocks() * block.rows * block.cols;
    CHECK(packed.bytes() >= kept);
    CHECK(packed.bytes() <= kept + kept / 2 + 40 * n + 256);
    const SparseWeights copy = packed;  // NOLINT: the copy is the point
    CHECK(&copy.data() == &packed.data());
  }
  CHECK((SparseWeights().n() == 0 && SparseWeights().k() == 0));
  const std::int8_t w4[16] = {};
  CHECK_THROWS_WITH(SparseWeights(w4, 4, 4, 4, {2, 3}),
                    "SparseWeights: blocks of 2 x 3 (output channels x inputs) are not supported, "
                    "only 1 x 4, 4 x 4, 8 x 4, 16 x 4, 1 x 16, 8 x 1");
  CHECK_THROWS_AS(SparseWeights(w4, 4, 4, 4, {0, 0}), std::runtime_error);
  CHECK_THROWS_AS(count_nonzero_blocks(w4, 4, 4, 4, {0, 4}), std::runtime_error);
}

TEST_CASE("a block counts as kept if one of its weights is not zero, at the edges too",
          "[kernels][gemm][sparse]") {
  std::vector<std::int8_t> w(5 * 9, 0);
  w[0] = 1;          // block (0, 0)
  w[4 * 9 + 8] = 2;  // block (1, 2) of 4 x 4, incomplete
  CHECK(count_nonzero_blocks(w.data(), 5, 9, 9, {4, 4}) == 2);
  CHECK(count_nonzero_blocks(w.data(), 5, 9, 9, {8, 4}) == 2);
  CHECK(count_nonzero_blocks(w.data(), 5, 9, 9, {1, 16}) == 2);
  CHECK(count_nonzero_blocks(w.data(), 5, 9, 9, {5, 9}) == 1);
  CHECK(SparseWeights(w.data(), 5, 9, 9, {4, 4}).blocks() == 6);
}
