/// \file
/// The output stage of the int8 product for any kind of lanes.
#pragma once

#include <cstdint>

#include "gemm_u8s8_kernel.h"
#include "math_functions.h"
#include "unroll.h"

namespace adze::kernels {

/// True if no sum x gives NaN or what int32 does not hold as (x + bias) * multiplier: |multiplier|
/// (2³¹ + |bias|) is at most 2³⁰.
template <class L, int parts>
[[gnu::always_inline]] inline bool modest(const typename L::F (&multiplier)[parts],
                                          const typename L::F (&bias)[parts]) {
  using F = typename L::F;
  const F zero = L::all(0.0f), limit = L::all(0x1p30f);
  F most = zero;
  for (int i = 0; i < parts; ++i) {
    // Comparisons pass NaN on: they give the second operand then.
    const F scale = L::greater(zero - multiplier[i], multiplier[i]);
    most = most + scale * (L::all(0x1p31f) + L::greater(zero - bias[i], bias[i]));
  }
  return L::all_true(L::equal(L::lesser(most, limit), most));
}

/// Stores rows of 16 sums, `ld` apart, as bytes T where multipliers and bias are modest.
template <class L, class Bytes, int parts, class T>
[[gnu::always_inline]] inline void store_modest(const typename L::F (&multiplier)[parts],
                                                const typename L::F (&bias)[parts],
                                                const Bytes& bytes, const std::int32_t* sums,
                                                std::int64_t ld, std::int64_t rows, T* to,
                                                std::int64_t ldo) {
  struct Row {
    typename L::I values[parts];
  };
  const auto rounded = [&](const std::int32_t* from) __attribute__((always_inline)) {
    Row row;
    for (int j = 0; j < parts; ++j) {
      const auto x = L::to_float(L::load_int(from + j * L::width));
      row.values[j] = L::round_to_int((x + bias[j]) * multiplier[j]);
    }
    return row;
  };
  for (; rows > 1; rows -= 2, sums += 2 * ld, to += 2 * ldo) {
    bytes.store(rounded(sums).values, rounded(sums + ld).values, to, to + ldo);
  }
  if (rows > 0) bytes.store(rounded(sums).values, to);
}

/// Functions for 16 sums, one tile wide. L::store_bytes_16(to, x, z) stores the low bytes of x + z,
/// which fit; x is 16 / width registers and z within ±16384. L::if_else_zero(m, x) is x where m is
/// true, L::all_true(m) whether it is true everywhere.
///
/// L may have a type Bytes<T>(bounds) that stores 16 rounded values of any size as bytes within
/// bounds that fit: store(x, to), and two rows at once: store(x, y, to, next).
template <class L>
struct OutputStageLoops {
  using F = typename L::F;
  using I = typename L::I;
  using Channels = U8S8Stage::Channels;
  static constexpr int width = L::width;
  static constexpr int parts = u8s8_columns / width;

  /// sum (a - za)(w - zw) = sum a w - za sum w - zw sum a + k za zw: the terms that rows share,
  /// modulo 2³², for the 16 columns of each tile.
  [[gnu::always_inline]] static inline void start(const U8S8Stage& stage,
                                                  const U8S8Weights& weights, std::int64_t tile,
                                                  int tiles, std::int32_t* to) {
    const I za = L::all_int(stage.a_zero_point);
    for (const std::int64_t end = tile + tiles; tile < end; ++tile) {
      const std::int32_t* weight_sums = weights.sums + tile * u8s8_columns;
      const std::int32_t* zero_points =
          stage.w_zero_points == nullptr ? nullptr : stage.channels(tile).w_zero_points;
      for (int c = 0; c < u8s8_columns; c += width, to += width) {
        I x = L::all_int(0) - L::load_int(weight_sums + c);
        if (zero_points != nullptr) {
          const auto k = static_cast<std::int32_t>(static_cast<std::uint32_t>(weights.k));
          x = x + L::load_int(zero_points + c) * L::all_int(k);
        }
        L::store_int(to, za * x);
      }
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
    F lowest, highest;
    std::int32_t zero_point;
    bool relu, small_zero_point;

    [[gnu::always_inline]] explicit Registers(const U8S8Stage& s)
        : lowest(L::all(s.bounds.lowest)),
          highest(L::all(s.bounds.highest)),
          zero_point(s.bounds.zero_point),
          relu(s.relu),
          small_zero_point(s.bounds.small_zero_point()) {}

    [[gnu::always_inline]] void load(const float* multipliers, const float* biases) {
      for (int i = 0; i < parts; ++i) {
        multiplier[i] = L::load(multipliers + i * width);
        bias[i] = L::load(biases + i * width);
      }
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
      v = L::lesser(r.highest, L::greater(r.lowest, v));
      y[i] = L::round_to_int(v);
    }
    if (r.small_zero_point) {
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

  /// Copies the first 1 to 15 values of a row, in two pieces that overlap.
  template <class T>
  [[gnu::always_inline]] static inline void copy_some(const T* from, int count, T* to) {
    const auto pieces = [&](auto size) __attribute__((always_inline)) {
      const int last = count - size;
      __builtin_memcpy(to, from, size * sizeof(T));
      __builtin_memcpy(to + last, from + last, size * sizeof(T));
    };
    if (count >= 8) return pieces(Index<8>{});
    if (count >= 4) return pieces(Index<4>{});
    if (count >= 2) return pieces(Index<2>{});
    *to = *from;
  }

  template <class T>
  static constexpr bool has_bytes = requires {
    typename L::template Bytes<T>;
  }
  &&sizeof(T) == 1;

  template <bool finite, bool whole, class T>
  [[gnu::always_inline]] static inline void store_rows(const Registers& r, int columns,
                                                       const std::int32_t* zero_points,
                                                       const std::int32_t* row_sums,
                                                       const std::int32_t* sums, std::int64_t rows,
                                                       T* to, std::int64_t ldo) {
    for (std::int64_t i = 0; i < rows; ++i, sums += u8s8_columns, to += ldo) {
      I x[parts];
      for (int j = 0; j < parts; ++j) x[j] = L::load_int(sums + j * width);
      if (zero_points != nullptr) {
        for (int j = 0; j < parts; ++j) {
          x[j] = x[j] - L::all_int(row_sums[i]) * L::load_int(zero_points + j * width);
        }
      }
      if constexpr (whole) {
        write<finite>(x, r, to);
      } else {
        T row[u8s8_columns];
        write<finite>(x, r, row);
        copy_some(row, columns, to);
      }
    }
  }

  template <class T>
  static void store(const U8S8Stage& stage, std::int64_t tile, std::int64_t tile_end,
                    const std::int32_t* sums, std::int64_t tile_rows, std::int64_t rows,
                    const std::int32_t* row_sums, void* out, std::int64_t ldo) {
    auto* to = static_cast<T*>(out);
    // Copies, as bytes that are stored might be any variable.
    const bool last = tile_end - 1 == stage.last_tile;
    const std::int64_t whole_end = last ? tile_end - 1 : tile_end;
    const std::int64_t multipliers_step = stage.multipliers_step, bias_step = stage.bias_step;
    const float* multipliers = stage.multipliers + tile * multipliers_step;
    const float* bias = stage.bias + tile * bias_step;
    Registers r(stage);
    bool fit = false;
    if constexpr (has_bytes<T>) fit = stage.bounds.template fit<T>();
    for (; tile < whole_end; ++tile) {
      r.load(multipliers, bias);
      // With one or two rows to look costs more than it gains.
      if (row_sums != nullptr || rows <= 2 || !modest<L>(r.multiplier, r.bias)) {
        store_rows<false, true>(r, u8s8_columns,
                                row_sums == nullptr ? nullptr : stage.channels(tile).w_zero_points,
                                row_sums, sums, rows, to, ldo);
      } else if (!fit) {
        store_rows<true, true>(r, u8s8_columns, nullptr, nullptr, sums, rows, to, ldo);
      } else if constexpr (has_bytes<T>) {
        using Bytes = typename L::template Bytes<T>;
        store_modest<L>(r.multiplier, r.bias, Bytes(stage.bounds), sums, u8s8_columns, rows, to,
                        ldo);
      }
      multipliers += multipliers_step;
      bias += bias_step;
      sums += tile_rows * u8s8_columns;
      to += u8s8_columns;
    }
    if (last) {
      r.load(stage.last.multipliers, stage.last.bias);
      store_rows<false, false>(r, stage.last.columns,
                               row_sums == nullptr ? nullptr : stage.last.w_zero_points, row_sums,
                               sums, rows, to, ldo);
    }
  }
};

}  // namespace adze::kernels
