/// \file
/// The normative reference: what every kernel computes, in the plainest code. A kernel that differs
/// from it in one bit, on any instruction set or number of threads, is wrong.
#pragma once

#include <cstdint>

#include "adze/kernels/gemm_f32.h"
#include "adze/kernels/gemm_u8s8.h"
#include "adze/kernels/quantize.h"

namespace adze::kernels::reference {

/// clamp(zero_point + round_half_even(x * (1.0f / scale)), qmin, qmax) with int32 bounds: rounds
/// before the zero point is added, saturates, takes NaN to the zero point.
std::int32_t quantize(float x, const Affine& params);
/// float(q - zero_point) * scale; the difference is exact.
float dequantize(std::int32_t q, const Affine& params);
/// dequantize(quantize(x)), and through `inside` if the rounded value lay within [qmin, qmax].
float fake_quantize(float x, const Affine& params, bool* inside = nullptr);
/// The output stage for one sum of channel `channel`, corrections included: the value to store, as
/// a float for f32 (int32 otherwise, in the other function).
std::int32_t requantize(std::int32_t sum, std::int64_t channel, const OutputStage& stage);
float requantize_f32(std::int32_t sum, std::int64_t channel, const OutputStage& stage);

MinMax min_max(const float* x, std::int64_t n);
/// The bin of one value, or -1.
std::int64_t histogram_bin(float x, float lo, float hi, std::int64_t bins);

/// `w` is n × k, not packed, rows `ldw` apart.
void gemm_u8s8(const std::uint8_t* a, std::int64_t lda, std::int64_t m, const std::int8_t* w,
               std::int64_t ldw, std::int64_t n, std::int64_t k, const OutputStage& stage,
               void* out, std::int64_t ldo);

void gemm_f32(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k,
              const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
              std::int64_t ldc, const GemmF32Options& options = {});

float relu(float x);
float clamp(float x, float lo, float hi);
float exp(float x);
float log(float x);
float sigmoid(float x);
float tanh(float x);

/// The order of `sum`: pieces of 4096 values; in a piece, 32 partial sums from 0, the i-th value
/// going to number i mod 32; those are added as p[j] += p[j + h] for h = 16, 8, 4, 2, 1; the
/// pieces' sums are added in pairs of neighbours, the results again, a last one without a partner
/// being passed on.
float sum(const float* x, std::int64_t n);
float sum_of_squares(const float* x, std::int64_t n);

/// One row of n values.
void softmax(const float* x, std::int64_t n, float* out);

}  // namespace adze::kernels::reference
