/// \file
/// float32 functions of arrays, element by element, and sums in a fixed order.
///
/// Everything equals `reference.h` bit for bit on every instruction set and with any number of
/// threads; no fused multiply-add is used. `out` may be one of the inputs, but not overlap it
/// otherwise.
#pragma once

#include <cstdint>

namespace adze::kernels {

/// out[i] = a[i] ∘ b[i], with an array or one value on either side.
void add(const float* a, const float* b, std::int64_t n, float* out);
void add(const float* a, float b, std::int64_t n, float* out);
void sub(const float* a, const float* b, std::int64_t n, float* out);
void sub(const float* a, float b, std::int64_t n, float* out);
void sub(float a, const float* b, std::int64_t n, float* out);
void mul(const float* a, const float* b, std::int64_t n, float* out);
void mul(const float* a, float b, std::int64_t n, float* out);
void div(const float* a, const float* b, std::int64_t n, float* out);
void div(const float* a, float b, std::int64_t n, float* out);
void div(float a, const float* b, std::int64_t n, float* out);

/// 0 where x < 0, else x (so NaN and -0 stay).
void relu(const float* x, std::int64_t n, float* out);
/// lo where x < lo, hi where that is > hi, else x (NaN stays).
void clamp(const float* x, float lo, float hi, std::int64_t n, float* out);
/// dy where x > threshold, else 0: the gradient of a ReLU (x its input or its output, threshold 0).
void threshold_backward(const float* dy, const float* x, float threshold, std::int64_t n,
                        float* out);
/// a where mask is not 0, else b.
void select(const std::uint8_t* mask, const float* a, const float* b, std::int64_t n, float* out);
/// a where mask is not 0, else the value b.
void select(const std::uint8_t* mask, const float* a, float b, std::int64_t n, float* out);

/// Correctly rounded square root; NaN below 0.
void sqrt(const float* x, std::int64_t n, float* out);
/// eˣ, error below 2 units in the last place; inf above 88.72, 0 below -103.97.
void exp(const float* x, std::int64_t n, float* out);
/// Natural logarithm, error below 2 units in the last place; -inf at 0, NaN below.
void log(const float* x, std::int64_t n, float* out);
/// 1 / (1 + e⁻ˣ), error below 3 units in the last place.
void sigmoid(const float* x, std::int64_t n, float* out);
/// Hyperbolic tangent, error below 3 units in the last place.
void tanh(const float* x, std::int64_t n, float* out);

/// y = y + alpha * x.
void axpy(float alpha, const float* x, std::int64_t n, float* y);
/// y = alpha * x + beta * y.
void axpby(float alpha, const float* x, float beta, std::int64_t n, float* y);
/// y = y + alpha * (a * b).
void addcmul(float alpha, const float* a, const float* b, std::int64_t n, float* y);
/// y = y + alpha * (a / b).
void addcdiv(float alpha, const float* a, const float* b, std::int64_t n, float* y);

/// The sum of n values in a fixed order (reference.h), about as exact as pairwise summation.
float sum(const float* x, std::int64_t n);
/// The sum of the squares of n values, each square rounded, in the order of `sum`.
float sum_of_squares(const float* x, std::int64_t n);
/// out = softmax of each of `rows` rows of n values: exp(x - max x) / sum of these over the row, in
/// float32 with the exp and sum of this file; all NaN where a row has NaN, +inf, or only -inf.
void softmax(const float* x, std::int64_t rows, std::int64_t n, float* out);
/// out[c] = x[0][c] + x[1][c] + … over the rows of a rows × columns matrix, in this order from 0.
void sum_rows(const float* x, std::int64_t rows, std::int64_t columns, float* out);

}  // namespace adze::kernels
