/// \file
/// The output stage of the int8 product for any kind of lanes.
#pragma once

#include <cstdint>

#include "gemm_u8s8_kernel.h"
#include "math_functions.h"

namespace adze::kernels {

/// Functions for 16 sums, one tile wide. L::store_bytes_16(to, x) takes 16 / width registers,
/// L::if_else_zero(m, x) is x where m is true.
template <class L>
struct OutputStageLoops {
  using F = typename L::F;
  using I = typename L::I;
  using Channels = U8S8Stage::Channels;
  static constexpr int width = L::width;
  static constexpr int parts = u8s8_columns / width;

  /// sum (a - za)(w - zw) = sum a w - za sum w - zw sum a + k za zw: the terms that rows share,
  /// modulo 2³².
  [[gnu::always_inline]] static inline void start(const U8S8Stage& stage, const Channels& channels,
                                                  std::int64_t k, const std::int32_t* weight_sums,
                                                  std::int32_t* to) {
    const I za = L::all_int(stage.a_zero_point);
    for (int c = 0; c < u8s8_columns; c += width) {
      I x = L::all_int(0) - L::load_int(weight_sums + c);
      if (channels.w_zero_points != nullptr) {
        const auto count = static_cast<std::int32_t>(static_cast<std::uint32_t>(k));
        x = x + L::load_int(channels.w_zero_points + c) * L::all_int(count);
      }
      L::store_int(to + c, za * x);
    }
  }

  static U8S8Store store_for(OutputType type) {
    switch (type) {
      case OutputType::u8:
        return store<std::uint8_t>;
      case OutputType::s8:
        return store<std::int8_t>;
      case OutputType::s32:
        return store<std::int32_t>;
      default:
        return store<float>;
    }
  }

 private:
  /// round_half_even((x + bias) * multiplier) + zero point, within the bounds; NaN counts as 0.
  [[gnu::always_inline]] static inline void write(const U8S8Stage& s, const I (&x)[parts],
                                                  const F (&multiplier)[parts],
                                                  const F (&bias)[parts], std::uint8_t* to) {
    requantize(s, x, multiplier, bias, to);
  }
  [[gnu::always_inline]] static inline void write(const U8S8Stage& s, const I (&x)[parts],
                                                  const F (&multiplier)[parts],
                                                  const F (&bias)[parts], std::int8_t* to) {
    requantize(s, x, multiplier, bias, to);
  }
  template <class Byte>
  [[gnu::always_inline]] static inline void requantize(const U8S8Stage& s, const I (&x)[parts],
                                                       const F (&multiplier)[parts],
                                                       const F (&bias)[parts], Byte* to) {
    I y[parts];
    for (int i = 0; i < parts; ++i) {
      F v = (L::to_float(x[i]) + bias[i]) * multiplier[i];
      v = L::if_else_zero(L::equal(v, v), v);
      v = MathFunctions<L>::bound(v, s.lowest, s.highest);
      y[i] = L::round_to_int(v) + L::all_int(s.zero_point);
    }
    L::store_bytes_16(to, y);
  }
  [[gnu::always_inline]] static inline void write(const U8S8Stage& s, const I (&x)[parts],
                                                  const F (&multiplier)[parts],
                                                  const F (&bias)[parts], float* to) {
    for (int i = 0; i < parts; ++i) {
      const F v = L::to_float(x[i]) * multiplier[i] + bias[i];
      L::store(to + i * width, s.relu ? L::greater(L::all(0.0f), v) : v);
    }
  }
  [[gnu::always_inline]] static inline void write(const U8S8Stage&, const I (&x)[parts],
                                                  const F (&)[parts], const F (&)[parts],
                                                  std::int32_t* to) {
    for (int i = 0; i < parts; ++i) L::store_int(to + i * width, x[i]);
  }

  template <class T>
  static void store(const U8S8Stage& stage, const Channels& channels, const std::int32_t* sums,
                    std::int64_t rows, const std::int32_t* row_sums, void* out, std::int64_t ldo) {
    auto* to = static_cast<T*>(out);
    F multiplier[parts], bias[parts];
    for (int i = 0; i < parts; ++i) {
      multiplier[i] = L::load(channels.multipliers + i * width);
      bias[i] = L::load(channels.bias + i * width);
    }
    const bool zero_points = row_sums != nullptr && channels.w_zero_points != nullptr;
    for (std::int64_t r = 0; r < rows; ++r, sums += u8s8_columns, to += ldo) {
      I x[parts];
      for (int i = 0; i < parts; ++i) x[i] = L::load_int(sums + i * width);
      if (zero_points) {
        for (int i = 0; i < parts; ++i) {
          x[i] = x[i] - L::all_int(row_sums[r]) * L::load_int(channels.w_zero_points + i * width);
        }
      }
      if (channels.columns == u8s8_columns) {
        write(stage, x, multiplier, bias, to);
      } else {
        T row[u8s8_columns];
        write(stage, x, multiplier, bias, row);
        for (int c = 0; c < channels.columns; ++c) to[c] = row[c];
      }
    }
  }
};

}  // namespace adze::kernels
