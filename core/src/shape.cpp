#include "adze/core/shape.h"

#include <limits>

#include "adze/core/error.h"

namespace adze {

Shape::Shape(std::size_t count, std::int64_t value) {
  check(count <= max_dims, "Shape: at most ", max_dims, " dimensions are possible, got ", count);
  size_ = count;
  std::fill(begin(), end(), value);
}

void Shape::assign(const std::int64_t* dims, std::size_t count) {
  check(count <= max_dims, "Shape: at most ", max_dims, " dimensions are possible, got ", count);
  std::copy_n(dims, count, dims_.begin());
  size_ = count;
}

void Shape::push_back(std::int64_t dim) {
  insert(size_, dim);
}

void Shape::insert(std::size_t at, std::int64_t dim) {
  check(at <= size_, "Shape::insert: position ", at, " lies behind the ", size_, " dimensions");
  check(size_ < max_dims, "Shape: at most ", max_dims, " dimensions are possible, got ", size_ + 1);
  std::copy_backward(begin() + at, end(), end() + 1);
  dims_[at] = dim;
  ++size_;
}

void Shape::erase(std::size_t at) {
  check(at < size_, "Shape::erase: there is no dimension ", at, " among ", size_);
  std::copy(begin() + at + 1, end(), begin() + at);
  --size_;
}

std::int64_t numel(const Shape& sizes) {
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  std::int64_t n = 1;
  bool overflow = false, zero = false;
  for (std::int64_t size : sizes) {
    check(size >= 0, "Shape: sizes must not be negative, got ", sizes);
    if (size == 0) {
      zero = true;
    } else if ((n | size) >> 31 != 0 && n > largest / size) {  // most need no division
      overflow = true;
    } else {
      n *= size;
    }
  }
  if (zero) return 0;
  check(!overflow, "Shape: the number of elements of ", sizes, " exceeds 64 bits");
  return n;
}

Shape contiguous_strides(const Shape& sizes) {
  Shape strides(sizes.size(), 1);
  // Unsigned, for shapes without elements whose other sizes may be huge.
  std::uint64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = static_cast<std::int64_t>(stride);
    stride *= static_cast<std::uint64_t>(std::max<std::int64_t>(sizes[i], 1));
  }
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view where) {
  if (a == b) return a;
  Shape out = a.size() >= b.size() ? a : b;
  const Shape& other = a.size() >= b.size() ? b : a;
  const std::size_t lead = out.size() - other.size();
  for (std::size_t i = 0; i < other.size(); ++i) {
    std::int64_t& size = out[lead + i];
    if (size == 1) {
      size = other[i];
    } else if (other[i] != 1 && other[i] != size) {
      fail(where, ": shapes ", a, " and ", b, " do not broadcast: sizes ", size, " and ", other[i],
           " in dimension -", other.size() - i, " differ and neither is 1");
    }
  }
  return out;
}

std::int64_t wrap_dim(std::int64_t dim, std::size_t n, std::string_view where) {
  const auto count = static_cast<std::int64_t>(n);
  if (dim < -count || dim >= count) {
    if (n == 0) fail(where, ": dimension ", dim, " was given, the tensor has no dimensions");
    fail(where, ": dimension ", dim, " is out of range, expected ", -count, " to ", count - 1,
         " for a tensor with ", n, n == 1 ? " dimension" : " dimensions");
  }
  return dim < 0 ? dim + count : dim;
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  if (shape.size() == 1) text += ',';
  return text + ')';
}

std::ostream& operator<<(std::ostream& os, const Shape& shape) {
  return os << to_string(shape);
}

}  // namespace adze
