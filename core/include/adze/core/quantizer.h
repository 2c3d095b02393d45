#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string_view>
#include <vector>

#include "adze/core/dtype.h"

namespace adze {

/// How integers map to real values. The symmetric schemes are settings of observers; a tensor
/// made with them reports the affine scheme.
enum class QScheme : std::uint8_t {
  per_tensor_affine,
  per_channel_affine,
  per_tensor_symmetric,
  per_channel_symmetric,
  per_channel_affine_float_qparams,
};
inline constexpr QScheme per_tensor_affine = QScheme::per_tensor_affine;
inline constexpr QScheme per_channel_affine = QScheme::per_channel_affine;
inline constexpr QScheme per_tensor_symmetric = QScheme::per_tensor_symmetric;
inline constexpr QScheme per_channel_symmetric = QScheme::per_channel_symmetric;
inline constexpr QScheme per_channel_affine_float_qparams =
    QScheme::per_channel_affine_float_qparams;

constexpr bool is_per_channel(QScheme s) {
  return s == QScheme::per_channel_affine || s == QScheme::per_channel_symmetric ||
         s == QScheme::per_channel_affine_float_qparams;
}
constexpr bool is_symmetric(QScheme s) {
  return s == QScheme::per_tensor_symmetric || s == QScheme::per_channel_symmetric;
}
/// "per_tensor_affine", ...
std::string_view name(QScheme scheme);
std::ostream& operator<<(std::ostream& os, QScheme scheme);

/// Smallest and largest integer of a quantized dtype.
struct QRange {
  std::int64_t min = 0, max = 0;
  friend bool operator==(const QRange&, const QRange&) = default;
};
/// Range of qint8 (-128..127), quint8 (0..255) or qint32; throws for other dtypes.
QRange qrange(DType dtype);

/// The map real = (q - zero_point) * scale of a quantized tensor; one pair, or one per channel
/// along `axis`. Immutable and shared between tensors.
struct Quantizer {
  QScheme scheme = QScheme::per_tensor_affine;
  std::vector<double> scales;       // one, or one per channel; finite and > 0
  std::vector<double> zero_points;  // as many as scales; integers except for float qparams
  std::int64_t axis = 0;            // per channel only

  friend bool operator==(const Quantizer&, const Quantizer&) = default;
};
using QuantizerPtr = std::shared_ptr<const Quantizer>;

/// A checked per-tensor quantizer. Throws when the scale is not finite and > 0 or the zero point
/// lies outside the range of `dtype`.
QuantizerPtr make_per_tensor_quantizer(double scale, std::int64_t zero_point, DType dtype);
/// A checked per-channel quantizer along `axis`; the same conditions for each channel.
QuantizerPtr make_per_channel_quantizer(std::vector<double> scales, std::vector<double> zero_points,
                                        std::int64_t axis, DType dtype);

}  // namespace adze
