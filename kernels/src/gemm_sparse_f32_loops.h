/// \file
/// Sparse float32 products for any kind of lanes. Each sum is one chain of fused multiply-adds in
/// ascending order of inputs; what runs side by side are channels and rows.
#pragma once

#include <cstdint>

#include "broadcast_row.h"
#include "gemm_sparse_f32_kernel.h"
#include "unroll.h"

namespace adze::kernels {

/// Lanes are channels, activations are broadcast from where they are. NV registers of channels × R
/// rows × G groups, of which units are taken in turn, for few chains at a time wait for each other.
template <class L, int cols, int NV, int R, int G>
struct SparseF32Channels {
  using V = typename L::V;
  static constexpr int height = NV * L::lanes;
  static constexpr int unit_size = cols * height;
  static constexpr int tile_columns = height * G >= 8 ? height * G : 8;

  struct List {
    const float* values;
    const std::uint16_t* index;
    std::int64_t units;
  };

  [[gnu::always_inline]] static inline void unit(V (&acc)[NV][R], List& list, const float* a,
                                                 const RowDistances& lda) {
    const float* x = a + cols * std::int64_t{*list.index};
    unroll<cols>([&](auto j) __attribute__((always_inline)) {
      V w[NV];
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        w[v] = L::load(list.values + j * height + v * L::lanes);
      });
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const float* at = x + j;
        V value;
        if constexpr (R >= 6) {
          value = broadcast_row<r, L>(at, lda);
        } else {
          value = L::broadcast(at + r * (lda.one / static_cast<std::int64_t>(sizeof(float))));
        }
        unroll<NV>([&](auto v) __attribute__((always_inline)) {
          acc[v][r] = L::fma(value, w[v], acc[v][r]);
        });
      });
    });
    list.values += unit_size;
    ++list.index;
    --list.units;
  }

  /// G groups from g on, in block kb of inputs.
  [[gnu::always_inline]] static inline void groups(const SparseF32Job& x, std::int64_t kb,
                                                   std::int64_t g, float* tile) {
    const SparseF32View& w = *x.w;
    const float* a = x.a + kb * w.k_block;
    const RowDistances lda(x.lda * static_cast<std::int64_t>(sizeof(float)));
    const bool last = kb + 1 == w.k_blocks;
    V acc[G][NV][R];
    List lists[G];
    std::int64_t common = INT64_MAX;
    unroll<G>([&](auto i) __attribute__((always_inline)) {
      const std::uint32_t* first = w.lists + kb * w.groups + g + i;
      lists[i] = {w.values + std::int64_t{first[0]} * unit_size, w.index + first[0],
                  std::int64_t{first[1]} - first[0]};
      if (lists[i].units < common) common = lists[i].units;
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          acc[i][v][r] =
              kb == 0 ? L::zero() : L::load(x.partial + ((g + i) * R + r) * height + v * L::lanes);
        });
      });
    });
    if constexpr (G > 1) {
      for (; common > 0; --common) {
        unroll<G>([&](auto i) __attribute__((always_inline)) { unit(acc[i], lists[i], a, lda); });
      }
    }
    unroll<G>([&](auto i) __attribute__((always_inline)) {
      while (lists[i].units > 0) unit(acc[i], lists[i], a, lda);
    });
    unroll<G>([&](auto i) __attribute__((always_inline)) {
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          float* to =
              last ? tile + r * tile_columns + i * height : x.partial + ((g + i) * R + r) * height;
          L::store(to + v * L::lanes, acc[i][v][r]);
        });
      });
    });
    if (last) {
      const std::int64_t left = w.n - g * height;
      x.store(tile, tile_columns, R, g * height,
              left < height * G ? static_cast<int>(left) : height * G, x.out);
    }
  }

  static void run(const SparseF32Job& x) {
    alignas(64) float tile[R * tile_columns] = {};
    for (std::int64_t kb = 0; kb < x.w->k_blocks; ++kb) {
      std::int64_t g = x.group_begin;
      for (; g + G <= x.group_end; g += G) groups(x, kb, g, tile);
      if constexpr (G > 1) {
        for (; g < x.group_end; ++g) SparseF32Channels<L, cols, NV, R, 1>::groups(x, kb, g, tile);
      }
    }
  }
};

/// Lanes are rows of activations, which stand side by side in a panel, and weights are broadcast.
/// Units of H channels × NV registers of rows.
template <class L, int cols, int H, int NV>
struct SparseF32Panel {
  using V = typename L::V;
  static constexpr int width = NV * L::lanes;  ///< rows of the panel
  static constexpr int unit_size = cols * H;
  static constexpr int tile_columns = 16;

  static void run(const SparseF32Job& x) {
    const SparseF32View& w = *x.w;
    alignas(64) float tile[tile_columns * width] = {};
    for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
      const float* a = x.a + kb * w.k_block * width;
      const bool last = kb + 1 == w.k_blocks;
      const std::uint32_t* list = w.lists + kb * w.groups + x.group_begin;
      const std::uint16_t* index = w.index + *list;
      const float* values = w.values + std::int64_t{*list} * unit_size;
      int column = 0;
      for (std::int64_t g = x.group_begin; g < x.group_end; ++g, ++list) {
        float* partial = x.partial + g * (H * width);
        V acc[H][NV];
        unroll<H>([&](auto c) __attribute__((always_inline)) {
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            acc[c][v] = kb == 0 ? L::zero() : L::load(partial + c * width + v * L::lanes);
          });
        });
        for (std::uint32_t i = list[1] - list[0]; i > 0; --i, ++index, values += unit_size) {
          const float* p = a + std::int64_t{*index} * (cols * width);
          unroll<cols>([&](auto j) __attribute__((always_inline)) {
            V rows[NV];
            unroll<NV>([&](auto v) __attribute__((always_inline)) {
              rows[v] = L::load(p + j * width + v * L::lanes);
            });
            unroll<H>([&](auto c) __attribute__((always_inline)) {
              const V weight = L::broadcast(values + j * H + c);
              unroll<NV>([&](auto v) __attribute__((always_inline)) {
                acc[c][v] = L::fma(rows[v], weight, acc[c][v]);
              });
            });
          });
        }
        float* to = last ? tile + column * width : partial;
        unroll<H>([&](auto c) __attribute__((always_inline)) {
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            L::store(to + c * width + v * L::lanes, acc[c][v]);
          });
        });
        column += H;
        if (last && (column == tile_columns || g + 1 == x.group_end)) {
          const std::int64_t channel = (g + 1) * H - column;
          const std::int64_t left = w.n - channel;
          x.store_transposed(tile, width, x.rows, channel,
                             left < column ? static_cast<int>(left) : column, x.out);
          column = 0;
        }
      }
    }
  }
};

}  // namespace adze::kernels
