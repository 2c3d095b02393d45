/// \file
/// The output stage of the int8 product for any kind of lanes.
#pragma once

#include <cstdint>

#include "gemm_u8s8_kernel.h"
#include "math_functions.h"

namespace adze::kernels {

/// Functions for 16 sums, one tile wide. L::store_bytes_16(to, x, z) stores the low bytes of x + z,
/// which fit; x is 16 / width registers and z within ±16384. L::if_else_zero(m, x) is x where m is
/// true, L::all_true(m) whether it is true everywhere.
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
  /// What a row of 16 sums is made of, in registers.
  struct Registers {
    F multiplier[parts];
    F bias[parts];
    float lowest, highest;
    std::int32_t zero_point;
    bool relu;

    [[gnu::always_inline]] Registers(const U8S8Stage& s, const Channels& channels)
        : lowest(s.lowest), highest(s.highest), zero_point(s.zero_point), relu(s.relu) {
      for (int i = 0; i < parts; ++i) {
        multiplier[i] = L::load(channels.multipliers + i * width);
        bias[i] = L::load(channels.bias + i * width);
      }
    }
    /// True if no sum can give NaN: 0 times x is 0 unless x is infinite or NaN.
    [[gnu::always_inline]] bool finite() const {
      const F zero = L::all(0.0f);
      F x = zero;
      for (int i = 0; i < parts; ++i) x = x + (multiplier[i] * zero + bias[i] * zero);
      return L::all_true(L::equal(x, zero));
    }
  };

  /// round_half_even((x + bias) * multiplier) + zero point, within the bounds; NaN counts as 0.
  template <bool finite, class Byte>
  [[gnu::always_inline]] static inline void requantize(const I (&x)[parts], const Registers& r,
                                                       Byte* to) {
    I y[parts];
    for (int i = 0; i < parts; ++i) {
      F v = (L::to_float(x[i]) + r.bias[i]) * r.multiplier[i];
      if constexpr (!finite) v = L::if_else_zero(L::equal(v, v), v);
      v = MathFunctions<L>::bound(v, r.lowest, r.highest);
      y[i] = L::round_to_int(v);
    }
    if (r.zero_point >= -16384 && r.zero_point <= 16384) {
      L::store_bytes_16(to, y, r.zero_point);
    } else {
      for (I& z : y) z = z + L::all_int(r.zero_point);
      L::store_bytes_16(to, y, 0);
    }
  }

  template <bool finite>
  [[gnu::always_inline]] static inline void write(const I (&x)[parts], const Registers& r,
                                                  std::uint8_t* to) {
    requantize<finite>(x, r, to);
  }
  template <bool finite>
  [[gnu::always_inline]] static inline void write(const I (&x)[parts], const Registers& r,
                                                  std::int8_t* to) {
    requantize<finite>(x, r, to);
  }
  template <bool finite>
  [[gnu::always_inline]] static inline void write(const I (&x)[parts], const Registers& r,
                                                  float* to) {
    for (int i = 0; i < parts; ++i) {
      const F v = L::to_float(x[i]) * r.multiplier[i] + r.bias[i];
      L::store(to + i * width, r.relu ? L::greater(L::all(0.0f), v) : v);
    }
  }
  template <bool finite>
  [[gnu::always_inline]] static inline void write(const I (&x)[parts], const Registers&,
                                                  std::int32_t* to) {
    for (int i = 0; i < parts; ++i) L::store_int(to + i * width, x[i]);
  }

  template <bool finite, class T>
  [[gnu::always_inline]] static inline void store_rows(const Registers& r, const std::int32_t* sums,
                                                       std::int64_t rows, T* to, std::int64_t ldo) {
    for (std::int64_t i = 0; i < rows; ++i, sums += u8s8_columns, to += ldo) {
      I x[parts];
      for (int j = 0; j < parts; ++j) x[j] = L::load_int(sums + j * width);
      write<finite>(x, r, to);
    }
  }

  template <class T>
  static void store(const U8S8Stage& stage, const Channels& channels, const std::int32_t* sums,
                    std::int64_t rows, const std::int32_t* row_sums, void* out, std::int64_t ldo) {
    auto* to = static_cast<T*>(out);
    const Registers r(stage, channels);
    if (row_sums == nullptr && channels.columns == u8s8_columns) {
      if (rows > 2 && r.finite()) {
        store_rows<true>(r, sums, rows, to, ldo);
      } else {
        store_rows<false>(r, sums, rows, to, ldo);
      }
      return;
    }
    const bool zero_points = row_sums != nullptr && channels.w_zero_points != nullptr;
    for (std::int64_t i = 0; i < rows; ++i, sums += u8s8_columns, to += ldo) {
      I x[parts];
      for (int j = 0; j < parts; ++j) {
        x[j] = L::load_int(sums + j * width);
        if (zero_points) {
          x[j] = x[j] - L::all_int(row_sums[i]) * L::load_int(channels.w_zero_points + j * width);
        }
      }
      if (channels.columns == u8s8_columns) {
        write<false>(x, r, to);
      } else {
        T row[u8s8_columns];
        write<false>(x, r, row);
        for (int c = 0; c < channels.columns; ++c) to[c] = row[c];
      }
    }
  }
};

}  // namespace adze::kernels
