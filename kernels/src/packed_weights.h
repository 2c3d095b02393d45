/// \file
/// The layout of PackedWeights.
#pragma once

#include <cstdint>
#include <memory>

namespace adze::kernels::detail {

/// Tiles of 16 output channels; in a tile one group after the other, in a group 16 × 4 weights: 4
/// consecutive k of each channel, 64 bytes. Channels beyond n are zeros.
///
/// Group g begins at k = 4g, except that the last one begins at k - 4, so that 4 activations can be
/// read from where they are; weights which the group before holds already are zeros there. If k < 4
/// the only group begins at 0 and activations must be copied to rows of 4.
struct PackedWeightsData {
  static constexpr std::int64_t tile_channels = 16;
  static constexpr std::int64_t group_size = 4;
  static constexpr std::int64_t group_bytes = tile_channels * group_size;

  struct Free {
    void operator()(std::int8_t* p) const;
  };

  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t tiles = 0;
  std::int64_t groups = 0;
  std::int32_t pair_limit = 255;
  std::unique_ptr<std::int8_t[], Free> weights;  ///< on a 64-byte boundary
  std::unique_ptr<std::int32_t[]> sums;          ///< tiles * 16 values

  std::int64_t group_start(std::int64_t g) const {
    return g + 1 == groups && k >= group_size ? k - group_size : g * group_size;
  }
  const std::int8_t* tile(std::int64_t t) const { return weights.get() + t * groups * group_bytes; }
};

}  // namespace adze::kernels::detail
