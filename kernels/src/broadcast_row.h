/// \file
/// One 32-bit value of a row in all lanes.
#pragma once

#include <cstdint>

namespace adze::kernels {

/// Distances of rows in bytes: 1, 3, 5 and 7 times that of neighbours.
struct RowDistances {
  std::int64_t one, three, five, seven;
  explicit RowDistances(std::int64_t bytes)
      : one(bytes), three(3 * bytes), five(5 * bytes), seven(7 * bytes) {}
};

/// The broadcast of what lies `r` rows behind p to lanes L. With AVX2 and more a load with base and
/// index: left to itself the compiler keeps a pointer for each row of a tile and has no registers
/// left for the sums.
template <int r, class L, class T>
[[gnu::always_inline]] inline typename L::V broadcast_row(const T* p, const RowDistances& ld) {
  static_assert(r >= 0 && r < 8);
#if defined(__x86_64__)
  typename L::V v;
  if constexpr (r == 0) {
    asm("vbroadcastss (%1), %0" : "=v"(v) : "r"(p));
  } else if constexpr (r == 2 || r == 6) {
    asm("vbroadcastss (%1,%2,2), %0" : "=v"(v) : "r"(p), "r"(r == 2 ? ld.one : ld.three));
  } else if constexpr (r == 4) {
    asm("vbroadcastss (%1,%2,4), %0" : "=v"(v) : "r"(p), "r"(ld.one));
  } else {
    asm("vbroadcastss (%1,%2), %0"
        : "=v"(v)
        : "r"(p), "r"(r == 1   ? ld.one
                      : r == 3 ? ld.three
                      : r == 5 ? ld.five
                               : ld.seven));
  }
  return v;
#else
  return L::broadcast(reinterpret_cast<const T*>(reinterpret_cast<const char*>(p) + r * ld.one));
#endif
}

}  // namespace adze::kernels
