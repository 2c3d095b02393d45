#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adze/core/quantizer.h"
#include "adze/core/tensor.h"

namespace adze::ao::quantization {

/// How a tensor is to be represented by integers: what an observer is asked for, and what convert
/// needs to know beside scale and zero point.
struct QuantizationSpec {
  DType dtype = quint8;
  QScheme qscheme = per_tensor_affine;
  std::int64_t quant_min = 0, quant_max = 255;  // both 0: no range (floating dtypes)
  bool custom_range = false;                    // the range was given, not the dtype's own
  bool reduce_range = false;
  bool is_dynamic = false;
  std::int64_t ch_axis = -1;  // per channel only

  friend bool operator==(const QuantizationSpec&, const QuantizationSpec&) = default;
};

/// Scale and zero point of one tensor (one element each) or of its channels.
struct TensorQParams {
  Tensor scale;       // float32 (1) or (channels)
  Tensor zero_point;  // int32 of the same shape; float32 for per_channel_affine_float_qparams
};

/// Range of integers that a quantized dtype is given: the dtype's own, or [quant_min, quant_max];
/// `reduce_range` halves either (127 -> 63, -127 -> -64: floor). `where` starts the messages.
///
/// Throws when only one bound is given, unless quant_min <= 0 <= quant_max and
/// quant_min < quant_max, when the range does not lie inside the dtype's, and when dtype is not a
/// quantized one.
QRange quantization_range(std::string_view where, DType dtype, bool reduce_range,
                          std::optional<std::int64_t> quant_min,
                          std::optional<std::int64_t> quant_max);

/// Scale and zero point for values in [min_val, max_val]. The one place where they are computed:
/// observers, fake-quantizes and convert all come here, so that training and the converted network
/// agree to the bit.
///
/// All arithmetic is float32, in the order of torch.ao.quantization's observers, with
/// min_neg = min(min_val, 0), max_pos = max(max_val, 0):
/// * symmetric: scale = max(max(-min_neg, max_pos) / ((quant_max - quant_min) / 2), eps); the zero
///   point is 0, for quint8 128 or, in a custom range, floor((quant_min + quant_max) / 2);
/// * affine: scale = max((max_pos - min_neg) / (quant_max - quant_min), eps), zero point =
///   clamp(quant_min - round_half_even(min_neg / scale), quant_min, quant_max);
/// * float qparams: scale = (max_val - min_val) / (quant_max - quant_min), 1 where that is <= eps;
///   zero point = -min_val / scale.
///
/// `min_val`, `max_val`: both of shape () or (channels); a tensor of shape () gives shape (1).
/// Throws unless min_val <= max_val and both are finite, naming the channel.
TensorQParams qparams_from_min_max(const Tensor& min_val, const Tensor& max_val,
                                   const QuantizationSpec& spec, float eps);

/// "3.0", "0.1", "inf", "1e-05": the shortest text that reads back as the same double, as the field
/// prints numbers.
std::string number_text(double value);

}  // namespace adze::ao::quantization
