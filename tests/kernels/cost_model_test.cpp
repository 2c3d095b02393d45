#include <algorithm>
#include <stdexcept>

#include <adze/kernels/cost_model.h>

#include "kernel_test_support.h"
#include "sparse_test_support.h"
#include "support/catch.h"

using namespace adze::kernels;
using namespace adze::kernels::testing;

namespace {

std::vector<std::int8_t> pruned(std::int64_t n, std::int64_t k, BlockShape block, int kept) {
  Numbers numbers(1);
  auto w = numbers.integers<std::int8_t>(n * k, 1, 90);
  prune(w, n, k, k, block, kept, numbers);
  return w;
}

}  // namespace

TEST_CASE("estimates grow with rows, channels, inputs and kept blocks", "[kernels][sparse]") {
  for (Isa isa : all_isas()) {
    CAPTURE(name(isa));
    CHECK(dense_u8s8_us(isa, 1, 64, 64) > 0.0);
    for (std::int64_t m = 1; m < 200; m += 7) {
      CAPTURE(m);
      const double us = dense_u8s8_us(isa, m, 512, 512);
      CHECK(us < dense_u8s8_us(isa, 2 * m + 8, 512, 512));
      CHECK(us < dense_u8s8_us(isa, m, 1024, 512));
      CHECK(us < dense_u8s8_us(isa, m, 512, 1024));
      for (const BlockShape& block : sparse_block_shapes()) {
        CAPTURE(block.rows, block.cols);
        const double sparse = sparse_u8s8_us(isa, m, 512, 512, block, 400);
        CHECK(sparse > 0.0);
        CHECK(sparse < sparse_u8s8_us(isa, m + 64, 512, 512, block, 400));
        CHECK(sparse < sparse_u8s8_us(isa, m, 1024, 512, block, 400));
        CHECK(sparse < sparse_u8s8_us(isa, m, 512, 512, block, 800));
      }
    }
  }
}

TEST_CASE("estimates of many rows are proportional to them", "[kernels][sparse]") {
  for (Isa isa : all_isas()) {
    CAPTURE(name(isa));
    const double dense = dense_u8s8_us(isa, 100000, 256, 256) / dense_u8s8_us(isa, 1000, 256, 256);
    CHECK((dense > 90.0 && dense < 110.0));
    for (const BlockShape& block : sparse_block_shapes()) {
      const double sparse = sparse_u8s8_us(isa, 64000, 256, 256, block, 1000) /
                            sparse_u8s8_us(isa, 640, 256, 256, block, 1000);
      CHECK((sparse > 95.0 && sparse < 105.0));
    }
  }
}

TEST_CASE("the chosen layout has the smallest estimate, and says so", "[kernels][sparse]") {
  for_each_isa([](Isa isa) {
    CAPTURE(name(isa));
    for (const BlockShape& block : sparse_block_shapes()) {
      for (int kept : {100, 50, 20, 10, 5}) {
        const std::int64_t n = 256, k = 384;
        const auto w = pruned(n, k, block, kept);
        for (std::int64_t m : {1, 5, 64}) {
          CAPTURE(block.rows, block.cols, kept, m);
          const LayoutChoice choice = choose_layout(w.data(), n, k, k, m);
          double best = 1e30;
          for (const BlockShape& shape : sparse_block_shapes()) {
            best = std::min(best, sparse_u8s8_us(isa, m, n, k, shape,
                                                 count_nonzero_blocks(w.data(), n, k, k, shape)));
          }
          CHECK(choice.sparse_us == best);
          CHECK(choice.dense_us == dense_u8s8_us(isa, m, n, k));
          CHECK(choice.sparse == (choice.sparse_us < choice.dense_us));
          CHECK_THAT(choice.why, ContainsSubstring(choice.sparse ? "sparse with" : "dense: about"));
          CHECK_THAT(choice.why, ContainsSubstring(std::to_string(choice.block.rows) + " x " +
                                                   std::to_string(choice.block.cols)));
        }
      }
    }
  });
}

TEST_CASE("weights without zeros stay dense for many rows, well pruned ones become sparse",
          "[kernels][sparse]") {
  for (Isa isa : {Isa::avx2, Isa::avx512vnni}) {
    if (!supported(isa)) continue;
    const Restore restore;
    set_active(isa);
    CAPTURE(name(isa));
    const std::int64_t n = 512, k = 512;
    for (const BlockShape& block : sparse_block_shapes()) {
      CAPTURE(block.rows, block.cols);
      const auto full = pruned(n, k, block, 100), few = pruned(n, k, block, 5);
      CHECK_FALSE(choose_layout(full.data(), n, k, k, 64).sparse);
      CHECK(choose_layout(few.data(), n, k, k, 64).sparse);
    }
    const LayoutChoice choice = choose_layout(pruned(n, k, {16, 4}, 10).data(), n, k, k, 1);
    CHECK(choice.sparse);
    CHECK(choice.block == BlockShape{16, 4});
  }
}

TEST_CASE("an estimate needs a shape that exists, and copes with nothing at all",
          "[kernels][sparse]") {
  CHECK_THROWS_WITH(sparse_u8s8_us(Isa::avx2, 1, 4, 4, {2, 2}, 1),
                    ContainsSubstring("sparse_u8s8_us: blocks of 2 x 2"));
  const LayoutChoice nothing = choose_layout(nullptr, 0, 0, 0, 0);
  CHECK(nothing.dense_us >= 0.0);
  CHECK(!nothing.why.empty());
}
