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
  static constexpr int unit = index_unit({height, 4});
  static constexpr int tile_columns = R == 1 ? 256 : 64;
  /// Few sums at a time wait for each other: more of them, added at the end.
  static constexpr int chains = NV * R >= D::chains ? 1 : D::chains / (NV * R);

  /// Four inputs of row r. Of a single row the compiler addresses them best by itself.
  template <int r>
  [[gnu::always_inline]] static inline V input(const std::uint8_t* p, const RowDistances& rows) {
    return R == 1 ? D::broadcast(p) : broadcast_row<r, D>(p, rows);
  }

  /// One window of W units.
  template <int W>
  [[gnu::always_inline]] static inline void window(V (&acc)[chains][NV][R],
                                                   const RowDistances& rows, const std::uint8_t* a,
                                                   const std::uint16_t* index,
                                                   const std::int8_t* w) {
    const std::uint8_t* p[W];
    unroll<W>([&](auto u)
                  __attribute__((always_inline)) { p[u] = a + 4 * std::int64_t{index[u]} / unit; });
    if constexpr (chains > 1) {
      unroll<W>([&](auto u) __attribute__((always_inline)) {
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          const V x = input<r>(p[u], rows);
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
          const V x = input<r>(p[u], rows);
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
    constexpr std::int64_t groups = tile_columns / height;
    for (std::int64_t first = x.group_begin; first < x.group_end; first += groups) {
      const std::int64_t channel = first * height;
      const std::int64_t left = x.group_end - first;
      const int columns = static_cast<int>(left < groups ? left : groups) * height;
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const std::uint8_t* a = x.a + kb * w.k_block;
        const SparseList* list = w.lists + kb * w.groups + first;
        const std::uint16_t* index = w.index + list->index;
        const std::int8_t* values = w.values + std::int64_t{list->first} * unit_bytes;
        const std::int32_t* start = x.start + channel;
        const std::int32_t* weight_sums = x.weight_sums + channel;
        for (std::int32_t* sums = tile; sums < tile + columns; sums += height, ++list) {
          V acc[chains][NV][R];
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            unroll<R>([&](auto r) __attribute__((always_inline)) {
              acc[0][v][r] = kb == 0 ? D::start(start + v * D::lanes, weight_sums + v * D::lanes)
                                     : D::load(sums + r * tile_columns + v * D::lanes);
              unroll<chains - 1>([&](auto i) __attribute__((always_inline)) {
                acc[i + 1][v][r] = D::zero();
              });
            });
          });
          start += height;
          weight_sums += height;
          const std::uint16_t* end = index + 4 * list->quads;
          for (; index != end; index += 4, values += 4 * unit_bytes) {
            window<4>(acc, rows, a, index, values);
          }
          if constexpr (R == 1) {
            end += list->pairs / 2 * 4;
            for (; index != end; index += 4, values += 4 * unit_bytes) {
              window<2>(acc, rows, a, index, values);
              window<2>(acc, rows, a, index + 2, values + 2 * unit_bytes);
            }
            end += list->pairs % 2 * 2;
          } else {
            end += 2 * list->pairs;
          }
          for (; index != end; index += 2, values += 2 * unit_bytes) {
            window<2>(acc, rows, a, index, values);
          }
          end = w.index + list[1].index;
          for (; index != end; ++index, values += unit_bytes) {
            window<1>(acc, rows, a, index, values);
          }
          unroll<NV>([&](auto v) __attribute__((always_inline)) {
            unroll<R>([&](auto r) __attribute__((always_inline)) {
              V sum = acc[0][v][r];
              unroll<chains - 1>([&](auto i) __attribute__((always_inline)) {
                sum = D::add(sum, acc[i + 1][v][r]);
              });
              D::store(sums + r * tile_columns + v * D::lanes, sum);
            });
          });
        }
      }
      const std::int64_t exist = w.n - channel;
      x.store(tile, tile_columns, R, channel, exist < columns ? static_cast<int>(exist) : columns,
              x.out);
    }
  }
};

}  // namespace adze::kernels
