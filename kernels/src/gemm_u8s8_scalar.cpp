#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_panel.h"
#include "lanes_scalar.h"
#include "output_stage.h"

namespace adze::kernels {

namespace {

/// Sums wrap modulo 2³², as they do in SIMD registers.
struct WrappingLanes : ScalarLanes {
  struct I {
    std::uint32_t value;
    friend I operator+(I a, I b) { return {a.value + b.value}; }
    friend I operator-(I a, I b) { return {a.value - b.value}; }
    friend I operator*(I a, I b) { return {a.value * b.value}; }
    std::int32_t number() const { return static_cast<std::int32_t>(value); }
  };
  static I all_int(std::int32_t x) { return {static_cast<std::uint32_t>(x)}; }
  // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): callers fill what p points to
  static I load_int(const std::int32_t* p) { return all_int(*p); }
  static void store_int(std::int32_t* p, I x) { *p = x.number(); }
  static F to_float(I x) { return static_cast<F>(x.number()); }
  static I round_to_int(F x) { return all_int(ScalarLanes::round_to_int(x)); }
  static bool all_true(M m) { return m; }
  static F if_else_zero(M m, F x) { return m ? x : 0.0f; }
  template <class Byte>
  static void store_bytes_16(Byte* p, const I (&x)[u8s8_columns], std::int32_t z) {
    for (int c = 0; c < u8s8_columns; ++c) p[c] = static_cast<Byte>(x[c].number() + z);
  }
};

struct ScalarTile {
  static constexpr int rows = 4;
  static constexpr int tiles = 1;
  static constexpr int rows_for(std::int64_t) { return rows; }

  static void tile(const U8S8Weights& w, std::int64_t t, int, const std::uint8_t* a,
                   std::int64_t lda, int row_count, const std::int32_t* start, std::int32_t* sums) {
    for (int i = 0; i < row_count; ++i, a += lda) {
      std::uint32_t sum[u8s8_columns];  // unsigned: wraps modulo 2³²
      // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): run_panel fills start
      for (int c = 0; c < u8s8_columns; ++c) sum[c] = static_cast<std::uint32_t>(start[c]);
      const std::int8_t* y = w.tile(t);
      for (std::int64_t g = 0; g < w.groups; ++g) {
        const std::uint8_t* x = a + w.group_start(g);
        for (int c = 0; c < u8s8_columns; ++c, y += 4) {
          sum[c] +=
              static_cast<std::uint32_t>(x[0] * y[0] + x[1] * y[1] + x[2] * y[2] + x[3] * y[3]);
        }
      }
      for (int c = 0; c < u8s8_columns; ++c) {
        sums[i * u8s8_columns + c] = static_cast<std::int32_t>(sum[c]);
      }
    }
  }
};

void run(const U8S8Panel& panel) {
  run_panel<ScalarTile, WrappingLanes>(panel);
}

}  // namespace

const U8S8Kernel u8s8_gemm_scalar{"u8s8_gemm_4x16c4_scalar",
                                  Isa::scalar,
                                  U8S8Order::plain,
                                  ScalarTile::rows,
                                  [](const GemmU8S8Problem&) -> const char* { return nullptr; },
                                  run,
                                  nullptr};

bool any_above_scalar(const std::uint8_t* a, std::int64_t n, std::int32_t limit) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (a[i] > limit) return true;
  }
  return false;
}

}  // namespace adze::kernels
