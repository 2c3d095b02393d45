/// \file
/// What isa.cpp keeps for the other files of this room.
#pragma once

#include "adze/kernels/isa.h"

namespace adze::kernels {

/// Why kernels for `isa` cannot be used now, or nullptr if they can.
const char* why_not(Isa isa);

/// Remembers `kernel` (a string literal) as the answer of `last_kernel()` on this thread.
void set_last_kernel(const char* kernel);

}  // namespace adze::kernels
