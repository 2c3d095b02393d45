#include "adze/kernels/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lanes_scalar.h"
#include "math_functions.h"

namespace adze::kernels::reference {

namespace {

/// zero_point + round_half_even(x) without overflow, NaN counting as 0.
double rounded(float x, std::int32_t zero_point) {
  return std::isnan(x) ? zero_point : static_cast<double>(std::nearbyint(x)) + zero_point;
}

/// Sums as `sum` does, of f(x[i]).
template <class F>
float tree_sum(const float* x, std::int64_t n, F f) {
  std::vector<float> sums;
  for (std::int64_t start = 0; start < n; start += 4096) {
    float partial[32] = {};
    for (std::int64_t i = start; i < std::min(n, start + 4096); ++i) partial[i % 32] += f(x[i]);
    for (int h = 16; h >= 1; h /= 2) {
      for (int j = 0; j < h; ++j) partial[j] += partial[j + h];
    }
    sums.push_back(partial[0]);
  }
  if (sums.empty()) return 0.0f;
  while (sums.size() > 1) {
    std::vector<float> pairs;
    for (std::size_t i = 0; i + 1 < sums.size(); i += 2) pairs.push_back(sums[i] + sums[i + 1]);
    if (sums.size() % 2 == 1) pairs.push_back(sums.back());
    sums = pairs;
  }
  return sums[0];
}

}  // namespace

std::int32_t quantize(float x, const Affine& params) {
  const double q = rounded(x * (1.0f / params.scale), params.zero_point);
  return static_cast<std::int32_t>(std::clamp<double>(q, params.qmin, params.qmax));
}

float dequantize(std::int32_t q, const Affine& params) {
  return static_cast<float>(std::int64_t{q} - params.zero_point) * params.scale;
}

float fake_quantize(float x, const Affine& params, bool* inside) {
  const float scaled = x * (1.0f / params.scale);
  const double q = rounded(scaled, params.zero_point);
  if (inside != nullptr) *inside = !std::isnan(scaled) && params.qmin <= q && q <= params.qmax;
  return dequantize(static_cast<std::int32_t>(std::clamp<double>(q, params.qmin, params.qmax)),
                    params);
}

std::int32_t requantize(std::int32_t sum, std::int64_t channel, const OutputStage& stage) {
  if (stage.type == OutputType::s32) return sum;
  const float value = (static_cast<float>(sum) + stage.bias[channel]) * stage.multipliers[channel];
  const std::int32_t lowest =
      stage.relu ? std::max(stage.out_min, stage.out_zero_point) : stage.out_min;
  const double q = rounded(value, stage.out_zero_point);
  return static_cast<std::int32_t>(std::clamp<double>(q, lowest, stage.out_max));
}

float requantize_f32(std::int32_t sum, std::int64_t channel, const OutputStage& stage) {
  const float value = static_cast<float>(sum) * stage.multipliers[channel] + stage.bias[channel];
  return stage.relu ? relu(value) : value;
}

MinMax min_max(const float* x, std::int64_t n) {
  const float infinity = std::numeric_limits<float>::infinity();
  MinMax range{infinity, -infinity};
  for (std::int64_t i = 0; i < n; ++i) {
    if (std::isnan(x[i])) return {x[i], x[i]};
    range.min = std::min(range.min, x[i]);
    range.max = std::max(range.max, x[i]);
  }
  return {range.min + 0.0f, range.max + 0.0f};  // -0 becomes +0
}

std::int64_t histogram_bin(float x, float lo, float hi, std::int64_t bins) {
  if (!(x >= lo && x <= hi)) return -1;
  if (hi == lo) return bins / 2;
  return std::min(bins - 1,
                  static_cast<std::int64_t>((x - lo) * static_cast<float>(bins) / (hi - lo)));
}

void gemm_u8s8(const std::uint8_t* a, std::int64_t lda, std::int64_t m, const std::int8_t* w,
               std::int64_t ldw, std::int64_t n, std::int64_t k, const OutputStage& stage,
               void* out, std::int64_t ldo) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t c = 0; c < n; ++c) {
      std::uint32_t sum = 0;  // unsigned: wraps modulo 2³²
      for (std::int64_t p = 0; p < k; ++p) {
        const std::int32_t x = a[i * lda + p] - stage.a_zero_point;
        const std::int32_t y = w[c * ldw + p] - stage.w_zero_points[c];
        sum += static_cast<std::uint32_t>(x * y);
      }
      const auto acc = static_cast<std::int32_t>(sum);
      const std::int64_t at = i * ldo + c;
      switch (stage.type) {
        case OutputType::u8:
          static_cast<std::uint8_t*>(out)[at] =
              static_cast<std::uint8_t>(requantize(acc, c, stage));
          break;
        case OutputType::s8:
          static_cast<std::int8_t*>(out)[at] = static_cast<std::int8_t>(requantize(acc, c, stage));
          break;
        case OutputType::s32:
          static_cast<std::int32_t*>(out)[at] = acc;
          break;
        case OutputType::f32:
          static_cast<float*>(out)[at] = requantize_f32(acc, c, stage);
          break;
      }
    }
  }
}

void gemm_f32(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k,
              const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
              std::int64_t ldc, const GemmF32Options& options) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      float sum = options.accumulate ? c[i * ldc + j] : 0.0f;
      for (std::int64_t p = 0; p < k; ++p) {
        const float x = ta == Transpose::no ? a[i * lda + p] : a[p * lda + i];
        const float y = tb == Transpose::no ? b[p * ldb + j] : b[j * ldb + p];
        sum = std::fma(x, y, sum);
      }
      if (options.bias != nullptr) sum += options.bias[j];
      c[i * ldc + j] = options.relu ? relu(sum) : sum;
    }
  }
}

float relu(float x) {
  return x < 0.0f ? 0.0f : x;
}

float clamp(float x, float lo, float hi) {
  const float y = x < lo ? lo : x;
  return hi < y ? hi : y;
}

float exp(float x) {
  return MathFunctions<ScalarLanes>::exp(x);
}
float log(float x) {
  return MathFunctions<ScalarLanes>::log(x);
}
float sigmoid(float x) {
  return MathFunctions<ScalarLanes>::sigmoid(x);
}
float tanh(float x) {
  return MathFunctions<ScalarLanes>::tanh(x);
}

float sum(const float* x, std::int64_t n) {
  return tree_sum(x, n, [](float v) { return v; });
}

float sum_of_squares(const float* x, std::int64_t n) {
  return tree_sum(x, n, [](float v) { return v * v; });
}

void softmax(const float* x, std::int64_t n, float* out) {
  const float largest = min_max(x, n).max;
  for (std::int64_t i = 0; i < n; ++i) out[i] = exp(x[i] - largest);
  const float total = sum(out, n);
  for (std::int64_t i = 0; i < n; ++i) out[i] = out[i] / total;
}

}  // namespace adze::kernels::reference
