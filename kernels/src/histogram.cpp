#include <algorithm>
#include <cassert>
#include <cmath>

#include "adze/kernels/quantize.h"

#include "quantize_table.h"
#include "scratch.h"

namespace adze::kernels {

namespace {

constexpr std::int64_t piece = 512;            // values whose bins are found before they count
constexpr std::int64_t most_values = 1 << 30;  // of 32-bit counts
// Neighbours count in different tables: equal ones would wait for each other.
constexpr std::int64_t tables = 4;

thread_local Scratch count_scratch;

/// Calls count(bins of some values, how many) for all values.
template <class Count>
void for_bins(const float* x, std::int64_t n, float lo, float hi, std::int64_t bins, Count count) {
  const auto find = quantize_table().histogram_bins;
  alignas(64) std::int32_t found[piece];
  for (std::int64_t i = 0; i < n; i += piece) {
    const std::int64_t some = std::min(piece, n - i);
    find(x + i, some, lo, hi, static_cast<std::int32_t>(bins), found);
    count(found, some);
  }
}

void count_in_tables(const float* x, std::int64_t n, float lo, float hi, std::int64_t bins,
                     std::int64_t* counts) {
  const std::int64_t stride = bins + 1;  // the last one counts values outside
  auto* all = count_scratch.get<std::uint32_t>(static_cast<std::size_t>(tables * stride));
  std::fill_n(all, tables * stride, 0u);
  for_bins(x, n, lo, hi, bins, [=](const std::int32_t* found, std::int64_t some) {
    std::int64_t i = 0;
    for (; i + tables <= some; i += tables) {
      ++all[found[i]];
      ++all[stride + found[i + 1]];
      ++all[2 * stride + found[i + 2]];
      ++all[3 * stride + found[i + 3]];
    }
    for (; i < some; ++i) ++all[found[i]];
  });
  for (std::int64_t b = 0; b < bins; ++b) {
    counts[b] += std::int64_t{all[b]} + all[stride + b] + all[2 * stride + b] + all[3 * stride + b];
  }
}

}  // namespace

void histogram(const float* x, std::int64_t n, float lo, float hi, std::int64_t bins,
               std::int64_t* counts) {
  assert(lo <= hi && std::isfinite((hi - lo) * static_cast<float>(bins)));
  assert(1 <= bins && bins <= 65536);
  if (lo == hi) {
    counts[bins / 2] += std::count(x, x + n, lo);
    return;
  }
  for (std::int64_t some; n > 0; x += some, n -= some) {
    some = std::min(n, most_values);
    if (some >= tables * bins) {
      count_in_tables(x, some, lo, hi, bins, counts);
    } else {
      for_bins(x, some, lo, hi, bins, [=](const std::int32_t* found, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) {
          if (found[i] < bins) ++counts[found[i]];
        }
      });
    }
  }
}

}  // namespace adze::kernels
