#pragma once

#include <cstdint>
#include <optional>

#include "adze/core/tensor.h"

namespace adze {

/// A range along one dimension, as in start:end:step. Negative ends count from the back.
struct Slice {
  std::optional<std::int64_t> start = {}, end = {};
  std::int64_t step = 1;
};
struct Ellipsis {};
struct NewAxis {};
/// All dimensions that the other indices leave over.
inline constexpr Ellipsis ellipsis{};
/// A new dimension of size 1.
inline constexpr NewAxis newaxis{};

/// One entry of `Tensor::index({...})`: an integer (drops the dimension), a Slice, `ellipsis`,
/// `newaxis`, a boolean mask (a vector for its dimension), or an integer vector (picks rows).
/// All but the tensors give views.
class Index {
 public:
  enum class Kind : std::uint8_t { integer, slice, rest, new_axis, tensor };

  template <std::integral T>
  requires(!std::same_as<T, bool>) Index(T i)
      : kind_(Kind::integer), integer_(static_cast<std::int64_t>(i)) {}
  Index(Slice s) : kind_(Kind::slice), slice_(s) {}
  Index(Ellipsis) : kind_(Kind::rest) {}
  Index(NewAxis) : kind_(Kind::new_axis) {}
  Index(Tensor t) : kind_(Kind::tensor), tensor_(std::move(t)) {}

  Kind kind() const { return kind_; }
  std::int64_t integer() const { return integer_; }
  const Slice& slice() const { return slice_; }
  const Tensor& tensor() const { return tensor_; }

 private:
  Kind kind_;
  std::int64_t integer_ = 0;
  Slice slice_;
  Tensor tensor_;
};

}  // namespace adze
