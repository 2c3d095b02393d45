/// \file
/// What isa.cpp keeps for the other files of this room.
#pragma once

namespace adze::kernels {

/// Remembers `kernel` (a string literal) as the answer of `last_kernel()` on this thread.
void set_last_kernel(const char* kernel);

}  // namespace adze::kernels
