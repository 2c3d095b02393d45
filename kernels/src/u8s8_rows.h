/// \file
/// Packing of the rows order.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "u8s8_orders.h"

namespace adze::kernels {

/// What is packed of some pairs of channels: for each group 2 × 4 weights and the number of the
/// group in the plain order.
struct PackedPairs {
  std::vector<std::int8_t> weights;
  std::vector<std::uint16_t> groups;
  std::vector<U8S8Windows> windows;  ///< one for each list
};

/// Appends the list of the weights [begin, end) of one pair of channels, begin a multiple of 4;
/// `w1` may be nullptr: zeros.
void pack_pair(const std::int8_t* w0, const std::int8_t* w1, std::int64_t begin, std::int64_t end,
               PackedPairs* to);

}  // namespace adze::kernels
