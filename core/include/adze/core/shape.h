#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

namespace adze {

/// Most dimensions a tensor may have.
inline constexpr std::size_t max_dims = 8;

/// Sizes or strides of a tensor: up to `max_dims` integers stored in place.
/// Throws `Error` when more are given.
class Shape {
 public:
  using value_type = std::int64_t;
  using iterator = std::int64_t*;
  using const_iterator = const std::int64_t*;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) { assign(dims.begin(), dims.size()); }
  explicit Shape(std::span<const std::int64_t> dims) { assign(dims.data(), dims.size()); }
  /// `count` dimensions, all equal to `value`.
  Shape(std::size_t count, std::int64_t value);

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t* begin() { return dims_.data(); }
  std::int64_t* end() { return dims_.data() + size_; }
  const std::int64_t* begin() const { return dims_.data(); }
  const std::int64_t* end() const { return dims_.data() + size_; }
  std::int64_t& operator[](std::size_t i) { return dims_[i]; }
  std::int64_t operator[](std::size_t i) const { return dims_[i]; }
  std::int64_t& back() { return dims_[size_ - 1]; }
  std::int64_t back() const { return dims_[size_ - 1]; }
  operator std::span<const std::int64_t>() const { return {dims_.data(), size_}; }

  void push_back(std::int64_t dim);
  void insert(std::size_t at, std::int64_t dim);
  void erase(std::size_t at);

  friend bool operator==(const Shape& a, const Shape& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  void assign(const std::int64_t* dims, std::size_t count);

  std::array<std::int64_t, max_dims> dims_{};
  std::size_t size_ = 0;
};

/// Number of elements: the product of the sizes, 1 for no dimensions. Throws on overflow and on
/// negative sizes.
std::int64_t numel(const Shape& sizes);
/// Row-major strides, in elements.
Shape contiguous_strides(const Shape& sizes);
/// The shape two operands are expanded to; `where` starts the message of the error thrown when
/// they do not fit.
Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view where = "broadcast");
/// `dim` counted from the front; negative counts from the back. Throws unless -n <= dim < n.
std::int64_t wrap_dim(std::int64_t dim, std::size_t n, std::string_view where);

/// "(2, 3)", "(4,)", "()".
std::string to_string(const Shape& shape);
std::ostream& operator<<(std::ostream& os, const Shape& shape);

}  // namespace adze
