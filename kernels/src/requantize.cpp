#include <algorithm>

#include "adze/kernels/gemm_u8s8.h"
#include "adze/kernels/parallel.h"
#include "adze/kernels/reference.h"

#include "quantize_table.h"

namespace adze::kernels {

namespace {

constexpr std::int64_t grain = 1 << 15;  // sums that are worth a second thread
constexpr std::int64_t chunk = 256;      // channels whose copies lie on the stack

/// Calls run(sums, rows, scaling, out) for parts of `rows`.
template <class T, class Run>
void for_parts(SumRows rows, const std::int32_t* sums, const OutputStage& stage, T* out, Run run) {
  const PerChannel<float> multipliers = stage.multipliers, bias = stage.bias;
  if (multipliers.stride == 0 && bias.stride == 0) {
    const float multiplier = multipliers[0], b = bias[0];
    if (rows.lds == rows.n && rows.ldo == rows.n) rows = {1, rows.m * rows.n, 0, 0};
    run(sums, rows, SumScaling{&multiplier, &b, true}, out);
    return;
  }
  if (multipliers.stride == 1 && bias.stride == 1) {
    run(sums, rows, SumScaling{multipliers.data, bias.data, false}, out);
    return;
  }
  float multiplier_copies[chunk], bias_copies[chunk];
  for (std::int64_t c = 0; c < rows.n; c += chunk) {
    const std::int64_t count = std::min(chunk, rows.n - c);
    for (std::int64_t j = 0; j < count; ++j) {
      multiplier_copies[j] = multipliers[c + j];
      bias_copies[j] = bias[c + j];
    }
    run(sums + c, SumRows{rows.m, count, rows.lds, rows.ldo},
        SumScaling{multiplier_copies, bias_copies, false}, out + c);
  }
}

template <class Q>
void to_bytes(const SumRows& rows, const std::int32_t* sums, const OutputStage& stage, Q* out) {
  const std::int32_t zero_point = stage.out_zero_point;
  // The loops take NaN to the zero point without applying the bounds.
  if (zero_point < stage.out_min || zero_point > stage.out_max) {
    for (std::int64_t i = 0; i < rows.m; ++i) {
      for (std::int64_t c = 0; c < rows.n; ++c) {
        out[i * rows.ldo + c] =
            static_cast<Q>(reference::requantize(sums[i * rows.lds + c], c, stage));
      }
    }
    return;
  }
  const std::int32_t lowest = stage.relu ? std::max(stage.out_min, zero_point) : stage.out_min;
  const AffineRow row{0.0f, 0.0f, zero_point, static_cast<float>(lowest - zero_point),
                      static_cast<float>(stage.out_max - zero_point)};
  const QuantizeTable& table = quantize_table();
  parallel_for(0, rows.m, std::max<std::int64_t>(1, grain / std::max<std::int64_t>(1, rows.n)),
               [&](std::int64_t first, std::int64_t end) {
                 const SumRows some{end - first, rows.n, rows.lds, rows.ldo};
                 for_parts(some, sums + first * rows.lds, stage, out + first * rows.ldo,
                           [&](const std::int32_t* from, const SumRows& part,
                               const SumScaling& scaling, Q* to) {
                             if constexpr (Q(-1) < Q(0)) {
                               table.requantize_s8(from, part, scaling, row, to);
                             } else {
                               table.requantize_u8(from, part, scaling, row, to);
                             }
                           });
               });
}

}  // namespace

void requantize(const std::int32_t* sums, std::int64_t lds, std::int64_t m, std::int64_t n,
                const OutputStage& stage, void* out, std::int64_t ldo) {
  const SumRows rows{m, n, lds, ldo};
  switch (stage.type) {
    case OutputType::u8:
      to_bytes(rows, sums, stage, static_cast<std::uint8_t*>(out));
      return;
    case OutputType::s8:
      to_bytes(rows, sums, stage, static_cast<std::int8_t*>(out));
      return;
    case OutputType::f32:
      for_parts(rows, sums, stage, static_cast<float*>(out),
                [&, &table = quantize_table()](const std::int32_t* from, const SumRows& part,
                                               const SumScaling& scaling, float* to) {
                  table.requantize_f32(from, part, scaling, stage.relu, to);
                });
      return;
    case OutputType::s32:
      for (std::int64_t i = 0; i < m; ++i) {
        std::copy_n(sums + i * lds, n, static_cast<std::int32_t*>(out) + i * ldo);
      }
      return;
  }
}

}  // namespace adze::kernels
