#include "gemm_u8s8_kernel.h"
#include "lanes_scalar.h"
#include "output_stage.h"

namespace adze::kernels {

namespace {

void tile(const U8S8Tile& t) {
  for (int i = 0; i < t.rows; ++i) {
    const std::uint8_t* a = t.a + i * t.lda;
    std::uint32_t sums[u8s8_columns];  // unsigned: wraps modulo 2³²
    for (int c = 0; c < u8s8_columns; ++c) sums[c] = static_cast<std::uint32_t>(t.start[c]);
    const std::int8_t* w = t.weights;
    for (std::int64_t g = 0; g < t.groups; ++g) {
      const std::uint8_t* x = a + (g + 1 < t.groups ? 4 * g : t.last_start);
      for (int c = 0; c < u8s8_columns; ++c, w += 4) {
        sums[c] +=
            static_cast<std::uint32_t>(x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3]);
      }
    }
    for (int c = 0; c < u8s8_columns; ++c) {
      t.sums[i * u8s8_columns + c] = static_cast<std::int32_t>(sums[c]);
    }
  }
}

bool any_above(const std::uint8_t* a, std::int64_t n, std::int32_t limit) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (a[i] > limit) return true;
  }
  return false;
}

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
  static I load_int(const std::int32_t* p) { return all_int(*p); }
  static void store_int(std::int32_t* p, I x) { *p = x.number(); }
  static F to_float(I x) { return static_cast<F>(x.number()); }
  static I round_to_int(F x) { return all_int(ScalarLanes::round_to_int(x)); }
  template <class Byte>
  static void store_bytes(Byte* p, I x) {
    *p = static_cast<Byte>(x.number());
  }
};

}  // namespace

const U8S8Kernel u8s8_gemm_scalar{"u8s8_gemm_4x16c4_scalar", Isa::scalar, 4,
                                  [](const GemmU8S8Problem&) -> const char* { return nullptr; },
                                  tile};

const U8S8Helpers u8s8_helpers_scalar{OutputStageLoops<WrappingLanes>::store, any_above};

}  // namespace adze::kernels
