#include "adze/core/dtype.h"

#include <array>
#include <string>

#include "adze/core/error.h"

namespace adze {

namespace {

struct Info {
  std::string_view name;
  std::size_t bytes;
};

// In the order of the enumerators.
constexpr std::array<Info, 13> infos{{{"float32", 4},
                                      {"float64", 8},
                                      {"float16", 2},
                                      {"bfloat16", 2},
                                      {"int8", 1},
                                      {"int16", 2},
                                      {"int32", 4},
                                      {"int64", 8},
                                      {"uint8", 1},
                                      {"bool", 1},
                                      {"qint8", 1},
                                      {"quint8", 1},
                                      {"qint32", 4}}};

const Info& info(DType dtype) {
  return infos.at(static_cast<std::size_t>(dtype));
}

// Position in bool < int8 < int16 < int32 < int64 < 16-bit floats < float32 < float64.
int rank(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return 0;
    case DType::uint8:
    case DType::int8:
      return 1;
    case DType::int16:
      return 2;
    case DType::int32:
      return 3;
    case DType::int64:
      return 4;
    case DType::float16:
    case DType::bfloat16:
      return 5;
    case DType::float32:
      return 6;
    default:
      return 7;
  }
}

}  // namespace

Half::Half(float value) {
  const auto f = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((f >> 16) & 0x8000u);
  const std::uint32_t magnitude = f & 0x7fffffffu;
  std::uint32_t h;
  if (magnitude > 0x7f800000u) {
    h = 0x7e00u;  // NaN
  } else if (magnitude >= 0x477ff000u) {
    h = 0x7c00u;  // from 65520 on, half way between 65504 and the next power of two
  } else if (magnitude >= 0x38800000u) {
    // Normal: rebias the exponent by 127 - 15 and round away 13 bits, ties to even.
    const std::uint32_t rebased = magnitude - (112u << 23);
    h = (rebased + 0xfffu + ((rebased >> 13) & 1u)) >> 13;
  } else {
    // Subnormal: units of 2^-24. Adding 0.5, whose last bit is 2^-24, rounds to even in hardware.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    h = std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u;
  }
  bits = static_cast<std::uint16_t>(sign | h);
}

Half::operator float() const {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

BFloat16::BFloat16(float value) {
  const auto f = std::bit_cast<std::uint32_t>(value);
  if ((f & 0x7fffffffu) > 0x7f800000u) {
    bits = static_cast<std::uint16_t>((f >> 16) | 0x40u);  // a quiet NaN, never rounded to infinity
  } else {
    bits = static_cast<std::uint16_t>((f + 0x7fffu + ((f >> 16) & 1u)) >> 16);
  }
}

std::size_t item_size(DType dtype) {
  return info(dtype).bytes;
}

std::string_view name(DType dtype) {
  return info(dtype).name;
}

DType dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < infos.size(); ++i)
    if (infos[i].name == name) return static_cast<DType>(i);
  fail("dtype_from_name: there is no dtype named \"", name, "\"");
}

DType promote_types(DType a, DType b) {
  check(!is_quantized(a) && !is_quantized(b), "promote_types: ", is_quantized(a) ? a : b,
        " does not take part in arithmetic; dequantize() first (", a, ", ", b, ")");
  if (a == b) return a;
  const int ra = rank(a), rb = rank(b);
  if (ra != rb) return ra > rb ? a : b;
  return is_floating_point(a) ? DType::float32 : DType::int16;  // float16/bfloat16, uint8/int8
}

std::ostream& operator<<(std::ostream& os, DType dtype) {
  return os << name(dtype);
}

}  // namespace adze
