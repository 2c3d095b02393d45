/// \file
/// The output stage of the int8 product for any kind of lanes.
#pragma once

#include <cstdint>

#include "gemm_u8s8_kernel.h"
#include "math_functions.h"

namespace adze::kernels {

template <class L>
struct OutputStageLoops {
  using F = typename L::F;
  using I = typename L::I;
  static constexpr int width = L::width;

  [[gnu::always_inline]] static inline I load(const std::int32_t* sums, const ColumnStage& s,
                                              const std::int32_t* row_sum, int c) {
    I x = L::load_int(sums + c);
    if (row_sum != nullptr) {
      x = x - L::all_int(*row_sum) * L::load_int(s.w_zero_points + c);
    }
    return x;
  }

  /// round_half_even((x + bias) * multiplier) + zero point, within the bounds; NaN counts as 0.
  [[gnu::always_inline]] static inline I requantize(I x, const ColumnStage& s, int c) {
    F v = (L::to_float(x) + L::load(s.bias + c)) * L::load(s.multipliers + c);
    v = L::select(L::equal(v, v), v, L::all(0.0f));
    v = MathFunctions<L>::bound(v, s.lowest, s.highest);
    return L::round_to_int(v) + L::all_int(s.zero_point);
  }

  [[gnu::always_inline]] static inline F scale(I x, const ColumnStage& s, int c) {
    const F v = L::to_float(x) * L::load(s.multipliers + c) + L::load(s.bias + c);
    return s.relu ? L::greater(L::all(0.0f), v) : v;
  }

  /// Calls write(out, c) for c = 0, width, …; incomplete rows go through a buffer.
  template <class T, class Write>
  [[gnu::always_inline]] static inline void row(void* out, int columns, Write write) {
    auto* to = static_cast<T*>(out);
    if (columns == u8s8_columns) {
      for (int c = 0; c < u8s8_columns; c += width) write(to + c, c);
    } else {
      T buffer[u8s8_columns];
      for (int c = 0; c < u8s8_columns; c += width) write(buffer + c, c);
      for (int c = 0; c < columns; ++c) to[c] = buffer[c];
    }
  }

  template <class Byte>
  static void store_bytes(const std::int32_t* sums, const ColumnStage& s,
                          const std::int32_t* row_sum, void* out) {
    row<Byte>(
        out, s.columns, [&](Byte * to, int c) __attribute__((always_inline)) {
          L::store_bytes(to, requantize(load(sums, s, row_sum, c), s, c));
        });
  }

  static void store(const std::int32_t* sums, const ColumnStage& s, const std::int32_t* row_sum,
                    void* out) {
    switch (s.type) {
      case OutputType::u8:
        return store_bytes<std::uint8_t>(sums, s, row_sum, out);
      case OutputType::s8:
        return store_bytes<std::int8_t>(sums, s, row_sum, out);
      case OutputType::s32:
        return row<std::int32_t>(
            out, s.columns, [&](std::int32_t * to, int c) __attribute__((always_inline)) {
              L::store_int(to, load(sums, s, row_sum, c));
            });
      case OutputType::f32:
        return row<float>(
            out, s.columns, [&](float* to, int c) __attribute__((always_inline)) {
              L::store(to, scale(load(sums, s, row_sum, c), s, c));
            });
    }
  }
};

}  // namespace adze::kernels
