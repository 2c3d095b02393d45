#include "adze/ao/quantization/utils.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "adze/core/creation.h"

namespace adze::ao::quantization {
namespace {

std::int64_t floor_half(std::int64_t v) {
  return v >= 0 ? v / 2 : -((1 - v) / 2);
}

struct ScaleAndZeroPoint {
  float scale;
  double zero_point;  // exact: at most 32 bits, or a float32
};

ScaleAndZeroPoint qparams(float min_val, float max_val, const QuantizationSpec& spec, float eps) {
  const auto steps = static_cast<float>(spec.quant_max - spec.quant_min);
  if (spec.qscheme == per_channel_affine_float_qparams) {
    float scale = (max_val - min_val) / steps;
    if (!(scale > eps)) scale = 1.0f;
    return {scale, -min_val / scale};
  }
  const float min_neg = std::min(min_val, 0.0f), max_pos = std::max(max_val, 0.0f);
  if (is_symmetric(spec.qscheme)) {
    const auto half_steps = static_cast<float>(static_cast<double>(steps) / 2);
    const float scale = std::max(std::max(-min_neg, max_pos) / half_steps, eps);
    std::int64_t zero_point = 0;
    if (spec.dtype == quint8)
      zero_point = spec.custom_range ? floor_half(spec.quant_min + spec.quant_max) : 128;
    return {scale, static_cast<double>(zero_point)};
  }
  // The difference of two large values of opposite sign may not fit into a float.
  float scale = (max_pos - min_neg) / steps;
  if (!std::isfinite(scale)) scale = max_pos / steps - min_neg / steps;
  scale = std::max(scale, eps);
  const auto zero_point =
      static_cast<double>(spec.quant_min) - static_cast<double>(std::nearbyint(min_neg / scale));
  return {scale, std::clamp(zero_point, static_cast<double>(spec.quant_min),
                            static_cast<double>(spec.quant_max))};
}

}  // namespace

QRange quantization_range(std::string_view where, DType dtype, bool reduce_range,
                          std::optional<std::int64_t> quant_min,
                          std::optional<std::int64_t> quant_max) {
  check(is_quantized(dtype), where, ": dtype must be qint8, quint8 or qint32, got ", dtype);
  const QRange whole = qrange(dtype);
  QRange range = whole;
  if (quant_min || quant_max) {
    check(quant_min && quant_max, where, ": quant_min and quant_max go together, only ",
          quant_min ? "quant_min" : "quant_max", " was given");
    range = {*quant_min, *quant_max};
    check(range.min <= 0 && 0 <= range.max, where, ": the quantization range must include 0, got ",
          range.min, "..", range.max);
    check(range.min < range.max, where, ": quant_min must be less than quant_max, got ", range.min,
          "..", range.max);
    check(whole.min <= range.min && range.max <= whole.max, where, ": the quantization range ",
          range.min, "..", range.max, " does not lie inside that of ", dtype, ", ", whole.min, "..",
          whole.max);
  } else if (dtype == qint32) {
    return range;  // the accumulator type is not narrowed, as in the field
  }
  if (reduce_range) range = {floor_half(range.min), floor_half(range.max)};
  check(range.min < range.max, where, ": reduce_range leaves nothing of the quantization range ",
        quant_min.value_or(whole.min), "..", quant_max.value_or(whole.max));
  return range;
}

TensorQParams qparams_from_min_max(const Tensor& min_val, const Tensor& max_val,
                                   const QuantizationSpec& spec, float eps) {
  check(min_val.sizes() == max_val.sizes(), "calculate_qparams: min is ", min_val.sizes(),
        ", max is ", max_val.sizes());
  const std::vector<float> mins = min_val.to_vector<float>(), maxs = max_val.to_vector<float>();
  std::vector<float> scales(mins.size()), float_zero_points(mins.size());
  std::vector<std::int32_t> zero_points(mins.size());
  for (std::size_t i = 0; i < mins.size(); ++i) {
    const std::string channel = min_val.dim() == 0 ? "" : " of channel " + std::to_string(i);
    check(mins[i] <= maxs[i], "calculate_qparams: min ", number_text(mins[i]),
          " should be less than max ", number_text(maxs[i]), channel);
    check(std::isfinite(mins[i]) && std::isfinite(maxs[i]), "calculate_qparams: the range [",
          number_text(mins[i]), ", ", number_text(maxs[i]), "]", channel, " is not finite");
    const auto [scale, zero_point] = qparams(mins[i], maxs[i], spec, eps);
    scales[i] = scale;
    if (spec.qscheme == per_channel_affine_float_qparams)
      float_zero_points[i] = static_cast<float>(zero_point);
    else
      zero_points[i] = static_cast<std::int32_t>(zero_point);
  }
  const Shape shape{static_cast<std::int64_t>(mins.size())};
  return {from_vector(scales, shape), spec.qscheme == per_channel_affine_float_qparams
                                          ? from_vector(float_zero_points, shape)
                                          : from_vector(zero_points, shape)};
}

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::fabs(value);
  const bool fixed = size == 0 || (size >= 1e-4 && size < 1e16);
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific);
  std::string out(text.data(), end.ptr);
  if (fixed && out.find('.') == std::string::npos) out += ".0";
  return out;
}

}  // namespace adze::ao::quantization
