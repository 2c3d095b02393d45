#pragma once

#include <cstdint>

namespace adze::bench {

/// How often this program has asked for memory with operator new, on all threads.
std::int64_t allocations();

}  // namespace adze::bench
