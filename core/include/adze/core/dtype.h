#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string_view>
#include <type_traits>

namespace adze {

/// IEEE half precision as stored; arithmetic happens in float32.
struct Half {
  std::uint16_t bits = 0;
  Half() = default;
  /// Nearest half, ties to even; values beyond 65504 become infinity.
  explicit Half(float value);
  explicit operator float() const;
  friend bool operator==(Half, Half) = default;
};

/// bfloat16 as stored: the upper half of a float32; arithmetic happens in float32.
struct BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  /// Nearest bfloat16, ties to even; NaN stays NaN.
  explicit BFloat16(float value);
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  friend bool operator==(BFloat16, BFloat16) = default;
};

/// Element types. The q-types are integers that carry a quantizer (see quantizer.h).
enum class DType : std::uint8_t {
  float32,
  float64,
  float16,
  bfloat16,
  int8,
  int16,
  int32,
  int64,
  uint8,
  boolean,
  qint8,
  quint8,
  qint32,
};

inline constexpr DType float32 = DType::float32;
inline constexpr DType float64 = DType::float64;
inline constexpr DType float16 = DType::float16;
inline constexpr DType bfloat16 = DType::bfloat16;
inline constexpr DType int8 = DType::int8;
inline constexpr DType int16 = DType::int16;
inline constexpr DType int32 = DType::int32;
inline constexpr DType int64 = DType::int64;
inline constexpr DType uint8 = DType::uint8;
inline constexpr DType boolean = DType::boolean;
inline constexpr DType qint8 = DType::qint8;
inline constexpr DType quint8 = DType::quint8;
inline constexpr DType qint32 = DType::qint32;

/// Bytes per element.
std::size_t item_size(DType dtype);
/// Name as users write it: "float32", "bool", "quint8", ...
std::string_view name(DType dtype);
/// The dtype with that name; throws `Error` when there is none.
DType dtype_from_name(std::string_view name);

constexpr bool is_floating_point(DType d) {
  return d == DType::float32 || d == DType::float64 || d == DType::float16 || d == DType::bfloat16;
}
constexpr bool is_quantized(DType d) {
  return d == DType::qint8 || d == DType::quint8 || d == DType::qint32;
}
constexpr bool is_integral(DType d) {
  return !is_floating_point(d) && !is_quantized(d) && d != DType::boolean;
}
/// Integer type that stores a quantized dtype (qint8 -> int8, ...); other dtypes map to themselves.
constexpr DType underlying(DType d) {
  switch (d) {
    case DType::qint8:
      return DType::int8;
    case DType::quint8:
      return DType::uint8;
    case DType::qint32:
      return DType::int32;
    default:
      return d;
  }
}

/// Common type of two operands that both are tensors with at least one dimension:
/// bool < uint8/int8 < int16 < int32 < int64 < float16/bfloat16 < float32 < float64, with
/// uint8 and int8 meeting in int16 and the two 16-bit floats in float32. Quantized dtypes throw.
DType promote_types(DType a, DType b);

std::ostream& operator<<(std::ostream& os, DType dtype);

namespace detail {
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::float32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::float64;
};
template <>
struct DTypeOf<Half> {
  static constexpr DType value = DType::float16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bfloat16;
};
template <>
struct DTypeOf<std::int8_t> {
  static constexpr DType value = DType::int8;
};
template <>
struct DTypeOf<std::int16_t> {
  static constexpr DType value = DType::int16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::int32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::int64;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::uint8;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};
}  // namespace detail

/// The dtype that stores the C++ type T.
template <class T>
inline constexpr DType dtype_of = detail::DTypeOf<std::remove_cv_t<T>>::value;

}  // namespace adze
