#pragma once

#include <cmath>
#include <cstdint>

#include "adze/core/error.h"
#include "adze/core/tensor.h"
#include "adze/kernels/parallel.h"

namespace adze::optim {

inline void check_at_least_zero(const char* where, const char* what, double value) {
  check(std::isfinite(value) && value >= 0, where, ": ", what,
        " must be finite and not negative, got ", value);
}

// Calls f(T()) for the element type, which is float or double.
template <class F>
void visit_float(DType dtype, F&& f) {
  dtype == float32 ? f(float()) : f(double());
}

// Calls f(begin, end) for pieces of [0, n), possibly on several threads. Elements are independent,
// so the result does not depend on how many.
template <class F>
void for_pieces(std::int64_t n, F&& f) {
  constexpr std::int64_t worth_a_thread = 1 << 15;
  kernels::parallel_for(0, n, worth_a_thread, f);
}

}  // namespace adze::optim
