#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <adze/kernels/gemm_sparse.h>
#include <adze/kernels/reference.h>

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
  bool bias, relu;
  std::int64_t gap;
};

/// True if the block that holds (channel, p) has a weight that is not zero.
bool is_kept(const std::vector<float>& w, const Case& x, std::int64_t ldw, std::int64_t channel,
             std::int64_t p) {
  const std::int64_t c0 = channel / x.block.rows * x.block.rows;
  const std::int64_t p0 = p / x.block.cols * x.block.cols;
  for (std::int64_t c = c0; c < std::min(x.n, c0 + x.block.rows); ++c) {
    for (std::int64_t q = p0; q < std::min(x.k, p0 + x.block.cols); ++q) {
      if (w[static_cast<std::size_t>(c * ldw + q)] != 0.0f) return true;
    }
  }
  return false;
}

/// What gemm_f32 promises, in the plainest code.
void plain_product(const float* a, std::int64_t lda, const std::vector<float>& w, std::int64_t ldw,
                   const Case& x, const float* bias, float* c, std::int64_t ldc) {
  for (std::int64_t j = 0; j < x.n; ++j) {
    std::vector<std::int64_t> inputs;
    for (std::int64_t p = 0; p < x.k; ++p) {
      if (is_kept(w, x, ldw, j, p)) inputs.push_back(p);
    }
    for (std::int64_t i = 0; i < x.m; ++i) {
      float sum = 0.0f;
      for (std::int64_t p : inputs) {
        sum = std::fma(a[i * lda + p], w[static_cast<std::size_t>(j * ldw + p)], sum);
      }
      if (bias != nullptr) sum += bias[j];
      c[i * ldc + j] = x.relu ? reference::relu(sum) : sum;
    }
  }
}

struct Inputs {
  std::int64_t lda, ldw, ldc;
  std::vector<float> a, w, bias;

  Inputs(const Case& x, std::uint32_t seed) : lda(x.k + x.gap), ldw(x.k + x.gap), ldc(x.n + x.gap) {
    Numbers numbers(seed);
    a = numbers.reals(x.m == 0 ? 0 : (x.m - 1) * lda + x.k);
    w = numbers.reals(x.n * ldw);
    for (std::size_t i = 0; i < w.size(); i += 7) w[i] = i % 2 == 0 ? 0.0f : -0.0f;
    prune(w, x.n, x.k, ldw, x.block, x.kept, numbers);
    bias = numbers.reals(x.n);
  }
};

/// Runs one product on the active instruction set; where it differs from plain code, or nothing.
std::string check(const Case& x, const Inputs& in) {
  const Guarded a(in.a), bias(in.bias);
  const std::vector<float> before(static_cast<std::size_t>((x.m - 1) * in.ldc + x.n), 77.0f);
  const Guarded expected(before), actual(before);
  const float* b = x.bias ? bias.data() : nullptr;
  plain_product(a.data(), in.lda, in.w, in.ldw, x, b, expected.data(), in.ldc);
  gemm_f32(a.data(), in.lda, x.m, SparseWeightsF32(in.w.data(), x.n, x.k, in.ldw, x.block), b,
           x.relu, actual.data(), in.ldc);
  return difference(actual.values(), expected.values());
}

std::string check(const Case& x, std::uint32_t seed) {
  return check(x, Inputs(x, seed));
}

Case random_case(Numbers& numbers, int i) {
  static constexpr int kept[] = {100, 50, 20, 10, 0};
  return {numbers.integer(1, i % 3 == 0 ? 8 : 80),
          numbers.integer(1, 70),
          numbers.integer(0, i % 4 == 0 ? 9 : 100),
          some_shape(sparse_f32_block_shapes(), numbers),
          kept[numbers.integer(0, 4)],
          numbers.coin(),
          numbers.coin(),
          numbers.integer(0, 3)};
}

}  // namespace

TEST_CASE("the sparse float32 product is the promised chain bit for bit in all cases",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    Numbers numbers(5);
    for (int i = 0; i < 2000; ++i) {
      const Case x = random_case(numbers, i);
      CAPTURE(i, x.m, x.n, x.k, x.block.rows, x.block.cols, x.kept, x.bias, x.relu, x.gap);
      const std::string difference = check(x, static_cast<std::uint32_t>(i));
      if (!difference.empty()) FAIL(difference);
    }
  });
}

TEST_CASE("the sparse float32 product does not depend on blocks or threads",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (const BlockShape& block : sparse_f32_block_shapes()) {
      for (const auto& [m, n, k] : {std::tuple{130, 33, 700},
                                    {5, 700, 801},
                                    {1, 1500, 1601},
                                    {300, 40, 300},
                                    {2, 3, 140001}}) {
        const Case x{m, n, k, block, 20, true, true, 0};
        Inputs in(x, 1);
        // Most is to be done for the first channels.
        for (std::int64_t c = n / 3; c < n; ++c) {
          if (c % 40 != 0) std::fill_n(in.w.begin() + c * in.ldw, k, 0.0f);
        }
        for (int threads : {1, 2, 5}) {
          if (isa == Isa::scalar && threads == 2) continue;
          set_num_threads(threads);
          CAPTURE(threads, m, n, k, block.rows, block.cols);
          const std::string difference = check(x, in);
          if (!difference.empty()) FAIL(difference);
        }
      }
    }
  });
}

TEST_CASE("every kernel of the sparse float32 table does its shape and refuses others",
          "[kernels][gemm][sparse]") {
  struct Unforce {
    ~Unforce() { force_sparse_f32_kernel(""); }
  } unforce;
  for (const KernelInfo& kernel : sparse_f32_kernels({8, {1, 4}})) {
    if (!supported(kernel.isa)) continue;
    const Restore restore;
    set_active(kernel.isa);
    CAPTURE(kernel.name);
    force_sparse_f32_kernel(kernel.name);
    Numbers numbers(9);
    int done = 0;
    for (int i = 0; i < 300; ++i) {
      const Case x = random_case(numbers, i);
      CAPTURE(i, x.m, x.n, x.k, x.block.rows, x.block.cols);
      bool eligible = false;
      for (const KernelInfo& info : sparse_f32_kernels({x.m, x.block})) {
        if (info.name == kernel.name) eligible = info.reason == nullptr;
      }
      if (eligible) {
        const std::string difference = check(x, static_cast<std::uint32_t>(i));
        if (!difference.empty()) FAIL(difference);
        CHECK(std::string(last_kernel()) == kernel.name);
        ++done;
      } else {
        CHECK_THROWS_WITH(check(x, static_cast<std::uint32_t>(i)),
                          ContainsSubstring("cannot use the forced kernel"));
      }
    }
    CHECK(done > 0);
  }
  CHECK_THROWS_WITH(force_sparse_f32_kernel("f32_sparse_9x9"),
                    "force_sparse_f32_kernel: no kernel is called 'f32_sparse_9x9'");
}

TEST_CASE("the sparse float32 product of pruned weights equals the dense one",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (const BlockShape& block : sparse_f32_block_shapes()) {
      for (std::int64_t m : {1, 7, 70}) {
        const Case x{m, 50, 301, block, 30, true, false, 0};
        const Inputs in(x, 3);
        std::vector<float> sparse(static_cast<std::size_t>(m * x.n)), dense(sparse);
        gemm_f32(in.a.data(), x.k, m, SparseWeightsF32(in.w.data(), x.n, x.k, x.k, block),
                 in.bias.data(), false, sparse.data(), x.n);
        GemmF32Options options;
        options.bias = in.bias.data();
        gemm_f32(Transpose::no, Transpose::yes, m, x.n, x.k, in.a.data(), x.k, in.w.data(), x.k,
                 dense.data(), x.n, options);
        CHECK(difference(sparse, dense) == "");
      }
    }
  });
}

TEST_CASE("infinite and NaN activations meet only the weights of kept blocks",
          "[kernels][gemm][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (const BlockShape& block : sparse_f32_block_shapes()) {
      for (std::int64_t m : {1, 2, 20}) {
        const Case x{m, 33, 64, block, 40, true, true, 0};
        Inputs in(x, 12);
        for (std::size_t i = 0; i < in.a.size(); i += 9) {
          in.a[i] = i % 2 == 0 ? std::numeric_limits<float>::infinity()
                               : std::numeric_limits<float>::quiet_NaN();
        }
        CAPTURE(block.rows, block.cols, m);
        CHECK(check(x, in) == "");
      }
    }
  });
}

TEST_CASE("sparse float32 weights unpack, share when copied, and name the shapes they can have",
          "[kernels][gemm][sparse]") {
  Numbers numbers(2);
  for (int i = 0; i < 200; ++i) {
    Case x = random_case(numbers, i);
    CAPTURE(i, x.n, x.k, x.block.rows, x.block.cols);
    const Inputs in(x, static_cast<std::uint32_t>(i));
    const SparseWeightsF32 packed(in.w.data(), x.n, x.k, in.ldw, x.block);
    std::vector<float> back(in.w), expected(in.w);
    for (std::int64_t c = 0; c < x.n; ++c) {
      for (std::int64_t p = 0; p < x.k; ++p) {
        const auto at = static_cast<std::size_t>(c * in.ldw + p);
        back[at] = 99.0f;
        if (!is_kept(in.w, x, in.ldw, c, p)) expected[at] = 0.0f;
      }
    }
    packed.unpack(back.data(), in.ldw);
    CHECK(difference(back, expected) == "");
    CHECK((packed.n() == x.n && packed.k() == x.k && packed.block() == x.block));
    CHECK(packed.nonzero_blocks() == count_nonzero_blocks(in.w.data(), x.n, x.k, in.ldw, x.block));
    CHECK(packed.bytes() >= packed.nonzero_blocks() * x.block.rows * x.block.cols * 4);
    const SparseWeightsF32 copy = packed;  // NOLINT: the copy is the point
    CHECK(&copy.data() == &packed.data());
  }
  CHECK((SparseWeightsF32().n() == 0 && SparseWeightsF32().k() == 0));
  const float w[16] = {};
  CHECK_THROWS_WITH(
      SparseWeightsF32(w, 4, 4, 4, {1, 16}),
      "SparseWeightsF32: blocks of 1 x 16 (output channels x inputs) are not supported, only 1 x "
      "1, 1 x 4, 4 x 4, 8 x 4, 16 x 4");
}
