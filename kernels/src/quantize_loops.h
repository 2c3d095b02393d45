/// \file
/// The quantization loops for any kind of lanes.
#pragma once

#include <cstdint>

#include "quantize_table.h"
#include "range_loops.h"

namespace adze::kernels {

template <class L>
struct QuantizeLoops {
  using F = typename L::F;
  using I = typename L::I;
  using M = typename L::M;
  static constexpr int width = L::width;

  /// The last n < width values, filled up with zeros.
  static F load_part(const float* x, std::int64_t n) {
    float buffer[width];
    for (int j = 0; j < width; ++j) buffer[j] = j < n ? x[j] : 0.0f;
    return L::load(buffer);
  }

  /// An AffineRow in registers.
  struct Row {
    F inverse, scale, lowest, highest;
    I zero_point;
    explicit Row(const AffineRow& row)
        : inverse(L::all(row.inverse)),
          scale(L::all(row.scale)),
          lowest(L::all(row.lowest)),
          highest(L::all(row.highest)),
          zero_point(L::all_int(row.zero_point)) {}
  };

  /// lo where x < lo, hi where x > hi; NaN stays.
  [[gnu::always_inline]] static inline F bound(F x, F lo, F hi) {
    return L::lesser(hi, L::greater(lo, x));
  }

  /// round_half_even(v) within the bounds, NaN giving 0. The bounds are whole numbers, so it is the
  /// same to apply them before rounding.
  [[gnu::always_inline]] static inline I rounded(F v, const Row& row) {
    const F bounded = bound(v, row.lowest, row.highest);
    return L::round_to_int(L::where(L::equal(v, v), bounded));
  }

  /// q[i] = round_half_even(x_i) + zero_point within the bounds, NaN giving the zero point.
  /// read_4(i, v) gives x_i for the 4 * width elements from i on, in memory order or in that of
  /// L::load_differences<false>; read(i) those of one register; read_part(i, n) the last n < width.
  /// If not `narrow`, the bounds are those of Q.
  template <bool in_order, bool narrow, class Q, class Read4, class Read, class ReadPart>
  [[gnu::always_inline]] static inline void quantize_within(Read4 read_4, Read read,
                                                            ReadPart read_part, std::int64_t n,
                                                            const AffineRow& to, Q* q) {
    const Row row(to);
    const auto store_one = [&](std::int64_t i) __attribute__((always_inline)) {
      L::store_bytes(q + i, rounded(read(i), row) + row.zero_point);
    };
    std::int64_t i = 0;
    if constexpr (L::saturates) {
      const typename L::template Saturation<Q> saturation(to.zero_point, to.lowest, to.highest);
      for (; i + 4 * width <= n; i += 4 * width) {
        F v[4];
        read_4(i, v);
        if (L::template store_saturated<in_order, narrow>(q + i, v, saturation)) continue;
        for (int j = 0; j < 4 * width; j += width) store_one(i + j);
      }
    }
    for (; i + width <= n; i += width) store_one(i);
    if (i < n) {
      Q buffer[width];
      L::store_bytes(buffer, rounded(read_part(i, n - i), row) + row.zero_point);
      for (std::int64_t j = 0; i + j < n; ++j) q[i + j] = buffer[j];
    }
  }
  template <bool in_order, class Q, class Read4, class Read, class ReadPart>
  [[gnu::always_inline]] static inline void quantize_each(Read4 read_4, Read read,
                                                          ReadPart read_part, std::int64_t n,
                                                          const AffineRow& to, Q* q) {
    constexpr std::int32_t least = Q(-1) < Q(0) ? -128 : 0;
    if (to.lowest + static_cast<float>(to.zero_point) <= static_cast<float>(least) &&
        to.highest + static_cast<float>(to.zero_point) >= static_cast<float>(least + 255)) {
      quantize_within<in_order, false>(read_4, read, read_part, n, to, q);
    } else {
      quantize_within<in_order, true>(read_4, read, read_part, n, to, q);
    }
  }

  template <class Q>
  static void quantize(const float* x, std::int64_t n, const AffineRow& to, Q* q) {
    const F inverse = L::all(to.inverse);
    quantize_each<true>(
        [=](std::int64_t i, F(&v)[4]) __attribute__((always_inline)) {
          for (int j = 0; j < 4; ++j) v[j] = L::load(x + i + j * width) * inverse;
        },
        [=](std::int64_t i) __attribute__((always_inline)) { return L::load(x + i) * inverse; },
        [=](std::int64_t i, std::int64_t count) { return load_part(x + i, count) * inverse; }, n,
        to, q);
  }

  template <class Q>
  [[gnu::always_inline]] static inline I load_bytes_part(const Q* q, std::int64_t n) {
    Q buffer[width];
    for (int j = 0; j < width; ++j) buffer[j] = j < n ? q[j] : Q{};
    return L::load_bytes(buffer);
  }
  [[gnu::always_inline]] static inline F value(I q, const Row& row) {
    return L::to_float(q - row.zero_point) * row.scale;
  }

  /// q = quantize(dequantize(a) + dequantize(b)) if `sum`, else of their product.
  template <class Q, bool sum>
  static void combine(const Q* a, const AffineRow& a_row, const Q* b, const AffineRow& b_row,
                      std::int64_t n, const AffineRow& to, Q* q) {
    const Row ra(a_row), rb(b_row);
    const F base_a = L::template difference_base<Q>(a_row.zero_point);
    const F base_b = L::template difference_base<Q>(b_row.zero_point);
    const F inverse = L::all(to.inverse);
    const auto f = [&](F x, F y) __attribute__((always_inline)) {
      return (sum ? x + y : x * y) * inverse;
    };
    quantize_each<false>(
        [&](std::int64_t i, F(&v)[4]) __attribute__((always_inline)) {
          F w[4];
          L::template load_differences<false>(a + i, base_a, v);
          L::template load_differences<false>(b + i, base_b, w);
          for (int j = 0; j < 4; ++j) v[j] = f(v[j] * ra.scale, w[j] * rb.scale);
        },
        [&](std::int64_t i) __attribute__((always_inline)) {
          return f(value(L::load_bytes(a + i), ra), value(L::load_bytes(b + i), rb));
        },
        [&](std::int64_t i, std::int64_t count) __attribute__((always_inline)) {
          return f(value(load_bytes_part(a + i, count), ra),
                   value(load_bytes_part(b + i, count), rb));
        },
        n, to, q);
  }

  static I load_part(const std::int32_t* x, std::int64_t n) {
    std::int32_t buffer[width];
    for (int j = 0; j < width; ++j) buffer[j] = j < n ? x[j] : 0;
    return L::load_int(buffer);
  }
  /// SumScaling in registers, for sum i.
  template <bool shared>
  struct Scaling {
    const float *multipliers, *biases;
    F multiplier_of_all, bias_of_all;
    explicit Scaling(const SumScaling& s)
        : multipliers(s.multipliers),
          biases(s.bias),
          multiplier_of_all(L::all(*s.multipliers)),
          bias_of_all(L::all(*s.bias)) {}
    [[gnu::always_inline]] F multiplier(std::int64_t i) const {
      return shared ? multiplier_of_all : L::load(multipliers + i);
    }
    [[gnu::always_inline]] F bias(std::int64_t i) const {
      return shared ? bias_of_all : L::load(biases + i);
    }
    F multiplier_part(std::int64_t i, std::int64_t n) const {
      return shared ? multiplier_of_all : load_part(multipliers + i, n);
    }
    F bias_part(std::int64_t i, std::int64_t n) const {
      return shared ? bias_of_all : load_part(biases + i, n);
    }
  };
  template <bool shared, class Q>
  [[gnu::always_inline]] static inline void requantize_scaled(const std::int32_t* sums,
                                                              const SumRows& rows,
                                                              const SumScaling& scaling,
                                                              const AffineRow& row, Q* q) {
    const Scaling<shared> s(scaling);
    const AffineRow to = row;  // bytes are written, which may be anything to a compiler
    const SumRows all = rows;
    for (std::int64_t r = 0; r < all.m; ++r, sums += all.lds, q += all.ldo) {
      const auto read = [=](std::int64_t i) __attribute__((always_inline)) {
        return (L::to_float(L::load_int(sums + i)) + s.bias(i)) * s.multiplier(i);
      };
      quantize_each<true>(
          [=](std::int64_t i, F(&v)[4]) __attribute__((always_inline)) {
            for (int j = 0; j < 4; ++j) v[j] = read(i + j * width);
          },
          read,
          [=](std::int64_t i, std::int64_t count) {
            return (L::to_float(load_part(sums + i, count)) + s.bias_part(i, count)) *
                   s.multiplier_part(i, count);
          },
          all.n, to, q);
    }
  }
  template <class Q>
  static void requantize(const std::int32_t* sums, const SumRows& rows, const SumScaling& scaling,
                         const AffineRow& to, Q* q) {
    if (scaling.shared) {
      requantize_scaled<true>(sums, rows, scaling, to, q);
    } else {
      requantize_scaled<false>(sums, rows, scaling, to, q);
    }
  }

  template <bool shared>
  [[gnu::always_inline]] static inline void requantize_f32_scaled(const std::int32_t* sums,
                                                                  const SumRows& rows,
                                                                  const SumScaling& scaling,
                                                                  bool relu, float* x) {
    const Scaling<shared> s(scaling);
    const auto value = [=](I sum, F multiplier, F bias) __attribute__((always_inline)) {
      const F v = L::to_float(sum) * multiplier + bias;
      return relu ? L::greater(L::all(0.0f), v) : v;
    };
    for (std::int64_t r = 0; r < rows.m; ++r, sums += rows.lds, x += rows.ldo) {
      std::int64_t i = 0;
      for (; i + width <= rows.n; i += width) {
        L::store(x + i, value(L::load_int(sums + i), s.multiplier(i), s.bias(i)));
      }
      if (i < rows.n) {
        const std::int64_t count = rows.n - i;
        float values[width];
        L::store(values, value(load_part(sums + i, count), s.multiplier_part(i, count),
                               s.bias_part(i, count)));
        for (std::int64_t j = 0; j < count; ++j) x[i + j] = values[j];
      }
    }
  }
  static void requantize_f32(const std::int32_t* sums, const SumRows& rows,
                             const SumScaling& scaling, bool relu, float* x) {
    if (scaling.shared) {
      requantize_f32_scaled<true>(sums, rows, scaling, relu, x);
    } else {
      requantize_f32_scaled<false>(sums, rows, scaling, relu, x);
    }
  }

  template <class Q>
  static void dequantize(const Q* q, std::int64_t n, const AffineRow& params, float* x) {
    const Row row(params);
    const F base = L::template difference_base<Q>(params.zero_point);
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      F v[4];
      L::template load_differences<true>(q + i, base, v);
      for (int j = 0; j < 4; ++j) L::store(x + i + j * width, v[j] * row.scale);
    }
    for (; i + width <= n; i += width) L::store(x + i, value(L::load_bytes(q + i), row));
    for (; i < n; ++i) x[i] = static_cast<float>(q[i] - params.zero_point) * params.scale;
  }

  /// y, and where the rounded value lay within the bounds.
  [[gnu::always_inline]] static inline F fake(F v, const Row& row, M* inside) {
    v = v * row.inverse;
    const F r = L::round(v);
    const F q = bound(r, row.lowest, row.highest);
    *inside = L::equal(q, r);                                         // not NaN
    return L::where(L::equal(v, v), (q + L::all(0.0f)) * row.scale);  // + 0: no -0
  }
  /// Four registers of any values.
  template <bool masked>
  [[gnu::noinline]] static void fake_any_4(const float* x, const AffineRow& params, float* y,
                                           std::uint8_t* mask) {
    const Row row(params);
    for (int j = 0; j < 4 * width; j += width) {
      M inside;
      L::store(y + j, fake(L::load(x + j), row, &inside));
      if (masked) L::store_mask(mask + j, inside);
    }
  }
  /// The same for values that int32 holds; false, and nothing done, if one may be another.
  template <bool masked>
  [[gnu::always_inline]] static inline bool fake_int_4(const float* x, const Row& row,
                                                       const I& least, const I& most, float* y,
                                                       std::uint8_t* mask) {
    I r[4];
    M inside[4];
    for (int j = 0; j < 4; ++j) r[j] = L::round_to_int(L::load(x + j * width) * row.inverse);
    if (!L::all_converted(r)) return false;
    for (int j = 0; j < 4; ++j) {
      const I q = L::lesser_int(L::greater_int(r[j], least), most);
      inside[j] = L::equal_int(q, r[j]);
      L::store(y + j * width, L::to_float(q) * row.scale);
    }
    if (masked) L::store_mask(mask, inside[0], inside[1], inside[2], inside[3]);
    return true;
  }
  template <bool masked>
  [[gnu::always_inline]] static inline void fake_each(const float* x, std::int64_t n,
                                                      const AffineRow& params, float* y,
                                                      std::uint8_t* mask) {
    const Row row(params);
    const I least = L::all_int(static_cast<std::int32_t>(params.lowest));
    const I most = L::all_int(static_cast<std::int32_t>(params.highest));
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      if (!fake_int_4<masked>(x + i, row, least, most, y + i, mask + i)) {
        fake_any_4<masked>(x + i, params, y + i, mask + i);
      }
    }
    for (; i < n; i += width) {
      const std::int64_t count = n - i < width ? n - i : width;
      float values[width];
      std::uint8_t flags[width];
      M inside;
      L::store(values, fake(load_part(x + i, count), row, &inside));
      L::store_mask(flags, inside);
      for (std::int64_t j = 0; j < count; ++j) y[i + j] = values[j];
      for (std::int64_t j = 0; masked && j < count; ++j) mask[i + j] = flags[j];
    }
  }
  static void fake_quantize(const float* x, std::int64_t n, const AffineRow& row, float* y) {
    fake_each<false>(x, n, row, y, nullptr);
  }
  static void fake_quantize_mask(const float* x, std::int64_t n, const AffineRow& row, float* y,
                                 std::uint8_t* mask) {
    fake_each<true>(x, n, row, y, mask);
  }

  static void histogram_bins(const float* x, std::int64_t n, float lo, float hi, std::int32_t bins,
                             std::int32_t* to) {
    const F low = L::all(lo), high = L::all(hi), span = L::all(hi - lo);
    const F scale = L::all(static_cast<float>(bins)), none = L::from_bits(L::all_int(bins));
    const I last = L::all_int(bins - 1);
    const auto bin_of = [=](F v) __attribute__((always_inline)) {
      const M inside = L::equal(bound(v, low, high), v);  // not NaN
      const F position = L::where(inside, L::divide((v - low) * scale, span));
      const I bin = L::lesser_int(L::to_int(position), last);
      return L::bits(L::select(inside, L::from_bits(bin), none));
    };
    std::int64_t i = 0;
    for (; i + width <= n; i += width) L::store_int(to + i, bin_of(L::load(x + i)));
    if (i < n) {
      std::int32_t buffer[width];
      L::store_int(buffer, bin_of(load_part(x + i, n - i)));
      for (std::int64_t j = 0; i + j < n; ++j) to[i + j] = buffer[j];
    }
  }

  static constexpr QuantizeTable table(const char* name) {
    return {name,
            quantize<std::uint8_t>,
            quantize<std::int8_t>,
            dequantize<std::uint8_t>,
            dequantize<std::int8_t>,
            fake_quantize,
            fake_quantize_mask,
            {combine<std::uint8_t, true>, combine<std::uint8_t, false>},
            {combine<std::int8_t, true>, combine<std::int8_t, false>},
            requantize<std::uint8_t>,
            requantize<std::int8_t>,
            requantize_f32,
            histogram_bins,
            RangeLoops<L>::min_max};
  }
};

}  // namespace adze::kernels
