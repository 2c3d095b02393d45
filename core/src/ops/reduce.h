#pragma once

// What reductions share.

#include <string_view>

#include "adze/core/autograd.h"
#include "adze/core/op.h"

#include "ops/operands.h"

namespace adze::detail {

/// Which dimensions a reduction takes away.
class Reduced {
 public:
  /// `dims` as given by the caller, empty: all. Throws for duplicates and out of range.
  Reduced(std::string_view op, const Shape& sizes, const Shape& dims);

  bool operator[](std::size_t dim) const { return reduced_[dim]; }
  /// Sizes with 1 in the place of what is taken away.
  const Shape& kept() const { return kept_; }
  /// Sizes of the result.
  Shape result(bool keepdim) const;
  /// Number of elements behind each result.
  std::int64_t count() const { return count_; }

 private:
  std::array<bool, max_dims> reduced_{};
  Shape kept_;
  std::int64_t count_ = 1;
};

/// `x` as it was before the reduced dimensions of `sizes` went: with 1 in their place.
Tensor with_kept_dims(const Tensor& x, const Shape& sizes, const Shape& dims);

/// Throws when `t` is quantized per channel, so that its integers do not compare.
void check_comparable(std::string_view op, const Tensor& t);
/// The integers of a quantized tensor, other tensors as they are.
Tensor comparable(const Tensor& t);
/// Elements that came out of `comparable(like)`, with the dtype and quantizer of `like`.
Tensor restored(const Tensor& elements, const Tensor& like);

template <class T>
bool is_nan(T x) {
  return x != x;
}

/// True when x comes before y in falling (or rising) order; NaN counts as the largest value.
template <bool largest, class T>
bool precedes(T x, T y) {
  if constexpr (is_half<T>) {
    return precedes<largest>(static_cast<float>(x), static_cast<float>(y));
  } else {
    return largest ? x > y || (is_nan(x) && !is_nan(y)) : x < y || (is_nan(y) && !is_nan(x));
  }
}

/// True when x is to be taken rather than y by a maximum (minimum); NaN wins over everything else.
template <bool largest, class T>
bool beats(T x, T y) {
  if constexpr (is_half<T>) {
    return beats<largest>(static_cast<float>(x), static_cast<float>(y));
  } else {
    return (largest ? x > y : x < y) || (is_nan(x) && !is_nan(y));
  }
}

/// Largest (smallest) elements over the reduced dimensions; `x` is not quantized.
Tensor extremum(std::string_view op, const Tensor& x, const Reduced& reduced, bool keepdim,
                bool largest);

}  // namespace adze::detail
