/// \file
/// Sparse int8 products for blocks of any height: lanes are rows of activations, which stand side
/// by side in a panel, and weights are broadcast. For any kind of dot products, see DotAvx2.
#pragma once

#include <cstdint>

#include "gemm_sparse_kernel.h"
#include "unroll.h"

namespace adze::kernels {

/// Units of H channels × NV registers of rows. `contiguous`: blocks of 1 × 16.
template <class D, int H, int NV, bool contiguous>
struct SparsePanel {
  using V = typename D::V;
  static constexpr int width = NV * D::lanes;  ///< rows of the panel
  static constexpr std::int64_t step = 4 * width;
  static constexpr int unit = index_unit({H, contiguous ? 16 : 4});
  static constexpr int unit_bytes = 4 * H;
  /// Channels that wait for the output stage.
  static constexpr int tile_columns = width < 32 ? 16 * (32 / width) : 16;
  /// Few sums at a time wait for each other: more of them, added at the end.
  static constexpr int chains = H * NV >= D::chains ? 1 : D::chains / (H * NV);

  /// One window of W units, which are neighbours or have an index each.
  template <int W, bool neighbours = false>
  [[gnu::always_inline]] static inline void window(V (&acc)[chains][H][NV], const std::uint8_t* a,
                                                   const std::uint16_t* index,
                                                   const std::int8_t* w) {
    const std::uint8_t* p[W];
    unroll<W>([&](auto u) __attribute__((always_inline)) {
      const std::int64_t at = index[neighbours ? 0 : static_cast<int>(u)];
      p[u] = a + at * (step / unit) + (neighbours ? step * u : 0);
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

  /// Adds one list.
  [[gnu::always_inline]] static inline void add_list(V (&acc)[chains][H][NV], const SparseView& w,
                                                     const SparseList* list, const std::uint8_t* a,
                                                     const std::uint16_t*& index,
                                                     const std::int8_t*& values) {
    constexpr int quad_indices = contiguous ? 1 : 4;
    const std::uint16_t* end = index + quad_indices * list->quads;
    for (; index != end; index += quad_indices, values += 4 * unit_bytes) {
      window<4, contiguous>(acc, a, index, values);
    }
    if constexpr (contiguous) {
      const std::uint16_t* blocks_end = index + (list->blocks - list->quads);
      end += list->double_pairs;
      for (; index != end; ++index, values += 4 * unit_bytes) {
        window<2, true>(acc, a, index, values);
        window<2, true>(acc, a + 2 * step, index, values + 2 * unit_bytes);
      }
      for (; index != blocks_end; ++index, values += 4 * unit_bytes) {
        unroll<4>([&](auto u) __attribute__((always_inline)) {
          window<1>(acc, a + step * u, index, values + u * unit_bytes);
        });
      }
      end = index;
    }
    end += 2 * list->pairs;
    for (; index != end; index += 2, values += 2 * unit_bytes) window<2>(acc, a, index, values);
    end = w.index + list[1].index;
    for (; index != end; ++index, values += unit_bytes) window<1>(acc, a, index, values);
  }

  static void run(const SparseJob& x) {
    const SparseView& w = *x.w;
    alignas(64) std::int32_t tile[tile_columns * width] = {};
    constexpr std::int64_t groups = tile_columns / H;
    for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
      const std::uint8_t* a = x.a + kb * w.k_block * width;
      const bool last = kb + 1 == w.k_blocks;
      const SparseList* list = w.lists + kb * w.groups + x.group_begin;
      const std::uint16_t* index = w.index + list->index;
      const std::int8_t* values = w.values + std::int64_t{list->first} * unit_bytes;
      for (std::int64_t first = x.group_begin; first < x.group_end; first += groups) {
        const std::int64_t channel = first * H, left = x.group_end - first;
        const SparseList* const end = list + (left < groups ? left : groups);
        const std::int32_t* start = x.start + channel;
        const std::int32_t* weight_sums = x.weight_sums + channel;
        std::int32_t* partial = x.partial + channel * width;
        std::int32_t* sums = last ? tile : partial;
        for (; list < end; ++list) {
          V acc[chains][H][NV];
          unroll<H>([&](auto c) __attribute__((always_inline)) {
            unroll<NV>([&](auto v) __attribute__((always_inline)) {
              acc[0][c][v] = kb == 0 ? D::start_all(start + c, weight_sums + c)
                                     : D::load(partial + c * width + D::lanes * v);
              unroll<chains - 1>([&](auto i) __attribute__((always_inline)) {
                acc[i + 1][c][v] = D::zero();
              });
            });
          });
          add_list(acc, w, list, a, index, values);
          unroll<H>([&](auto c) __attribute__((always_inline)) {
            unroll<NV>([&](auto v) __attribute__((always_inline)) {
              V sum = acc[0][c][v];
              unroll<chains - 1>([&](auto i) __attribute__((always_inline)) {
                sum = D::add(sum, acc[i + 1][c][v]);
              });
              D::store(sums + c * width + D::lanes * v, sum);
            });
          });
          start += H;
          weight_sums += H;
          partial += H * width;
          sums += H * width;
        }
        if (last) {
          const std::int64_t exist = w.n - channel;
          const int columns = static_cast<int>((sums - tile) / width);
          x.store_transposed(tile, width, x.rows, channel,
                             exist < columns ? static_cast<int>(exist) : columns, x.out);
        }
      }
    }
  }
};

}  // namespace adze::kernels
