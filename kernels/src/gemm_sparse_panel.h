/// \file
/// Sparse int8 products for blocks of any height: lanes are rows of activations, which stand side
/// by side in a panel, and weights are broadcast. For any kind of dot products, see DotAvx2.
#pragma once

#include <cstdint>

#include "gemm_sparse_kernel.h"
#include "unroll.h"

namespace adze::kernels {

/// Units of H channels × NV registers of rows. `contiguous`: the units of a quad are neighbours.
template <class D, int H, int NV, bool contiguous>
struct SparsePanel {
  using V = typename D::V;
  static constexpr int width = NV * D::lanes;  ///< rows of the panel
  static constexpr std::int64_t step = 4 * width;
  static constexpr int unit_bytes = 4 * H;
  /// Channels that wait for the output stage.
  static constexpr int tile_columns = width < 32 ? 16 * (32 / width) : 16;
  /// Few sums at a time wait for each other: more of them, added at the end.
  static constexpr int chains = H * NV >= D::chains ? 1 : D::chains / (H * NV);

  /// One window of W units.
  template <int W>
  [[gnu::always_inline]] static inline void window(V (&acc)[chains][H][NV], const std::uint8_t* a,
                                                   const std::uint16_t* index,
                                                   const std::int8_t* w) {
    const std::uint8_t* p[W];
    unroll<W>([&](auto u) __attribute__((always_inline)) {
      const std::int64_t at = index[contiguous && W == 4 ? 0 : static_cast<int>(u)];
      p[u] = a + at * (step / panel_index_unit) + (contiguous && W == 4 ? step * u : 0);
    });
    if constexpr (chains > 1) {
      unroll<W>([&](auto u) __attribute__((always_inline)) {
        unroll<H>([&](auto c) __attribute__((always_inline)) {
          const V weight = D::broadcast(w + u * unit_bytes + 4 * c);
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            V& sum = acc[u % chains][c][v];
            sum = D::end(sum, D::first(sum, D::load(p[u] + 4 * D::lanes * v), weight));
          });
        });
      });
    } else if constexpr (H == 1) {
      V weights[W];
      unroll<W>([&](auto u)
                    __attribute__((always_inline)) { weights[u] = D::broadcast(w + 4 * u); });
      unroll<NV>([&](auto v) __attribute__((always_inline)) {
        auto sum = D::first(acc[0][0][v], D::load(p[0] + 4 * D::lanes * v), weights[0]);
        unroll<W - 1>([&](auto u) __attribute__((always_inline)) {
          sum = D::next(sum, D::load(p[u + 1] + 4 * D::lanes * v), weights[u + 1]);
        });
        acc[0][0][v] = D::end(acc[0][0][v], sum);
      });
    } else {
      V x[W][NV];
      unroll<W>([&](auto u) __attribute__((always_inline)) {
        unroll<NV>([&](auto v) __attribute__((always_inline)) {
          x[u][v] = D::load(p[u] + 4 * D::lanes * v);
        });
      });
      unroll<H>([&](auto c) __attribute__((always_inline)) {
        V weights[W];
        unroll<W>([&](auto u) __attribute__((always_inline)) {
          weights[u] = D::broadcast(w + u * unit_bytes + 4 * c);
        });
        unroll<NV>([&](auto v) __attribute__((always_inline)) {
          auto sum = D::first(acc[0][c][v], x[0][v], weights[0]);
          unroll<W - 1>([&](auto u) __attribute__((always_inline)) {
            sum = D::next(sum, x[u + 1][v], weights[u + 1]);
          });
          acc[0][c][v] = D::end(acc[0][c][v], sum);
        });
      });
    }
  }

  static void run(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(64) std::int32_t tile[tile_columns * width] = {};
    for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
      const std::uint8_t* a = x.a + kb * w.k_block * width;
      const bool last = kb + 1 == w.k_blocks;
      const SparseList* list = w.lists + kb * w.groups + x.group_begin;
      const std::uint16_t* index = w.index + list->first;
      const std::int8_t* values = w.values + std::int64_t{list->first} * unit_bytes;
      int column = 0;
      for (std::int64_t g = x.group_begin; g < x.group_end; ++g, ++list) {
        std::int32_t* partial = x.partial + g * (H * width);
        V acc[chains][H][NV];
        unroll<H>([&](auto c) __attribute__((always_inline)) {
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            acc[0][c][v] = kb == 0 ? D::start_all(x.start + g * H + c, x.weight_sums + g * H + c)
                                   : D::load(partial + c * width + D::lanes * v);
          });
        });
        unroll<chains - 1>([&](auto i) __attribute__((always_inline)) {
          unroll<H>([&](auto c) __attribute__((always_inline)) {
            unroll<NV>([&](auto v)
                           __attribute__((always_inline)) { acc[i + 1][c][v] = D::zero(); });
          });
        });
        for (int i = list->quads; i > 0; --i, index += 4, values += 4 * unit_bytes) {
          window<4>(acc, a, index, values);
        }
        for (int i = list->pairs; i > 0; --i, index += 2, values += 2 * unit_bytes) {
          window<2>(acc, a, index, values);
        }
        if constexpr (contiguous) {
          for (int i = list->double_pairs; i > 0; --i, index += 4, values += 4 * unit_bytes) {
            window<2>(acc, a, index, values);
            window<2>(acc, a, index + 2, values + 2 * unit_bytes);
          }
        }
        const std::int8_t* end = w.values + std::int64_t{list[1].first} * unit_bytes;
        for (; values < end; ++index, values += unit_bytes) window<1>(acc, a, index, values);

        std::int32_t* to = last ? tile + column * width : partial;
        unroll<H>([&](auto c) __attribute__((always_inline)) {
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            V sum = acc[0][c][v];
            unroll<chains - 1>([&](auto i) __attribute__((always_inline)) {
              sum = D::add(sum, acc[i + 1][c][v]);
            });
            D::store(to + c * width + D::lanes * v, sum);
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
