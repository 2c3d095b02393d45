/// \file
/// Loops over constants that are unrolled at any optimization level.
#pragma once

namespace adze::kernels {

template <int i>
struct Index {
  constexpr operator int() const { return i; }  // NOLINT: implicit by intent
};

/// Calls f(Index<0>), …, f(Index<n - 1>).
template <int n, int i = 0, class F>
[[gnu::always_inline]] constexpr inline void unroll(const F& f) {
  if constexpr (i < n) {
    f(Index<i>{});
    unroll<n, i + 1>(f);
  }
}

}  // namespace adze::kernels
