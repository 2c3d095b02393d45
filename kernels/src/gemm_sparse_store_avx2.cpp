#include <cstdint>
#include <immintrin.h>

#include "gemm_sparse_kernel.h"
#include "output_stage.h"
#include "u8s8_lanes_256.h"
#include "unroll.h"
#include "vectors_256.h"

namespace adze::kernels {

namespace {

/// The output stage for 8 channels.
template <OutputType type, bool by_row>
struct Stage {
  __m256 multipliers, bias, lowest, highest;
  __m256i zero_point, w_zero_points;

  [[gnu::always_inline]] inline Stage(const SparseStage& s, std::int64_t channel) {
    if constexpr (type != OutputType::s32) {
      multipliers = _mm256_loadu_ps(s.multipliers + channel);
      bias = _mm256_loadu_ps(s.bias + channel);
      lowest = _mm256_set1_ps(s.bounds.lowest);
      highest = _mm256_set1_ps(s.bounds.highest);
      zero_point = _mm256_set1_epi32(s.bounds.zero_point);
    }
    if constexpr (by_row) w_zero_points = load(s.w_zero_points + channel);
  }

  /// The value to store, 32 bits wide; NaN counts as 0 where it becomes an integer.
  [[gnu::always_inline]] inline __m256i value(__m256i sum, std::int32_t row_sum, bool relu) const {
    if constexpr (by_row) {
      sum = _mm256_sub_epi32(sum, _mm256_mullo_epi32(_mm256_set1_epi32(row_sum), w_zero_points));
    }
    if constexpr (type == OutputType::s32) return sum;
    const __m256 x = _mm256_cvtepi32_ps(sum);
    if constexpr (type == OutputType::f32) {
      const __m256 v = _mm256_add_ps(_mm256_mul_ps(x, multipliers), bias);
      return _mm256_castps_si256(relu ? _mm256_max_ps(_mm256_setzero_ps(), v) : v);
    }
    __m256 v = _mm256_mul_ps(_mm256_add_ps(x, bias), multipliers);
    v = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));
    v = _mm256_min_ps(highest, _mm256_max_ps(lowest, v));
    return _mm256_add_epi32(_mm256_cvtps_epi32(v), zero_point);
  }
};

void copy_bytes(const void* from, int bytes, char* to) {
  const auto* x = static_cast<const char*>(from);
  for (int i = 0; i < bytes; ++i) to[i] = x[i];
}

/// Stores 8 channels of R rows, of which `columns` exist; 1 <= R <= 4.
template <OutputType type, int R>
[[gnu::always_inline]] inline void store_rows(const __m256i (&v)[R], int columns, char* out,
                                              std::int64_t ld_bytes) {
  if constexpr (type == OutputType::s32 || type == OutputType::f32) {
    unroll<R>([&](auto i) __attribute__((always_inline)) {
      if (columns >= 8) {
        store(out + i * ld_bytes, v[i]);
      } else {
        alignas(32) std::int32_t buffer[8];
        store(buffer, v[i]);
        copy_bytes(buffer, 4 * columns, out + i * ld_bytes);
      }
    });
  } else {
    // 4 rows × 4 bytes in each half, then the halves of each row side by side.
    const __m256i a = _mm256_packs_epi32(v[0], v[R > 1 ? 1 : 0]);
    const __m256i b = R > 2 ? _mm256_packs_epi32(v[R > 2 ? 2 : 0], v[R > 3 ? 3 : 0]) : a;
    const __m256i bytes =
        type == OutputType::u8 ? _mm256_packus_epi16(a, b) : _mm256_packs_epi16(a, b);
    const __m256i rows =
        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    const __m128i low = _mm256_castsi256_si128(rows);
    const __m128i high = R > 2 ? _mm256_extracti128_si256(rows, 1) : low;
    unroll<R>([&](auto i) __attribute__((always_inline)) {
      const __m128i pair = i < 2 ? low : high;
      const __m128i x = i % 2 == 0 ? pair : _mm_unpackhi_epi64(pair, pair);
      if (columns >= 8) {
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out + i * ld_bytes), x);
      } else {
        alignas(16) char buffer[16];
        _mm_store_si128(reinterpret_cast<__m128i*>(buffer), x);
        copy_bytes(buffer, columns, out + i * ld_bytes);
      }
    });
  }
}

template <OutputType type, bool by_row, int R>
[[gnu::always_inline]] inline void finish(__m256i (&v)[R], const Stage<type, by_row>& stage,
                                          const SparseOutput& out, bool relu, int row,
                                          std::int64_t channel, int columns) {
  unroll<R>([&](auto i) __attribute__((always_inline)) {
    v[i] = stage.value(v[i], by_row ? out.row_sums[row + i] : 0, relu);
  });
  store_rows<type, R>(v, columns, out.out + (row * out.ldo + channel) * output_bytes(type),
                      out.ldo * output_bytes(type));
}

/// 32 bytes from 4 registers of values, in order.
template <OutputType type>
[[gnu::always_inline]] inline __m256i to_bytes(__m256i v0, __m256i v1, __m256i v2, __m256i v3) {
  const __m256i a = _mm256_packs_epi32(v0, v1), b = _mm256_packs_epi32(v2, v3);
  return type == OutputType::u8 ? _mm256_packus_epi16(a, b) : _mm256_packs_epi16(a, b);
}

// Copies of the stage and the output, here and below, tell the compiler that stored bytes do not
// change them.

/// 32 channels at a time, as far as there are so many; how many channels are done.
template <OutputType type, bool by_row>
int store_bytes(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel,
                int columns, const SparseOutput& to) {
  const SparseOutput out = to;
  const SparseStage own = *to.stage;
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  int c = 0;
  for (; c + 32 <= columns; c += 32) {
    for (int i = 0; i < rows; ++i) {
      __m256i v[4];
      unroll<4>([&](auto j) __attribute__((always_inline)) {
        const Stage<type, by_row> stage(own, channel + c + 8 * j);
        v[j] = stage.value(load(sums + i * ld + c + 8 * j), by_row ? out.row_sums[i] : 0, false);
      });
      store(out.out + i * out.ldo + channel + c,
            _mm256_permutevar8x32_epi32(to_bytes<type>(v[0], v[1], v[2], v[3]), order));
    }
  }
  return c;
}

struct File;
using Lanes = U8S8Lanes256<File>;

template <OutputType>
struct Byte {
  using Type = std::uint8_t;
};
template <>
struct Byte<OutputType::s8> {
  using Type = std::int8_t;
};

/// 16 channels at a time, as long as their multipliers and bias are modest; how many channels are
/// done. None are if the bounds do not fit.
template <OutputType type>
int store_modest_bytes(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel,
                       int columns, const SparseOutput& to) {
  using T = typename Byte<type>::Type;
  const SparseOutput out = to;
  const SparseStage s = *to.stage;
  if (!s.bounds.fit<T>()) return 0;
  const Lanes::Bytes<T> bytes(s.bounds);
  int c = 0;
  for (; c + 16 <= columns; c += 16) {
    const __m256 multipliers[] = {_mm256_loadu_ps(s.multipliers + channel + c),
                                  _mm256_loadu_ps(s.multipliers + channel + c + 8)};
    const __m256 bias[] = {_mm256_loadu_ps(s.bias + channel + c),
                           _mm256_loadu_ps(s.bias + channel + c + 8)};
    if (!modest<Lanes>(multipliers, bias)) break;
    store_modest<Lanes>(multipliers, bias, bytes, sums + c, ld, rows,
                        reinterpret_cast<T*>(out.out) + channel + c, out.ldo);
  }
  return c;
}

template <OutputType type, bool by_row>
void store_tile(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel,
                int columns, const SparseOutput& to) {
  int c = 0;
  if constexpr (output_bytes(type) == 1) {
    // With one or two rows to look costs more than it gains.
    if (!by_row && rows > 2) c = store_modest_bytes<type>(sums, ld, rows, channel, columns, to);
    c += store_bytes<type, by_row>(sums + c, ld, rows, channel + c, columns - c, to);
  }
  const SparseOutput out = to;
  const SparseStage own = *to.stage;
  for (; c < columns; c += 8) {
    const Stage<type, by_row> stage(own, channel + c);
    int i = 0;
    for (; i + 4 <= rows; i += 4) {
      __m256i v[4];
      unroll<4>([&](auto r)
                    __attribute__((always_inline)) { v[r] = load(sums + (i + r) * ld + c); });
      finish<type, by_row, 4>(v, stage, out, own.relu, i, channel + c, columns - c);
    }
    for (; i < rows; ++i) {
      __m256i v[1] = {load(sums + i * ld + c)};
      finish<type, by_row, 1>(v, stage, out, own.relu, i, channel + c, columns - c);
    }
  }
}

/// 16 channels: lanes are rows, and only bytes are transposed. `small`: the bounds fit, and
/// multipliers and bias are modest. known_ld is ld, or 0 for any: with a constant the compiler
/// needs no pointer for each channel.
template <OutputType type, bool small, int known_ld>
[[gnu::always_inline]] inline void store_transposed_bytes(const std::int32_t* sums,
                                                          std::int64_t any_ld, int rows,
                                                          std::int64_t channel,
                                                          const SparseOutput& out,
                                                          const SparseStage& s) {
  const std::int64_t ld = known_ld != 0 ? known_ld : any_ld;
  const __m256 lowest = _mm256_set1_ps(s.bounds.lowest), highest = _mm256_set1_ps(s.bounds.highest);
  const __m256i zero_point = _mm256_set1_epi32(s.bounds.zero_point);
  const Lanes::Bytes<typename Byte<type>::Type> bytes(s.bounds);
  const __m256i order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const float* const multipliers = s.multipliers + channel;
  const float* const bias = s.bias + channel;
  char* to = out.out + channel;
  for (; rows > 0; rows -= 8, sums += 8) {
    __m256i z[4];  // 4 rows × 4 channels in each half
    unroll<4>([&](auto j) __attribute__((always_inline)) {
      Lanes::I q[2][2];
      unroll<4>([&](auto c) __attribute__((always_inline)) {
        const __m256 x = _mm256_cvtepi32_ps(load(sums + (4 * j + c) * ld));
        __m256 v = _mm256_mul_ps(_mm256_add_ps(x, _mm256_set1_ps(bias[4 * j + c])),
                                 _mm256_set1_ps(multipliers[4 * j + c]));
        if constexpr (small) {
          q[c / 2][c % 2].value = _mm256_cvtps_epi32(v);
        } else {
          v = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));
          v = _mm256_min_ps(highest, _mm256_max_ps(lowest, v));
          q[c / 2][c % 2].value = _mm256_add_epi32(_mm256_cvtps_epi32(v), zero_point);
        }
      });
      const __m256i packed =
          small ? bytes.pack(q[0], q[1])
                : to_bytes<type>(q[0][0].value, q[0][1].value, q[1][0].value, q[1][1].value);
      z[j] = _mm256_shuffle_epi8(packed, order);
    });
    const __m256i a = _mm256_unpacklo_epi32(z[0], z[1]), b = _mm256_unpackhi_epi32(z[0], z[1]);
    const __m256i c = _mm256_unpacklo_epi32(z[2], z[3]), d = _mm256_unpackhi_epi32(z[2], z[3]);
    const __m256i r[4] = {_mm256_unpacklo_epi64(a, c), _mm256_unpackhi_epi64(a, c),
                          _mm256_unpacklo_epi64(b, d), _mm256_unpackhi_epi64(b, d)};
    const auto store_row = [&](auto k) __attribute__((always_inline)) {
      const __m128i row =
          k < 4 ? _mm256_castsi256_si128(r[k % 4]) : _mm256_extracti128_si256(r[k % 4], 1);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), row);
      to += out.ldo;
    };
    if (rows >= 8) {
      unroll<8>(store_row);
    } else {
      unroll<7>([&](auto k) __attribute__((always_inline)) {
        if (k < rows) store_row(k);
      });
    }
  }
}

/// 16 channels at a time, as far as there are so many; how many channels are done.
template <OutputType type, int known_ld>
int store_transposed_strips(const std::int32_t* sums, std::int64_t ld, int rows,
                            std::int64_t channel, int columns, const SparseOutput& to) {
  const SparseOutput out = to;
  const SparseStage own = *to.stage;
  const bool fit = own.bounds.template fit<typename Byte<type>::Type>();
  int c = 0;
  for (; c + 16 <= columns; c += 16, channel += 16, sums += 16 * ld) {
    const __m256 multipliers[] = {_mm256_loadu_ps(own.multipliers + channel),
                                  _mm256_loadu_ps(own.multipliers + channel + 8)};
    const __m256 bias[] = {_mm256_loadu_ps(own.bias + channel),
                           _mm256_loadu_ps(own.bias + channel + 8)};
    if (!fit || !modest<Lanes>(multipliers, bias)) {
      store_transposed_bytes<type, false, 0>(sums, ld, rows, channel, out, own);
    } else {
      store_transposed_bytes<type, true, known_ld>(sums, ld, rows, channel, out, own);
    }
  }
  return c;
}

template <OutputType type, bool by_row>
void store_transposed_tile(const std::int32_t* sums, std::int64_t ld, int rows,
                           std::int64_t channel, int columns, const SparseOutput& to) {
  const SparseOutput out = to;
  const SparseStage own = *to.stage;
  if constexpr (output_bytes(type) == 1 && !by_row) {
    const auto strips = ld == 8    ? store_transposed_strips<type, 8>
                        : ld == 16 ? store_transposed_strips<type, 16>
                        : ld == 32 ? store_transposed_strips<type, 32>
                                   : store_transposed_strips<type, 0>;
    const int done = strips(sums, ld, rows, channel, columns, to);
    columns -= done;
    channel += done;
    sums += done * ld;
  }
  for (int c = 0; c < columns; c += 8) {
    const Stage<type, by_row> stage(own, channel + c);
    for (int i = 0; i < rows; i += 8) {
      __m256i v[8];
      unroll<8>([&](auto j)
                    __attribute__((always_inline)) { v[j] = load(sums + (c + j) * ld + i); });
      transpose(v);
      if (i + 8 <= rows) {
        unroll<2>([&](auto h) __attribute__((always_inline)) {
          __m256i four[4] = {v[4 * h], v[4 * h + 1], v[4 * h + 2], v[4 * h + 3]};
          finish<type, by_row, 4>(four, stage, out, own.relu, i + 4 * h, channel + c, columns - c);
        });
      } else {
        for (int r = 0; r < rows - i; ++r) {
          __m256i one[1] = {v[r]};
          finish<type, by_row, 1>(one, stage, out, own.relu, i + r, channel + c, columns - c);
        }
      }
    }
  }
}

template <OutputType type>
[[gnu::always_inline]] inline void choose_store(const std::int32_t* sums, std::int64_t ld, int rows,
                                                std::int64_t channel, int columns,
                                                const SparseOutput& out, bool transposed) {
  if (transposed) {
    out.row_sums != nullptr
        ? store_transposed_tile<type, true>(sums, ld, rows, channel, columns, out)
        : store_transposed_tile<type, false>(sums, ld, rows, channel, columns, out);
  } else {
    out.row_sums != nullptr ? store_tile<type, true>(sums, ld, rows, channel, columns, out)
                            : store_tile<type, false>(sums, ld, rows, channel, columns, out);
  }
}

[[gnu::always_inline]] inline void store_any(const std::int32_t* sums, std::int64_t ld, int rows,
                                             std::int64_t channel, int columns,
                                             const SparseOutput& out, bool transposed) {
  switch (out.stage->type) {
    case OutputType::u8:
      return choose_store<OutputType::u8>(sums, ld, rows, channel, columns, out, transposed);
    case OutputType::s8:
      return choose_store<OutputType::s8>(sums, ld, rows, channel, columns, out, transposed);
    case OutputType::s32:
      return choose_store<OutputType::s32>(sums, ld, rows, channel, columns, out, transposed);
    case OutputType::f32:
      return choose_store<OutputType::f32>(sums, ld, rows, channel, columns, out, transposed);
  }
}

}  // namespace

void store_sparse_avx2(const std::int32_t* sums, std::int64_t ld, int rows, std::int64_t channel,
                       int columns, const SparseOutput& out) {
  store_any(sums, ld, rows, channel, columns, out, false);
}

void store_sparse_transposed_avx2(const std::int32_t* sums, std::int64_t ld, int rows,
                                  std::int64_t channel, int columns, const SparseOutput& out) {
  store_any(sums, ld, rows, channel, columns, out, true);
}

}  // namespace adze::kernels
