#include "adze/kernels/elementwise.h"

#include <algorithm>
#include <vector>

#include "adze/kernels/isa.h"
#include "adze/kernels/parallel.h"
#include "adze/kernels/quantize.h"

#include "elementwise_table.h"
#include "isa_state.h"

namespace adze::kernels {

namespace {

// Elements that are worth a second thread: about 10 µs of work each.
constexpr std::int64_t light_grain = 1 << 16;
constexpr std::int64_t heavy_grain = 1 << 14;
constexpr std::int64_t sum_piece = 4096;

const ElementwiseTable& table() {
#if defined(__x86_64__)
  const ElementwiseTable& chosen = includes(active(), Isa::avx512) ? elementwise_avx512
                                   : includes(active(), Isa::avx2) ? elementwise_avx2
                                                                   : elementwise_scalar;
#elif defined(__aarch64__)
  const ElementwiseTable& chosen =
      includes(active(), Isa::neon) ? elementwise_neon : elementwise_scalar;
#else
  const ElementwiseTable& chosen = elementwise_scalar;
#endif
  set_last_kernel(chosen.name);
  return chosen;
}

void unary(UnaryOp op, std::int64_t grain, const float* x, std::int64_t n, float* out) {
  const auto run = table().unary[op];
  parallel_for(0, n, grain,
               [=](std::int64_t i, std::int64_t end) { run(x + i, end - i, out + i); });
}

void binary(BinaryOp op, const float* a, const float* b, std::int64_t n, float* out) {
  const auto run = table().binary[op];
  parallel_for(0, n, light_grain,
               [=](std::int64_t i, std::int64_t end) { run(a + i, b + i, end - i, out + i); });
}

void binary(BinaryOp op, const float* a, float b, std::int64_t n, float* out) {
  const auto run = table().binary_right[op];
  parallel_for(0, n, light_grain,
               [=](std::int64_t i, std::int64_t end) { run(a + i, b, end - i, out + i); });
}

void binary(BinaryOp op, float a, const float* b, std::int64_t n, float* out) {
  const auto run = table().binary_left[op];
  parallel_for(0, n, light_grain,
               [=](std::int64_t i, std::int64_t end) { run(a, b + i, end - i, out + i); });
}

/// The sum of `count` values: neighbours in pairs, then the results again.
float pair_up(float* sums, std::int64_t count) {
  while (count > 1) {
    for (std::int64_t i = 0; i + 1 < count; i += 2) sums[i / 2] = sums[i] + sums[i + 1];
    if (count % 2 == 1) sums[count / 2] = sums[count - 1];
    count = (count + 1) / 2;
  }
  return sums[0];
}

float sum_with(float (*piece)(const float*, std::int64_t), const float* x, std::int64_t n) {
  if (n <= sum_piece) return piece(x, n);
  std::vector<float> sums(static_cast<std::size_t>((n + sum_piece - 1) / sum_piece));
  const auto count = static_cast<std::int64_t>(sums.size());
  parallel_for(0, count, light_grain / sum_piece, [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) {
      sums[static_cast<std::size_t>(i)] =
          piece(x + i * sum_piece, std::min(sum_piece, n - i * sum_piece));
    }
  });
  return pair_up(sums.data(), count);
}

}  // namespace

void add(const float* a, const float* b, std::int64_t n, float* out) {
  binary(binary_add, a, b, n, out);
}
void add(const float* a, float b, std::int64_t n, float* out) {
  binary(binary_add, a, b, n, out);
}
void sub(const float* a, const float* b, std::int64_t n, float* out) {
  binary(binary_sub, a, b, n, out);
}
void sub(const float* a, float b, std::int64_t n, float* out) {
  binary(binary_sub, a, b, n, out);
}
void sub(float a, const float* b, std::int64_t n, float* out) {
  binary(binary_sub, a, b, n, out);
}
void mul(const float* a, const float* b, std::int64_t n, float* out) {
  binary(binary_mul, a, b, n, out);
}
void mul(const float* a, float b, std::int64_t n, float* out) {
  binary(binary_mul, a, b, n, out);
}
void div(const float* a, const float* b, std::int64_t n, float* out) {
  binary(binary_div, a, b, n, out);
}
void div(const float* a, float b, std::int64_t n, float* out) {
  binary(binary_div, a, b, n, out);
}
void div(float a, const float* b, std::int64_t n, float* out) {
  binary(binary_div, a, b, n, out);
}

void relu(const float* x, std::int64_t n, float* out) {
  unary(unary_relu, light_grain, x, n, out);
}
void sqrt(const float* x, std::int64_t n, float* out) {
  unary(unary_sqrt, light_grain, x, n, out);
}
void exp(const float* x, std::int64_t n, float* out) {
  unary(unary_exp, heavy_grain, x, n, out);
}
void log(const float* x, std::int64_t n, float* out) {
  unary(unary_log, heavy_grain, x, n, out);
}
void sigmoid(const float* x, std::int64_t n, float* out) {
  unary(unary_sigmoid, heavy_grain, x, n, out);
}
void tanh(const float* x, std::int64_t n, float* out) {
  unary(unary_tanh, heavy_grain, x, n, out);
}

void clamp(const float* x, float lo, float hi, std::int64_t n, float* out) {
  const auto run = table().clamp;
  parallel_for(0, n, light_grain,
               [=](std::int64_t i, std::int64_t end) { run(x + i, lo, hi, end - i, out + i); });
}

void threshold_backward(const float* dy, const float* x, float threshold, std::int64_t n,
                        float* out) {
  const auto run = table().threshold_backward;
  parallel_for(0, n, light_grain, [=](std::int64_t i, std::int64_t end) {
    run(dy + i, x + i, threshold, end - i, out + i);
  });
}

void select(const std::uint8_t* mask, const float* a, const float* b, std::int64_t n, float* out) {
  const auto run = table().select;
  parallel_for(0, n, light_grain, [=](std::int64_t i, std::int64_t end) {
    run(mask + i, a + i, b + i, end - i, out + i);
  });
}

void select(const std::uint8_t* mask, const float* a, float b, std::int64_t n, float* out) {
  const auto run = table().select_value;
  parallel_for(0, n, light_grain, [=](std::int64_t i, std::int64_t end) {
    run(mask + i, a + i, b, end - i, out + i);
  });
}

void axpy(float alpha, const float* x, std::int64_t n, float* y) {
  const auto run = table().axpy;
  parallel_for(0, n, light_grain,
               [=](std::int64_t i, std::int64_t end) { run(alpha, x + i, end - i, y + i); });
}

void axpby(float alpha, const float* x, float beta, std::int64_t n, float* y) {
  const auto run = table().axpby;
  parallel_for(0, n, light_grain,
               [=](std::int64_t i, std::int64_t end) { run(alpha, x + i, beta, end - i, y + i); });
}

void addcmul(float alpha, const float* a, const float* b, std::int64_t n, float* y) {
  const auto run = table().addcmul;
  parallel_for(0, n, light_grain,
               [=](std::int64_t i, std::int64_t end) { run(alpha, a + i, b + i, end - i, y + i); });
}

void addcdiv(float alpha, const float* a, const float* b, std::int64_t n, float* y) {
  const auto run = table().addcdiv;
  parallel_for(0, n, light_grain,
               [=](std::int64_t i, std::int64_t end) { run(alpha, a + i, b + i, end - i, y + i); });
}

float sum(const float* x, std::int64_t n) {
  return sum_with(table().sum_piece, x, n);
}

float sum_of_squares(const float* x, std::int64_t n) {
  return sum_with(table().sum_of_squares_piece, x, n);
}

void softmax(const float* x, std::int64_t rows, std::int64_t n, float* out) {
  const auto run = table().softmax_rows;
  const std::int64_t grain = std::max<std::int64_t>(1, heavy_grain / std::max<std::int64_t>(1, n));
  parallel_for(0, rows, grain, [=](std::int64_t r, std::int64_t end) {
    if (n <= sum_piece) {
      run(x + r * n, end - r, n, out + r * n);
      return;
    }
    for (; r < end; ++r) {
      float* to = out + r * n;
      sub(x + r * n, min_max(x + r * n, n).max, n, to);
      exp(to, n, to);
      div(to, sum(to, n), n, to);
    }
  });
}

void sum_rows(const float* x, std::int64_t rows, std::int64_t columns, float* out) {
  const auto accumulate = table().accumulate;
  const std::int64_t grain =
      std::max<std::int64_t>(64, light_grain / std::max<std::int64_t>(1, rows));
  parallel_for(0, columns, grain, [=](std::int64_t first, std::int64_t end) {
    std::fill(out + first, out + end, 0.0f);
    for (std::int64_t r = 0; r < rows; ++r) {
      accumulate(x + r * columns + first, end - first, out + first);
    }
  });
}

}  // namespace adze::kernels
