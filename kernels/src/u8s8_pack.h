/// \file
/// Steps of packing int8 weights that several orders share.
#pragma once

#include <cstdint>

#include "u8s8_orders.h"

namespace adze::kernels {

/// Writes the plain groups of up to 16 channels, of `k` weights each and `ldw` apart, to `out`, and
/// the 16 sums of their weights to `sums`; channels behind `columns` become zeros.
void pack_plain_tile(const std::int8_t* w, std::int64_t ldw, int columns, std::int64_t k,
                     std::int8_t* out, std::int32_t* sums);

}  // namespace adze::kernels
