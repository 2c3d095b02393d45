#include "adze/core/quantizer.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "adze/core/error.h"

namespace adze {

std::string_view name(QScheme scheme) {
  switch (scheme) {
    case QScheme::per_tensor_affine:
      return "per_tensor_affine";
    case QScheme::per_channel_affine:
      return "per_channel_affine";
    case QScheme::per_tensor_symmetric:
      return "per_tensor_symmetric";
    case QScheme::per_channel_symmetric:
      return "per_channel_symmetric";
    case QScheme::per_channel_affine_float_qparams:
      return "per_channel_affine_float_qparams";
  }
  fail("QScheme: ", static_cast<int>(scheme), " is not a scheme");
}

std::ostream& operator<<(std::ostream& os, QScheme scheme) {
  return os << name(scheme);
}

QRange qrange(DType dtype) {
  switch (dtype) {
    case DType::qint8:
      return {-128, 127};
    case DType::quint8:
      return {0, 255};
    case DType::qint32:
      return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
    default:
      fail("qrange: expected a quantized dtype, got ", dtype);
  }
}

namespace {

void check_scale(double scale) {
  check(std::isfinite(scale) && scale > 0, "quantizer: the scale must be finite and > 0, got ",
        scale);
}

void check_zero_point(double zero_point, const QRange& range, DType dtype) {
  check(zero_point >= static_cast<double>(range.min) &&
            zero_point <= static_cast<double>(range.max) && zero_point == std::trunc(zero_point),
        "quantizer: the zero point must be an integer from ", range.min, " to ", range.max, " for ",
        dtype, ", got ", zero_point);
}

}  // namespace

QuantizerPtr make_per_tensor_quantizer(double scale, std::int64_t zero_point, DType dtype) {
  // A network asks for the same few again and again; quantizers are immutable, so they are shared.
  struct Known {
    double scale = 0;
    std::int64_t zero_point = 0;
    DType dtype = DType::quint8;
    QuantizerPtr quantizer;
  };
  constexpr std::size_t slots = 64;
  thread_local std::array<Known, slots> known;
  const std::uint64_t key = (std::bit_cast<std::uint64_t>(scale) ^
                             static_cast<std::uint64_t>(zero_point) * 0x9e3779b97f4a7c15) *
                            0x9e3779b97f4a7c15;
  Known& slot = known[key >> 58];
  if (slot.quantizer && slot.scale == scale && slot.zero_point == zero_point && slot.dtype == dtype)
    return slot.quantizer;
  check_scale(scale);
  check_zero_point(static_cast<double>(zero_point), qrange(dtype), dtype);
  auto q = std::make_shared<Quantizer>();
  q->scales = {scale};
  q->zero_points = {static_cast<double>(zero_point)};
  slot = {scale, zero_point, dtype, q};
  return q;
}

QuantizerPtr make_per_channel_quantizer(std::vector<double> scales, std::vector<double> zero_points,
                                        std::int64_t axis, DType dtype) {
  check(scales.size() == zero_points.size(), "quantizer: as many zero points as scales expected, ",
        "got ", scales.size(), " scales and ", zero_points.size(), " zero points");
  check(axis >= 0, "quantizer: the axis must not be negative, got ", axis);
  const QRange range = qrange(dtype);
  for (double scale : scales) check_scale(scale);
  for (double zero_point : zero_points) check_zero_point(zero_point, range, dtype);
  auto q = std::make_shared<Quantizer>();
  q->scheme = QScheme::per_channel_affine;
  q->scales = std::move(scales);
  q->zero_points = std::move(zero_points);
  q->axis = axis;
  return q;
}

}  // namespace adze
