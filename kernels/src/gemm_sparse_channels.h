/// \file
/// Sparse int8 products for blocks as high as registers: lanes are channels, activations are
/// broadcast from where they are. For any kind of dot products, see DotAvx2.
#pragma once

#include <cstdint>

#include "broadcast_row.h"
#include "gemm_sparse_kernel.h"
#include "unroll.h"

namespace adze::kernels {

/// NV registers of channels × R rows.
template <class D, int NV, int R>
struct SparseChannels {
  using V = typename D::V;
  using Sum = decltype(D::first(D::zero(), D::zero(), D::zero()));
  static constexpr int height = NV * D::lanes;
  static constexpr int unit_bytes = 4 * height;
  static constexpr int index_unit = height < 8 ? panel_index_unit : 1;
  static constexpr int tile_columns = R == 1 ? 128 : 64;
  /// Few sums at a time wait for each other: more of them, added at the end.
  static constexpr int chains = NV * R >= D::chains ? 1 : D::chains / (NV * R);

  /// One window of W units.
  template <int W>
  [[gnu::always_inline]] static inline void window(V (&acc)[chains][NV][R],
                                                   const RowDistances& rows, const std::uint8_t* a,
                                                   const std::uint16_t* index,
                                                   const std::int8_t* w) {
    const std::uint8_t* p[W];
    unroll<W>([&](auto u) __attribute__((always_inline)) {
      p[u] = a + 4 * std::int64_t{index[u]} / index_unit;
    });
    if constexpr (chains > 1) {
      unroll<W>([&](auto u) __attribute__((always_inline)) {
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          const V x = broadcast_row<r, D>(p[u], rows);
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            V& sum = acc[u % chains][v][r];
            sum = D::end(sum, D::first(sum, x, D::load(w + u * unit_bytes + 4 * D::lanes * v)));
          });
        });
      });
    } else {
      V weights[W][NV];
      unroll<W>([&](auto u) __attribute__((always_inline)) {
        unroll<NV>([&](auto v) __attribute__((always_inline)) {
          weights[u][v] = D::load(w + u * unit_bytes + 4 * D::lanes * v);
        });
      });
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        Sum sum[NV];
        unroll<W>([&](auto u) __attribute__((always_inline)) {
          const V x = broadcast_row<r, D>(p[u], rows);
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            sum[v] = u == 0 ? D::first(acc[0][v][r], x, weights[u][v])
                            : D::next(sum[v], x, weights[u][v]);
          });
        });
        unroll<NV>([&](auto v) __attribute__((always_inline)) {
          acc[0][v][r] = D::end(acc[0][v][r], sum[v]);
        });
      });
    }
  }

  static void run(const SparseJob& x) {
    const SparseView& w = *x.w;
    const RowDistances rows(x.lda);
    alignas(64) std::int32_t tile[R * tile_columns];
    for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
      const std::uint8_t* a = x.a + kb * w.k_block;
      const bool last = kb + 1 == w.k_blocks;
      const SparseList* list = w.lists + kb * w.groups + x.group_begin;
      const std::uint16_t* index = w.index + list->first;
      const std::int8_t* values = w.values + std::int64_t{list->first} * unit_bytes;
      int column = 0;
      for (std::int64_t g = x.group_begin; g < x.group_end; ++g, ++list) {
        std::int32_t* partial = x.partial + g * (R * height);
        V acc[chains][NV][R];
        unroll<chains>([&](auto c) __attribute__((always_inline)) {
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            const std::int64_t channel = g * height + D::lanes * v;
            unroll<R>([&](auto r) __attribute__((always_inline)) {
              acc[c][v][r] = c > 0     ? D::zero()
                             : kb == 0 ? D::start(x.start + channel, x.weight_sums + channel)
                                       : D::load(partial + r * height + D::lanes * v);
            });
          });
        });
        for (int i = list->quads; i > 0; --i, index += 4, values += 4 * unit_bytes) {
          window<4>(acc, rows, a, index, values);
        }
        for (int i = list->pairs; i > 0; --i, index += 2, values += 2 * unit_bytes) {
          window<2>(acc, rows, a, index, values);
        }
        const std::int8_t* end = w.values + std::int64_t{list[1].first} * unit_bytes;
        for (; values < end; ++index, values += unit_bytes) window<1>(acc, rows, a, index, values);

        std::int32_t* to = last ? tile + column : partial;
        const std::int64_t ld = last ? tile_columns : height;
        unroll<NV>([&](auto v) __attribute__((always_inline)) {
          unroll<R>([&](auto r) __attribute__((always_inline)) {
            V sum = acc[0][v][r];
            unroll<chains - 1>([&](auto c) __attribute__((always_inline)) {
              sum = D::add(sum, acc[c + 1][v][r]);
            });
            D::store(to + r * ld + D::lanes * v, sum);
          });
        });
        column += height;
        if (last && (column == tile_columns || g + 1 == x.group_end)) {
          const std::int64_t channel = (g + 1) * height - column;
          const std::int64_t left = w.n - channel;
          x.store(tile, tile_columns, R, channel, left < column ? static_cast<int>(left) : column,
                  x.out);
          column = 0;
        }
      }
    }
  }
};

}  // namespace adze::kernels
