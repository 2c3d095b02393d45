/// \file
/// Product of 8-bit activations and packed 8-bit weights, exact in 32 bits, with an output stage.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "adze/kernels/gemm_f32.h"
#include "adze/kernels/isa.h"
#include "adze/kernels/quantize.h"

namespace adze::kernels {

/// One value for all output channels (stride 0) or one for each (stride 1); no data means all zero.
template <class T>
struct PerChannel {
  const T* data = nullptr;
  std::int64_t stride = 0;
  T operator[](std::int64_t channel) const { return data ? data[channel * stride] : T(); }
};

namespace detail {
struct PackedWeightsData;
}

/// int8 weights of a linear layer, n output channels × k inputs, in the order that kernels read.
///
/// Immutable; copies share. Knows each channel's sum (for the activation zero point). Packed for
/// the kernel that the active instruction set prefers; a kernel that reads another order makes it
/// at its first call, for all copies, whichever thread comes first.
class PackedWeights {
 public:
  /// Nothing; n() and k() are 0.
  PackedWeights();
  /// Packs `w`, n × k, row-major with rows `ldw` apart. Any int8 value is fine, -128 too.
  PackedWeights(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw);

  std::int64_t n() const;
  std::int64_t k() const;
  /// Bytes held now, all included; more after a kernel asked for another order.
  std::int64_t bytes() const;
  /// n sums over k of the weights.
  const std::int32_t* sums() const;
  /// The mean magnitude of the weights, of a sample that depends on nothing else; 0 if there are
  /// none.
  float typical_weight() const;
  /// Writes the weights back, bit for bit, n × k with rows `ldw` apart.
  void unpack(std::int8_t* w, std::int64_t ldw) const;

  const detail::PackedWeightsData& data() const { return *data_; }

 private:
  std::shared_ptr<const detail::PackedWeightsData> data_;
};

enum class OutputType : std::uint8_t { u8, s8, s32, f32 };

/// Bytes of a value.
constexpr std::int64_t output_bytes(OutputType type) {
  return type == OutputType::u8 || type == OutputType::s8 ? 1 : 4;
}

/// What happens to each 32-bit sum before it is stored. Pointers must stay valid during the call.
///
/// acc = sum over k of (a - a_zero_point) * (w - w_zero_points[c]), exact in int32 (modulo 2³²
/// where it does not fit; it always fits for k <= 33025).
///
/// u8, s8: clamp(round_half_even((float(acc) + bias[c]) * multipliers[c]) + out_zero_point,
///               out_min, out_max); `linear_multipliers` and `linear_bias` make the two arrays.
///
/// f32: float(acc) * multipliers[c] + bias[c]; two roundings, no fma.
///
/// s32: acc; multipliers and bias are not used.
///
/// relu: u8, s8: the lower bound is at least out_zero_point; f32: negative values become 0.
struct OutputStage {
  OutputType type = OutputType::u8;
  std::int32_t a_zero_point = 0;
  PerChannel<std::int32_t> w_zero_points;
  PerChannel<float> multipliers;
  PerChannel<float> bias;
  bool relu = false;
  std::int32_t out_zero_point = 0;
  std::int32_t out_min = 0;
  std::int32_t out_max = 255;
  /// The largest activation, as the caller promises. 255 promises nothing: activations are looked
  /// at, as most kernels are faster up to 128. A broken promise gives wrong sums; debug builds
  /// throw std::runtime_error.
  std::int32_t a_max = 255;
};

/// multipliers[c] = a_scale * w_scales[c] / out_scale in float32, left to right, for c < n. With
/// out_scale 1 these are the multipliers of a float output.
void linear_multipliers(float a_scale, PerChannel<float> w_scales, float out_scale, std::int64_t n,
                        float* multipliers);

/// scaled[c] = bias[c] / (a_scale * w_scales[c]) in float32, for c < n: the bias of a u8 or s8
/// output.
void linear_bias(const float* bias, float a_scale, PerChannel<float> w_scales, std::int64_t n,
                 float* scaled);

/// out = stage(a · weightsᵀ): `a` is m × k u8 with rows `lda` apart, `out` is m × n of the stage's
/// type with rows `ldo` elements apart, and overlaps no input.
///
/// Exact for all 8-bit values on every instruction set: equals `reference::gemm_u8s8` bit for bit.
void gemm_u8s8(const std::uint8_t* a, std::int64_t lda, std::int64_t m,
               const PackedWeights& weights, const OutputStage& stage, void* out, std::int64_t ldo);

/// The same for float32 activations, which are quantized while they are read: equals
/// quantize(a, a_params) to u8 followed by `gemm_u8s8` with a_zero_point = a_params.zero_point.
/// a_params.qmin and qmax lie within 0..255. The stage's a_max is not used.
void gemm_f32s8(const float* a, std::int64_t lda, std::int64_t m, const Affine& a_params,
                const PackedWeights& weights, const OutputStage& stage, void* out,
                std::int64_t ldo);

/// Applies `stage` to m × n sums that were computed elsewhere, corrections for zero points included
/// (the stage's a_zero_point and w_zero_points are not used).
void requantize(const std::int32_t* sums, std::int64_t lds, std::int64_t m, std::int64_t n,
                const OutputStage& stage, void* out, std::int64_t ldo);

/// What the choice of a micro-kernel depends on.
struct GemmU8S8Problem {
  std::int64_t m = 0, n = 0, k = 0;
  std::int32_t max_activation = 255;  ///< the largest value in `a`
  float typical_weight = 32;          ///< PackedWeights::typical_weight
};

/// The micro-kernels, best first, each with the reason why it cannot be used for `problem`, if so.
/// The first one without a reason is used.
std::vector<KernelInfo> gemm_u8s8_kernels(const GemmU8S8Problem& problem);

/// Makes all following calls use the micro-kernel called `kernel`; an empty name ends that. A call
/// whose problem it cannot do then throws std::runtime_error. Throws std::runtime_error if there is
/// no such kernel. For tests and measurements.
void force_gemm_u8s8_kernel(const char* kernel);

}  // namespace adze::kernels
