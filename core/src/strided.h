#pragma once

// The loops of all ops: choosing the element type, and walking over strided and broadcast operands.

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "adze/core/tensor.h"
#include "adze/core/tensor_impl.h"

namespace adze::detail {

// ---- element types ------------------------------------------------------------------------------
template <class T>
struct TypeTag {
  using type = T;
};

/// f(TypeTag<T>{}) with the C++ type that stores `dtype`; q-dtypes give their underlying integer.
template <class F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (underlying(dtype)) {
    case DType::float32:
      return f(TypeTag<float>{});
    case DType::float64:
      return f(TypeTag<double>{});
    case DType::float16:
      return f(TypeTag<Half>{});
    case DType::bfloat16:
      return f(TypeTag<BFloat16>{});
    case DType::int8:
      return f(TypeTag<std::int8_t>{});
    case DType::int16:
      return f(TypeTag<std::int16_t>{});
    case DType::int32:
      return f(TypeTag<std::int32_t>{});
    case DType::int64:
      return f(TypeTag<std::int64_t>{});
    case DType::uint8:
      return f(TypeTag<std::uint8_t>{});
    default:
      return f(TypeTag<bool>{});
  }
}

/// The same for floating dtypes only; `where` starts the error for others.
template <class F>
decltype(auto) visit_floating(DType dtype, const char* where, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(TypeTag<float>{});
    case DType::float64:
      return f(TypeTag<double>{});
    case DType::float16:
      return f(TypeTag<Half>{});
    case DType::bfloat16:
      return f(TypeTag<BFloat16>{});
    default:
      fail(where, ": expected a floating dtype, got ", dtype);
  }
}

/// f with an unsigned integer as wide as an element of `dtype`: for ops that only move elements.
template <class F>
decltype(auto) visit_width(DType dtype, F&& f) {
  switch (item_size(dtype)) {
    case 1:
      return f(TypeTag<std::uint8_t>{});
    case 2:
      return f(TypeTag<std::uint16_t>{});
    case 4:
      return f(TypeTag<std::uint32_t>{});
    default:
      return f(TypeTag<std::uint64_t>{});
  }
}

template <class T>
inline constexpr bool is_half = std::same_as<T, Half> || std::same_as<T, BFloat16>;

/// The type in which elements of type T are computed with.
template <class T>
using compute_t = std::conditional_t<is_half<T>, float, T>;

/// Conversion between element types. Floating to integer truncates, saturates and takes NaN to 0;
/// anything but zero is true.
template <class To, class From>
To convert(From v) {
  if constexpr (std::same_as<To, From>) {
    return v;
  } else if constexpr (is_half<From>) {
    return convert<To>(static_cast<float>(v));
  } else if constexpr (is_half<To>) {
    return To(static_cast<float>(v));
  } else if constexpr (std::same_as<To, bool>) {
    return v != From{};
  } else if constexpr (std::floating_point<From> && std::integral<To>) {
    // Both bounds are powers of two (or 0), so exact in From.
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From above = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * From{2};
    if (v >= above) return std::numeric_limits<To>::max();
    if (v < low) return std::numeric_limits<To>::min();
    return v == v ? static_cast<To>(v) : To{};
  } else {
    return static_cast<To>(v);
  }
}

// ---- walking
// --------------------------------------------------------------------------------------
/// Strides with which a tensor of `sizes` and `strides` is read as `to`: 0 where it is broadcast.
/// `sizes` must broadcast to `to`.
inline Shape broadcast_strides(const Shape& sizes, const Shape& strides, const Shape& to) {
  if (sizes == to) return strides;
  Shape out(to.size(), 0);
  const std::size_t lead = to.size() - sizes.size();
  for (std::size_t i = 0; i < sizes.size(); ++i)
    out[lead + i] = sizes[i] == 1 && to[lead + i] != 1 ? 0 : strides[i];
  return out;
}

/// First element and strides of one operand of a loop.
template <class T>
struct Strided {
  T* data = nullptr;
  Shape strides;
};

/// `t` as an operand that is read; broadcast to `sizes`.
template <class T>
Strided<const T> read(const Tensor& t, const Shape& sizes) {
  return {t.data<T>(), broadcast_strides(t.sizes(), t.strides(), sizes)};
}
/// `t` as an operand that is written; its sizes are those of the loop.
template <class T>
Strided<T> write(const Tensor& t) {
  return {t.mutable_data<T>(), t.strides()};
}
/// The same for any element type of the width of T (see visit_width).
template <class T>
Strided<const T> read_bits(const Tensor& t, const Shape& sizes) {
  return {static_cast<const T*>(t.raw_data()), broadcast_strides(t.sizes(), t.strides(), sizes)};
}
template <class T>
Strided<T> write_bits(const Tensor& t) {
  return {static_cast<T*>(t.mutable_raw_data()), t.strides()};
}

/// Walks N operands over `sizes` in row-major order and calls `run(at, step, n)` for each run of n
/// elements: `at[k]` is the offset of operand k, `step[k]` its stride. Neighbouring dimensions are
/// joined where all operands allow it, so contiguous operands give a single run.
template <std::size_t N, class F>
void for_each_run(const Shape& sizes, const std::array<const Shape*, N>& strides, F&& run) {
  std::array<std::int64_t, max_dims> count;
  std::array<std::array<std::int64_t, N>, max_dims> stride;
  std::size_t dims = 0;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 0) return;
    if (sizes[d] == 1) continue;
    bool joins = dims > 0;
    for (std::size_t k = 0; joins && k < N; ++k)
      joins = stride[dims - 1][k] == (*strides[k])[d] * sizes[d];
    if (joins) {
      count[dims - 1] *= sizes[d];
    } else {
      count[dims++] = sizes[d];
    }
    for (std::size_t k = 0; k < N; ++k) stride[dims - 1][k] = (*strides[k])[d];
  }
  std::array<std::int64_t, N> at{};
  if (dims == 0) {
    std::array<std::int64_t, N> step;
    step.fill(1);
    run(std::as_const(at), std::as_const(step), std::int64_t{1});
    return;
  }
  const std::size_t last = dims - 1;
  std::array<std::int64_t, max_dims> index{};
  while (true) {
    run(std::as_const(at), std::as_const(stride[last]), count[last]);
    std::size_t d = last;
    while (true) {
      if (d-- == 0) return;
      for (std::size_t k = 0; k < N; ++k) at[k] += stride[d][k];
      if (++index[d] < count[d]) break;
      for (std::size_t k = 0; k < N; ++k) at[k] -= stride[d][k] * count[d];
      index[d] = 0;
    }
  }
}

// The pointers are values here, so that the compiler need not fear that f changes them.
template <std::size_t... I, class Offsets, class F, class... T>
void for_each_element(std::index_sequence<I...>, const Offsets& step, std::int64_t n, F& f,
                      T*... p) {
  if (((step[I] == 1) && ...)) {
    for (std::int64_t i = 0; i < n; ++i) f(p[i]...);
  } else {
    for (std::int64_t i = 0; i < n; ++i) f(p[i * step[I]]...);
  }
}

template <std::size_t... I, class Offsets, class F, class... T>
void for_each_in_run(std::index_sequence<I...> all, const Offsets& at, const Offsets& step,
                     std::int64_t n, F& f, const Strided<T>&... operands) {
  for_each_element(all, step, n, f, (operands.data + at[I])...);
}

/// f(element of each operand...) for all elements of `sizes`, in row-major order.
template <class F, class... T>
void for_each(const Shape& sizes, F&& f, const Strided<T>&... operands) {
  for_each_run<sizeof...(T)>(
      sizes, {&operands.strides...}, [&](const auto& at, const auto& step, std::int64_t n) {
        for_each_in_run(std::index_sequence_for<T...>{}, at, step, n, f, operands...);
      });
}

/// The elements of a tensor along one dimension.
template <class T>
struct Line {
  T* data;
  std::int64_t step;
  T& operator[](std::int64_t i) const { return data[i * step]; }
};

template <std::size_t... I, class F, class L, class... O>
void for_each_operand(std::index_sequence<I...>, F& f, const L& line, const O&... operands) {
  f(line(operands, I)...);
}

/// f(Line of each operand...) for all lines along `dim`. The operands may differ in the size of
/// that dimension; `sizes` tells the others.
template <class F, class... T>
void for_each_line(const Shape& sizes, std::size_t dim, F&& f, const Strided<T>&... operands) {
  Shape outer = sizes;
  outer[dim] = 1;
  for_each_run<sizeof...(T)>(
      outer, {&operands.strides...}, [&](const auto& at, const auto& step, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) {
          const auto line = [&]<class U>(const Strided<U>& operand, std::size_t k) {
            return Line<U>{operand.data + at[k] + i * step[k], operand.strides[dim]};
          };
          for_each_operand(std::index_sequence_for<T...>{}, f, line, operands...);
        }
      });
}

/// Copies `source` into `destination`, converting between dtypes; broadcasts. Quantized tensors
/// count as their integers.
void copy_elements(const Tensor& destination, const Tensor& source);

}  // namespace adze::detail
