#include "adze/kernels/quantize.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <mutex>

#include "adze/kernels/elementwise.h"
#include "adze/kernels/isa.h"
#include "adze/kernels/parallel.h"
#include "adze/kernels/reference.h"

#include "isa_state.h"
#include "quantize_table.h"

namespace adze::kernels {

#if defined(__x86_64__)
namespace {

/// The loops for AVX-512, but for those that 256-bit registers do faster (measured on Zen 4).
const QuantizeTable& fastest_avx512() {
  static const QuantizeTable table = [] {
    QuantizeTable mixed = quantize_avx512;
    mixed.requantize_u8 = quantize_avx2.requantize_u8;
    mixed.requantize_s8 = quantize_avx2.requantize_s8;
    mixed.requantize_f32 = quantize_avx2.requantize_f32;
    mixed.min_max = quantize_avx2.min_max;
    return mixed;
  }();
  return table;
}

}  // namespace
#endif

const QuantizeTable& quantize_table() {
#if defined(__x86_64__)
  const QuantizeTable& chosen = includes(active(), Isa::avx512) ? fastest_avx512()
                                : includes(active(), Isa::avx2) ? quantize_avx2
                                                                : quantize_scalar;
#elif defined(__aarch64__)
  const QuantizeTable& chosen = includes(active(), Isa::neon) ? quantize_neon : quantize_scalar;
#else
  const QuantizeTable& chosen = quantize_scalar;
#endif
  set_last_kernel(chosen.name);
  return chosen;
}

AffineRow make_row(const Affine& p) {
  assert(p.scale > 0.0f && std::isfinite(p.scale));
  assert(p.qmin <= p.zero_point && p.zero_point <= p.qmax);
  return {1.0f / p.scale, p.scale, p.zero_point, static_cast<float>(p.qmin - p.zero_point),
          static_cast<float>(p.qmax - p.zero_point)};
}

namespace {

constexpr std::int64_t grain = 1 << 15;  // values that are worth a second thread
constexpr float infinity = std::numeric_limits<float>::infinity();

Affine channel(const ChannelAffine& p, std::int64_t c) {
  return {p.scales[c], p.zero_points == nullptr ? 0 : p.zero_points[c], p.qmin, p.qmax};
}

/// Calls run(params, i, count) for pieces of a tensor with one scale, i the index of their first
/// value.
template <class Run>
void for_pieces(std::int64_t n, const Affine& params, Run run) {
  parallel_for(0, n, grain, [&](std::int64_t i, std::int64_t end) { run(params, i, end - i); });
}

/// The same for a tensor with one scale for each channel.
template <class Run>
void for_pieces(const ChannelShape& shape, const ChannelAffine& params, Run run) {
  const std::int64_t inner = shape.inner;
  if (inner == 0) return;
  const std::int64_t rows = shape.outer * shape.channels;
  parallel_for(0, rows, std::max<std::int64_t>(1, grain / inner),
               [&](std::int64_t row, std::int64_t end) {
                 for (; row < end; ++row) {
                   run(channel(params, row % shape.channels), row * inner, inner);
                 }
               });
}

// One overload for each integer type; 32-bit values are not worth their own loops.
auto quantize_loop(std::uint8_t*) {
  return quantize_table().quantize_u8;
}
auto quantize_loop(std::int8_t*) {
  return quantize_table().quantize_s8;
}
auto dequantize_loop(const std::uint8_t*) {
  return quantize_table().dequantize_u8;
}
auto dequantize_loop(const std::int8_t*) {
  return quantize_table().dequantize_s8;
}

template <class Size, class Params, class Q>
void quantize_any(const float* x, const Size& size, const Params& params, Q* q) {
  if constexpr (sizeof(Q) == 1) {
    const auto loop = quantize_loop(q);
    for_pieces(size, params, [=](const Affine& p, std::int64_t i, std::int64_t n) {
      loop(x + i, n, make_row(p), q + i);
    });
  } else {
    for_pieces(size, params, [=](const Affine& p, std::int64_t i, std::int64_t n) {
      for (std::int64_t end = i + n; i < end; ++i) q[i] = reference::quantize(x[i], p);
    });
  }
}

template <class Size, class Params, class Q>
void dequantize_any(const Q* q, const Size& size, const Params& params, float* x) {
  if constexpr (sizeof(Q) == 1) {
    const auto loop = dequantize_loop(q);
    for_pieces(size, params, [=](const Affine& p, std::int64_t i, std::int64_t n) {
      loop(q + i, n, {0.0f, p.scale, p.zero_point, 0.0f, 0.0f}, x + i);
    });
  } else {
    for_pieces(size, params, [=](const Affine& p, std::int64_t i, std::int64_t n) {
      for (std::int64_t end = i + n; i < end; ++i) x[i] = reference::dequantize(q[i], p);
    });
  }
}

template <class Size, class Params>
void fake_quantize_any(const float* x, const Size& size, const Params& params, float* y,
                       std::uint8_t* mask) {
  const QuantizeTable& table = quantize_table();
  for_pieces(size, params, [=, &table](const Affine& p, std::int64_t i, std::int64_t n) {
    if (mask == nullptr) {
      table.fake_quantize(x + i, n, make_row(p), y + i);
    } else {
      table.fake_quantize_mask(x + i, n, make_row(p), y + i, mask + i);
    }
  });
}

template <class Loop, class Q>
void combine(Loop loop, const Q* a, const Affine& a_params, const Q* b, const Affine& b_params,
             std::int64_t n, const Affine& params, Q* q) {
  const AffineRow row_a = make_row(a_params), row_b = make_row(b_params), row = make_row(params);
  parallel_for(0, n, grain, [=](std::int64_t i, std::int64_t end) {
    loop(a + i, row_a, b + i, row_b, end - i, row, q + i);
  });
}

/// What is known after some values: their range, and whether all were numbers.
struct Range {
  float lo = infinity;
  float hi = -infinity;
  bool numbers = true;

  MinMax result() const {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    return numbers ? MinMax{lo + 0.0f, hi + 0.0f} : MinMax{nan, nan};  // + 0: no -0
  }
};

}  // namespace

void quantize(const float* x, std::int64_t n, const Affine& params, std::uint8_t* q) {
  quantize_any(x, n, params, q);
}
void quantize(const float* x, std::int64_t n, const Affine& params, std::int8_t* q) {
  quantize_any(x, n, params, q);
}
void quantize(const float* x, std::int64_t n, const Affine& params, std::int32_t* q) {
  quantize_any(x, n, params, q);
}
void quantize(const float* x, const ChannelShape& shape, const ChannelAffine& params,
              std::uint8_t* q) {
  quantize_any(x, shape, params, q);
}
void quantize(const float* x, const ChannelShape& shape, const ChannelAffine& params,
              std::int8_t* q) {
  quantize_any(x, shape, params, q);
}
void quantize(const float* x, const ChannelShape& shape, const ChannelAffine& params,
              std::int32_t* q) {
  quantize_any(x, shape, params, q);
}

void dequantize(const std::uint8_t* q, std::int64_t n, const Affine& params, float* x) {
  dequantize_any(q, n, params, x);
}
void dequantize(const std::int8_t* q, std::int64_t n, const Affine& params, float* x) {
  dequantize_any(q, n, params, x);
}
void dequantize(const std::int32_t* q, std::int64_t n, const Affine& params, float* x) {
  dequantize_any(q, n, params, x);
}
void dequantize(const std::uint8_t* q, const ChannelShape& shape, const ChannelAffine& params,
                float* x) {
  dequantize_any(q, shape, params, x);
}
void dequantize(const std::int8_t* q, const ChannelShape& shape, const ChannelAffine& params,
                float* x) {
  dequantize_any(q, shape, params, x);
}
void dequantize(const std::int32_t* q, const ChannelShape& shape, const ChannelAffine& params,
                float* x) {
  dequantize_any(q, shape, params, x);
}

void fake_quantize(const float* x, std::int64_t n, const Affine& params, float* y,
                   std::uint8_t* mask) {
  fake_quantize_any(x, n, params, y, mask);
}
void fake_quantize(const float* x, const ChannelShape& shape, const ChannelAffine& params, float* y,
                   std::uint8_t* mask) {
  fake_quantize_any(x, shape, params, y, mask);
}

void fake_quantize_backward(const float* dy, const std::uint8_t* mask, std::int64_t n, float* dx) {
  select(mask, dy, 0.0f, n, dx);
}

void add_quantized(const std::uint8_t* a, const Affine& a_params, const std::uint8_t* b,
                   const Affine& b_params, std::int64_t n, const Affine& params, std::uint8_t* q) {
  combine(quantize_table().combine_u8[0], a, a_params, b, b_params, n, params, q);
}
void add_quantized(const std::int8_t* a, const Affine& a_params, const std::int8_t* b,
                   const Affine& b_params, std::int64_t n, const Affine& params, std::int8_t* q) {
  combine(quantize_table().combine_s8[0], a, a_params, b, b_params, n, params, q);
}
void mul_quantized(const std::uint8_t* a, const Affine& a_params, const std::uint8_t* b,
                   const Affine& b_params, std::int64_t n, const Affine& params, std::uint8_t* q) {
  combine(quantize_table().combine_u8[1], a, a_params, b, b_params, n, params, q);
}
void mul_quantized(const std::int8_t* a, const Affine& a_params, const std::int8_t* b,
                   const Affine& b_params, std::int64_t n, const Affine& params, std::int8_t* q) {
  combine(quantize_table().combine_s8[1], a, a_params, b, b_params, n, params, q);
}

MinMax min_max(const float* x, std::int64_t n) {
  const auto loop = quantize_table().min_max;
  Range all;
  if (n <= grain) {
    all.numbers = loop(x, n, &all.lo, &all.hi);
    return all.result();
  }
  std::mutex mutex;
  parallel_for(0, n, grain, [&](std::int64_t i, std::int64_t end) {
    Range r;
    r.numbers = loop(x + i, end - i, &r.lo, &r.hi);
    const std::lock_guard lock(mutex);
    all.lo = std::min(all.lo, r.lo);
    all.hi = std::max(all.hi, r.hi);
    all.numbers = all.numbers && r.numbers;
  });
  return all.result();
}

void min_max(const float* x, const ChannelShape& shape, float* mins, float* maxs) {
  const auto loop = quantize_table().min_max;
  const std::int64_t values = std::max<std::int64_t>(1, shape.outer * shape.inner);
  parallel_for(0, shape.channels, std::max<std::int64_t>(1, grain / values),
               [&](std::int64_t c, std::int64_t end) {
                 for (; c < end; ++c) {
                   Range r;
                   for (std::int64_t o = 0; o < shape.outer; ++o) {
                     const float* row = x + (o * shape.channels + c) * shape.inner;
                     r.numbers = loop(row, shape.inner, &r.lo, &r.hi) && r.numbers;
                   }
                   const MinMax range = r.result();
                   mins[c] = range.min;
                   maxs[c] = range.max;
                 }
               });
}

}  // namespace adze::kernels
