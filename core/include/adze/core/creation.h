#pragma once

#include <cstdint>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include "adze/core/tensor.h"

namespace adze {

/// Uninitialised memory.
Tensor empty(const Shape& sizes, DType dtype = float32);
Tensor zeros(const Shape& sizes, DType dtype = float32);
Tensor ones(const Shape& sizes, DType dtype = float32);
Tensor full(const Shape& sizes, Scalar value, DType dtype = float32);
Tensor empty_like(const Tensor& t);
Tensor zeros_like(const Tensor& t);
Tensor ones_like(const Tensor& t);
Tensor full_like(const Tensor& t, Scalar value);
/// (n, n) with ones on the diagonal.
Tensor eye(std::int64_t n, DType dtype = float32);
/// start, start + step, ... below end. int64 when all three are integers, else float32.
Tensor arange(Scalar end);
Tensor arange(Scalar start, Scalar end, Scalar step = 1);
/// `steps` equally spaced float32 values, both ends included.
Tensor linspace(double start, double end, std::int64_t steps);

/// A tensor with these elements in row-major order; throws when the count is not that of the shape.
template <class T>
Tensor from_vector(const std::vector<T>& values, const Shape& sizes);
/// A tensor over memory of the caller, which `owner` keeps alive (null: the caller does).
Tensor from_blob(void* data, const Shape& sizes, DType dtype,
                 std::shared_ptr<const void> owner = nullptr);

/// A number, or braces around equally shaped values: what `tensor` takes.
class NestedValues {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> NestedValues(T value) : values_{static_cast<float>(value)} {}
  NestedValues(std::initializer_list<NestedValues> rows);

  const Shape& sizes() const { return sizes_; }
  const std::vector<float>& values() const { return values_; }

 private:
  Shape sizes_;
  std::vector<float> values_;
};

/// A float32 tensor from nested braces: tensor({1, 2}), tensor({{1, 2}, {3, 4}}), tensor(3.0).
/// Throws when the braces on one level differ in shape.
Tensor tensor(const NestedValues& values);
/// One-dimensional tensors of other dtypes: tensor_of<std::int64_t>({1, 2}).
template <class T>
Tensor tensor_of(std::initializer_list<T> values) {
  return from_vector(std::vector<T>(values), {static_cast<std::int64_t>(values.size())});
}

extern template Tensor from_vector(const std::vector<float>&, const Shape&);
extern template Tensor from_vector(const std::vector<double>&, const Shape&);
extern template Tensor from_vector(const std::vector<std::int8_t>&, const Shape&);
extern template Tensor from_vector(const std::vector<std::int16_t>&, const Shape&);
extern template Tensor from_vector(const std::vector<std::int32_t>&, const Shape&);
extern template Tensor from_vector(const std::vector<std::int64_t>&, const Shape&);
extern template Tensor from_vector(const std::vector<std::uint8_t>&, const Shape&);
extern template Tensor from_vector(const std::vector<bool>&, const Shape&);

}  // namespace adze
