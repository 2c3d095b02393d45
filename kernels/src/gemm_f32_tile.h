/// \file
/// The tiles of gemm_f32 for any kind of SIMD registers. Only for files compiled for one
/// instruction set.
#pragma once

#include <algorithm>
#include <cstdint>

#include "gemm_f32_kernel.h"
#include "unroll.h"

namespace adze::kernels {

/// V says how many floats a register holds (`width`), gives load, store, all (broadcast), add,
/// multiply_add, relu, and the same loads and stores for the first few lanes only (`Part`).
/// `vectors_for(rows)` is how many registers of columns a tile has at most, a power of two.
template <class V, int most_rows, int (*vectors_for)(int rows)>
struct F32Tiles {
  using F = typename V::F;
  using Part = typename V::Part;
  static constexpr int width = V::width;
  static constexpr int group = 16;  // columns of a group of b

  /// The sums of a tile in registers: MR rows, NV vectors of columns of which the last may be
  /// incomplete.
  template <int MR, int NV>
  struct Sums {
    F v[MR][NV];

    [[gnu::always_inline]] static inline Part last(const F32Tile& t) {
      return V::part(t.columns - width * (NV - 1));
    }
    template <int j>
    [[gnu::always_inline]] static inline F load(const float* x, const Part& last, bool whole) {
      return j < NV - 1 || whole ? V::load(x + width * j) : V::load_part(x + width * j, last);
    }

    [[gnu::always_inline]] inline void begin(const F32Tile& t) {
      if (t.from_zero) {
        unroll<MR>([&](auto i) __attribute__((always_inline)) {
          unroll<NV>([&](auto j) __attribute__((always_inline)) { v[i][j] = V::all(0.0f); });
        });
        return;
      }
      const Part part = last(t);
      const bool whole = t.columns == width * NV;
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        unroll<NV>([&](auto j) __attribute__((always_inline)) {
          v[i][j] = load<j>(t.c + i * t.ldc, part, whole);
        });
      });
    }

    /// Adds the bias, applies the ReLU, stores.
    [[gnu::always_inline]] inline void end(const F32Tile& t) {
      const Part part = last(t);
      const bool whole = t.columns == width * NV;
      if (t.bias != nullptr) {
        unroll<NV>([&](auto j) __attribute__((always_inline)) {
          const F bias = load<j>(t.bias, part, whole);
          unroll<MR>([&](auto i)
                         __attribute__((always_inline)) { v[i][j] = V::add(v[i][j], bias); });
        });
      }
      if (t.relu) {
        unroll<MR>([&](auto i) __attribute__((always_inline)) {
          unroll<NV>([&](auto j) __attribute__((always_inline)) { v[i][j] = V::relu(v[i][j]); });
        });
      }
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        unroll<NV>([&](auto j) __attribute__((always_inline)) {
          float* c = t.c + i * t.ldc + width * j;
          if (j < NV - 1 || whole) {
            V::store(c, v[i][j]);
          } else {
            V::store_part(c, part, v[i][j]);
          }
        });
      });
    }
  };

  /// `by_rows` if a_step is 1, else a_row is 1.
  template <int MR, int NV, bool by_rows>
  static void tile(const F32Tile& t) {
    Sums<MR, NV> sums;
    sums.begin(t);
    // The next tile is below this one.
    unroll<MR>([&](auto i) __attribute__((always_inline)) {
      const float* next = t.c + (i + t.rows) * t.ldc;
      unroll<(NV * width + 15) / 16>([&](auto j) __attribute__((always_inline)) {
        __builtin_prefetch(next + 16 * j, 1);
      });
    });
    const Part part = Sums<MR, NV>::last(t);
    const std::int64_t a_row = by_rows ? t.a_row : 1, a_step = by_rows ? 1 : t.a_step;
    const std::int64_t b_step = t.b_step, b_group = t.b_group;
    // Three rows to a pointer, which the processor adds once or twice a_row to.
    const float* a[(MR + 2) / 3];
    unroll<(MR + 2) / 3>([&](auto i)
                             __attribute__((always_inline)) { a[i] = t.a + 3 * i * a_row; });
    const float* b = t.b;
    for (std::int64_t p = 0; p < t.k; ++p, b += b_step) {
      F columns[NV];
      unroll<NV>([&](auto j) __attribute__((always_inline)) {
        const float* from = b + width * j / group * b_group + width * j % group;
        columns[j] = j < NV - 1 || !V::reads_exactly ? V::load(from) : V::load_part(from, part);
      });
      unroll<MR>([&](auto i) __attribute__((always_inline)) {
        const F value = V::all(a[i / 3][by_rows ? i % 3 * a_row : i % 3]);
        unroll<NV>([&](auto j) __attribute__((always_inline)) {
          sums.v[i][j] = V::multiply_add(value, columns[j], sums.v[i][j]);
        });
      });
      unroll<(MR + 2) / 3>([&](auto i) __attribute__((always_inline)) { a[i] += a_step; });
    }
    sums.end(t);
  }

  /// tiles[rows - 1][v][a_step == 1] for 2ᵛ registers of columns.
  static constexpr int widths = 4;
  using Function = void (*)(const F32Tile&);
  struct Table {
    Function tiles[most_rows][widths][2] = {};
  };
  static constexpr Table table = [] {
    Table t;
    unroll<most_rows>([&](auto r) {
      unroll<widths>([&](auto v) {
        if constexpr ((1 << v) <= vectors_for(r + 1)) {
          t.tiles[r][v][0] = tile<r + 1, 1 << v, false>;
          // With one row a_row does not matter.
          t.tiles[r][v][1] = tile<r + 1, 1 << v, (r > 0)>;
        }
      });
    });
    return t;
  }();

  static void any(const F32Tile& t) {
    int v = 0;
    while (width << v < t.columns) ++v;
    table.tiles[t.rows - 1][v][t.a_step == 1](t);
  }

  /// Adds R products to each of n values of c: x[0] b[0][j] + … + x[R - 1] b[R - 1][j].
  template <int R>
  static void row_step(const float* x, std::int64_t x_step, const float* b, std::int64_t b_step,
                       float* c, std::int64_t n, bool from_zero, const float* bias, bool relu) {
    F value[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) { value[r] = V::all(x[r * x_step]); });
    const float* rows[(R + 3) / 4];
    unroll<(R + 3) / 4>([&](auto r)
                            __attribute__((always_inline)) { rows[r] = b + 4 * r * b_step; });
    const auto step = [&](std::int64_t j, auto nv, auto load, auto store)
        __attribute__((always_inline)) {
      F sums[nv];
      unroll<nv>([&](auto v) __attribute__((always_inline)) {
        sums[v] = from_zero ? V::all(0.0f) : load(c + j + width * v);
      });
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        unroll<nv>([&](auto v) __attribute__((always_inline)) {
          sums[v] = V::multiply_add(value[r], load(rows[r / 4] + r % 4 * b_step + j + width * v),
                                    sums[v]);
        });
      });
      unroll<nv>([&](auto v) __attribute__((always_inline)) {
        if (bias != nullptr) sums[v] = V::add(sums[v], load(bias + j + width * v));
        if (relu) sums[v] = V::relu(sums[v]);
        store(c + j + width * v, sums[v]);
      });
    };
    std::int64_t j = 0;
    for (; j + 4 * width <= n; j += 4 * width) step(j, Index<4>{}, V::load, V::store);
    for (; j + width <= n; j += width) step(j, Index<1>{}, V::load, V::store);
    if (j == n) return;
    const Part last = V::part(static_cast<int>(n - j));
    step(
        j, Index<1>{}, [&](const float* from) { return V::load_part(from, last); },
        [&](float* to, F sum) { V::store_part(to, last, sum); });
  }

  /// F32Kernel::row. c collects the sums, a slice that stays in L1 at a time.
  static void row(const F32Tile& t, std::int64_t n) {
    constexpr std::int64_t slice = 4096;
    constexpr int most = 8;
    for (std::int64_t j = 0; j < n; j += slice) {
      std::int64_t p = 0;
      const auto step = [&](auto r) __attribute__((always_inline)) {
        const bool last = p + r == t.k;
        row_step<r>(t.a + p * t.a_step, t.a_step, t.b + p * t.b_step + j, t.b_step, t.c + j,
                    std::min(slice, n - j), p == 0 && t.from_zero,
                    last && t.bias != nullptr ? t.bias + j : nullptr, last && t.relu);
        p += r;
      };
      while (p + most <= t.k) step(Index<most>{});
      if (t.k - p >= 4) step(Index<4>{});
      if (t.k - p >= 2) step(Index<2>{});
      if (t.k - p >= 1) step(Index<1>{});
    }
  }
};

}  // namespace adze::kernels
