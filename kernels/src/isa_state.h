/// \file
/// What isa.cpp keeps for the other files of this room.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include "adze/kernels/isa.h"

namespace adze::kernels {

/// Why kernels for `isa` cannot be used now, or nullptr if they can.
const char* why_not(Isa isa);

/// Remembers `kernel` (a string literal) as the answer of `last_kernel()` on this thread.
void set_last_kernel(const char* kernel);

/// For each instruction set, in the order of the enumeration, the kernels of a table that it
/// includes, in their order.
template <class Kernel, std::size_t size>
std::vector<std::vector<const Kernel*>> kernels_by_isa(const Kernel* const (&table)[size]) {
  std::vector<std::vector<const Kernel*>> all;
  for (Isa isa : all_isas()) {
    std::copy_if(std::begin(table), std::end(table), std::back_inserter(all.emplace_back()),
                 [&](const Kernel* kernel) { return includes(isa, kernel->isa); });
  }
  return all;
}

}  // namespace adze::kernels
