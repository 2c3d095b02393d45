/// \file
/// Bounds of the integers that an int8 product gives.
#pragma once

#include <cstdint>
#include <limits>

#include "adze/kernels/gemm_u8s8.h"

namespace adze::kernels {

/// Rounded values within lowest..highest get the zero point and are within out_min..out_max then.
struct OutputBounds {
  std::int32_t zero_point;
  float lowest, highest;
  std::int32_t out_min, out_max;

  OutputBounds() = default;
  explicit OutputBounds(const OutputStage& stage)
      : zero_point(stage.out_zero_point),
        out_min(stage.relu && stage.out_zero_point > stage.out_min ? stage.out_zero_point
                                                                   : stage.out_min),
        out_max(stage.out_max) {
    lowest = static_cast<float>(out_min - zero_point);
    highest = static_cast<float>(out_max - zero_point);
  }

  /// True if 16-bit numbers hold all values up to the bounds, before and after the zero point.
  [[gnu::always_inline]] bool small_zero_point() const {
    return zero_point >= -16384 && zero_point <= 16384;
  }
  /// True if saturating steps to 16 bits and to T, with the zero point between them, change no
  /// value within the bounds.
  template <class T>
  [[gnu::always_inline]] bool fit() const {
    constexpr std::int32_t least = std::numeric_limits<T>::min();
    constexpr std::int32_t most = std::numeric_limits<T>::max();
    return small_zero_point() && out_min >= least && out_max <= most;
  }
};

}  // namespace adze::kernels
