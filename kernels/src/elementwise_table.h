/// \file
/// The element-wise loops of one instruction set, each for one thread's part of the data.
#pragma once

#include <cstdint>

namespace adze::kernels {

enum UnaryOp {
  unary_relu,
  unary_sqrt,
  unary_exp,
  unary_log,
  unary_sigmoid,
  unary_tanh,
  unary_count
};
enum BinaryOp { binary_add, binary_sub, binary_mul, binary_div, binary_count };

struct ElementwiseTable {
  const char* name;
  void (*unary[unary_count])(const float* x, std::int64_t n, float* out);
  void (*binary[binary_count])(const float* a, const float* b, std::int64_t n, float* out);
  void (*binary_right[binary_count])(const float* a, float b, std::int64_t n, float* out);
  void (*binary_left[binary_count])(float a, const float* b, std::int64_t n, float* out);
  void (*clamp)(const float* x, float lo, float hi, std::int64_t n, float* out);
  void (*threshold_backward)(const float* dy, const float* x, float threshold, std::int64_t n,
                             float* out);
  void (*select)(const std::uint8_t* mask, const float* a, const float* b, std::int64_t n,
                 float* out);
  void (*select_value)(const std::uint8_t* mask, const float* a, float b, std::int64_t n,
                       float* out);
  void (*axpby)(float alpha, const float* x, float beta, std::int64_t n, float* y);
  void (*axpy)(float alpha, const float* x, std::int64_t n, float* y);
  void (*addcmul)(float alpha, const float* a, const float* b, std::int64_t n, float* y);
  void (*addcdiv)(float alpha, const float* a, const float* b, std::int64_t n, float* y);
  /// One piece of `sum`: n <= 4096.
  float (*sum_piece)(const float* x, std::int64_t n);
  float (*sum_of_squares_piece)(const float* x, std::int64_t n);
  /// The softmax of rows: n <= 4096.
  void (*softmax_rows)(const float* x, std::int64_t rows, std::int64_t n, float* y);
  /// y[i] += x[i].
  void (*accumulate)(const float* x, std::int64_t n, float* y);
};

extern const ElementwiseTable elementwise_scalar;
extern const ElementwiseTable elementwise_avx2;
extern const ElementwiseTable elementwise_avx512;
extern const ElementwiseTable elementwise_neon;

}  // namespace adze::kernels
