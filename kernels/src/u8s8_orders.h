/// \file
/// The orders of packed int8 weights, for the kernels that read them.
///
/// All are made of groups: 4 consecutive k of some channels, the 4 weights of a channel together.
#pragma once

#include <cstdint>

namespace adze::kernels {

constexpr int u8s8_columns = 16;  ///< channels of a tile
constexpr int u8s8_group = 4;     ///< consecutive k of a group
constexpr int u8s8_group_bytes = u8s8_columns * u8s8_group;
constexpr int u8s8_most_depth = 8;  ///< groups of the deepest window

/// plain: tiles of 16 channels, in a tile one group after the other. Group g begins at k = 4g,
/// except that the last one begins at k - 4, so that 4 activations can be read from where they are;
/// weights which the group before holds already are zeros there. If k < 4 the only group begins at
/// 0. Channels beyond n are zeros.
///
/// windows: the groups of the plain order, rearranged into windows whose products can be added in
/// 16 bits if no activation is above 128; each group has its first k beside it. Windows of equal
/// depth stand together, deepest first. The last tile has 8 channels if that is enough.
///
/// rows: for each pair of channels and each block of k a list of groups in windows that are exact
/// for all activations, with the number that each group has in the plain order; groups of zeros are
/// left out, and those too heavy for 16 bits stand there in two parts. Nothing is read at k - 4
/// here: k that do not exist count as zeros. See RowsBlocks.
enum class U8S8Order : std::uint8_t { plain, windows, rows };
constexpr int u8s8_orders = 3;

/// The blocks of the rows order: 32 rows of activations of a block of k stay in L1 while all pairs
/// of some tiles meet them. The lists of these tiles stand together, block after block.
struct RowsBlocks {
  static constexpr std::int64_t tiles = 4;  ///< that meet a block one after the other
  static constexpr std::int64_t pairs = tiles * u8s8_columns / 2;
  static constexpr std::int64_t most_k = 768;

  std::int64_t all_pairs;
  std::int64_t count;  ///< blocks of k
  std::int64_t size;   ///< k of a block; the last one may have less

  [[gnu::always_inline]] RowsBlocks(std::int64_t n, std::int64_t k)
      : all_pairs((n + 1) / 2),
        count(k > most_k ? (k + most_k - 1) / most_k : 1),
        size(((k + count - 1) / count + u8s8_group - 1) / u8s8_group * u8s8_group) {}
  /// The number of the list of a pair that is one of `pairs` from `first` on.
  [[gnu::always_inline]] std::int64_t list(std::int64_t first, std::int64_t block,
                                           std::int64_t pair) const {
    const std::int64_t left = all_pairs - first;
    return first * count + block * (left < pairs ? left : pairs) + pair - first;
  }
};

/// Where the windows of one tile are (windows) or of one pair of channels and block (rows).
struct U8S8Windows {
  std::int64_t weights;                     ///< byte where its groups begin
  std::int64_t offsets;                     ///< index of its first offset
  std::int32_t count[u8s8_most_depth + 1];  ///< windows of each depth; of 0: all deeper than 4

  [[gnu::always_inline]] std::int32_t deep() const { return count[0]; }
};

/// Weights in one order. The offsets are the first k of each group (windows) or the number of the
/// group in the plain order (rows).
struct U8S8Weights {
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t tiles = 0;
  std::int64_t groups = 0;  ///< of each tile, in the plain order
  const std::int8_t* weights = nullptr;
  const std::uint16_t* offsets = nullptr;
  const U8S8Windows* windows = nullptr;
  const std::int32_t* sums = nullptr;
  bool beyond_cache = false;  ///< more bytes than a cache is likely to keep

  [[gnu::always_inline]] std::int64_t group_start(std::int64_t g) const {
    return g + 1 == groups && k >= u8s8_group ? k - u8s8_group : g * u8s8_group;
  }
  /// The weights of a tile in the plain order.
  [[gnu::always_inline]] const std::int8_t* tile(std::int64_t t) const {
    return weights + t * groups * u8s8_group_bytes;
  }
  /// Channels for which the tile has weights.
  [[gnu::always_inline]] int tile_columns(std::int64_t t) const {
    return n - t * u8s8_columns > u8s8_columns / 2 ? u8s8_columns : u8s8_columns / 2;
  }
};

/// The largest k whose groups have 16-bit offsets.
constexpr std::int64_t u8s8_most_offset_k = 65536;

/// The largest activation for which windows are exact.
constexpr std::int32_t u8s8_window_limit = 128;

/// Puts `groups` plain groups of a tile into windows: window[g] is the window of group g, depth[w]
/// how many groups window w has. Returns the number of windows.
std::int64_t find_windows_avx2(const std::int8_t* weights, std::int64_t groups,
                               std::uint32_t* window, std::uint8_t* depth);

}  // namespace adze::kernels
