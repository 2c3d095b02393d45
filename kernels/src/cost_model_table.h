/// \file
/// What products cost, measured; docs/kernels-sparse.md says how to measure again.
#pragma once

#include "adze/kernels/isa.h"

namespace adze::kernels {

constexpr double call_us = 0.05;  ///< of any call

/// A dense product of m rows takes ns_per_weight * n * k + ns_per_channel * n.
struct DenseCost {
  struct Knot {
    int m;
    float ns_per_weight, ns_per_channel;
  };
  Isa isa;
  Knot knots[13];  ///< ascending m; those with m = 0 at the end are none
};

/// A sparse kernel works through its rows in jobs. One job of so many rows takes ns_per_block *
/// blocks that are not zero + ns_per_channel * n + ns_per_input * k.
struct JobCost {
  int rows;
  float ns_per_block, ns_per_channel, ns_per_input;
};

/// Jobs ascend; those with 0 rows at the end are none.
struct SparseCost {
  Isa isa;
  int block_rows, block_cols;
  int few_rows;  ///< up to so many rows the jobs are those of `few`, else those of `jobs`
  JobCost few[4];
  bool panel;  ///< a job may have fewer rows than its size
  JobCost jobs[4];
};

// Zen 4 at 3.7 GHz, one thread, weights in the second-level cache, activations up to 127, u8
// output. Instruction sets that are not listed count as the last listed one that they include.
constexpr DenseCost dense_costs[] = {
    {Isa::scalar, {{1, 0.1341f, 3.478f}, {4, 0.5428f, 11.48f}, {16, 2.172f, 45.7f}}},
    {Isa::avx2,
     {{1, 0.01131f, 0.0f},
      {2, 0.01495f, 0.2806f},
      {3, 0.01955f, 0.6277f},
      {4, 0.02499f, 0.7939f},
      {6, 0.03623f, 1.081f},
      {8, 0.04957f, 2.052f},
      {12, 0.07208f, 2.669f},
      {16, 0.09631f, 3.945f},
      {32, 0.1915f, 6.557f},
      {48, 0.2848f, 8.841f},
      {64, 0.3812f, 13.05f},
      {128, 0.7622f, 25.01f}}},
    {Isa::avx512,
     {{1, 0.01086f, 0.3901f},
      {2, 0.01432f, 0.3963f},
      {3, 0.01969f, 0.4786f},
      {4, 0.02635f, 0.4708f},
      {6, 0.03842f, 0.7479f},
      {8, 0.05087f, 0.8655f},
      {12, 0.07533f, 1.378f},
      {16, 0.1014f, 2.224f},
      {32, 0.2011f, 4.378f},
      {48, 0.3008f, 6.477f},
      {64, 0.4019f, 8.981f},
      {128, 0.803f, 17.86f}}},
    {Isa::avx512vnni,
     {{1, 0.009043f, 0.0f},
      {2, 0.01209f, 0.06191f},
      {3, 0.01666f, 0.2629f},
      {4, 0.01771f, 0.2424f},
      {6, 0.02615f, 0.5911f},
      {8, 0.03513f, 0.692f},
      {12, 0.05179f, 1.457f},
      {16, 0.06911f, 1.723f},
      {32, 0.1377f, 3.572f},
      {48, 0.2058f, 6.237f},
      {64, 0.2743f, 8.116f},
      {128, 0.5492f, 16.18f}}},
};

constexpr SparseCost sparse_costs[] = {
    {Isa::scalar, 1, 4, 0, {}, false, {{1, 2.998f, 8.259f, 0.04139f}}},
    {Isa::scalar, 4, 4, 0, {}, false, {{1, 11.99f, 8.076f, 0.07864f}}},
    {Isa::scalar, 8, 4, 0, {}, false, {{1, 24.04f, 8.23f, 0.007528f}}},
    {Isa::scalar, 16, 4, 0, {}, false, {{1, 48.27f, 7.903f, 0.1507f}}},
    {Isa::scalar, 1, 16, 0, {}, false, {{1, 12.01f, 8.005f, 0.08211f}}},
    {Isa::scalar, 8, 1, 0, {}, false, {{1, 3.905f, 9.186f, 0.1427f}}},
    {Isa::avx2,
     1,
     4,
     2,
     {{1, 0.2835f, 3.539f, 0.1513f}, {2, 0.4547f, 4.741f, 0.215f}},
     true,
     {{8, 0.3546f, 2.67f, 0.6948f}, {16, 0.547f, 3.606f, 1.178f}, {32, 0.9609f, 5.205f, 2.117f}}},
    {Isa::avx2,
     4,
     4,
     4,
     {{1, 0.3604f, 1.199f, 0.1352f},
      {2, 0.5761f, 1.59f, 0.1662f},
      {3, 0.7436f, 2.007f, 0.2552f},
      {4, 1.001f, 2.141f, 0.2635f}},
     true,
     {{8, 0.9925f, 1.438f, 0.5246f}, {16, 1.823f, 2.722f, 1.17f}}},
    {Isa::avx2,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.3949f, 0.4225f, 0.02079f},
      {2, 0.654f, 0.6328f, 0.03176f},
      {4, 0.9389f, 0.9168f, 0.07482f},
      {8, 1.751f, 1.323f, 0.3405f}}},
    {Isa::avx2,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.649f, 0.2755f, 0.008415f},
      {2, 0.9898f, 0.4966f, 0.02539f},
      {4, 1.805f, 0.7253f, 0.1597f}}},
    {Isa::avx2,
     1,
     16,
     4,
     {{1, 0.4201f, 3.547f, 0.3227f},
      {2, 0.682f, 4.687f, 0.4161f},
      {3, 0.8265f, 5.749f, 0.5568f},
      {4, 1.1f, 6.615f, 0.5073f}},
     true,
     {{8, 1.273f, 2.573f, 0.6005f}, {16, 2.18f, 3.489f, 1.189f}, {32, 3.812f, 4.92f, 2.257f}}},
    {Isa::avx2, 8, 1, 3, {{1, 0.2825f, 0.5218f, 0.03934f}}, true, {{8, 0.7217f, 1.512f, 0.7307f}}},
    {Isa::avx512vnni,
     1,
     4,
     2,
     {{1, 0.2931f, 2.261f, 0.2532f}, {2, 0.4596f, 4.4f, 0.6319f}},
     true,
     {{8, 0.3544f, 2.771f, 0.87f},
      {16, 0.5137f, 2.788f, 0.8775f},
      {32, 0.8381f, 4.639f, 1.354f},
      {64, 1.496f, 7.615f, 2.3f}}},
    {Isa::avx512vnni,
     4,
     4,
     4,
     {{1, 0.3422f, 1.184f, 0.08272f},
      {2, 0.5547f, 1.537f, 0.08154f},
      {3, 0.6072f, 1.999f, 0.1382f},
      {4, 0.7576f, 2.096f, 0.1223f}},
     true,
     {{8, 0.9779f, 1.132f, 0.2768f}, {16, 1.239f, 1.819f, 0.4982f}, {32, 2.181f, 3.747f, 0.8774f}}},
    {Isa::avx512vnni,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.3982f, 0.3785f, 0.0f},
      {2, 0.6339f, 0.565f, 0.0f},
      {4, 1.02f, 0.5731f, 0.0f},
      {8, 1.363f, 1.223f, 0.05858f}}},
    {Isa::avx512vnni,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.6219f, 0.2083f, 0.0f},
      {2, 0.9931f, 0.4218f, 0.0f},
      {4, 1.567f, 0.521f, 0.0f},
      {8, 3.019f, 0.8905f, 0.0215f}}},
    {Isa::avx512vnni,
     1,
     16,
     4,
     {{1, 0.4132f, 2.113f, 0.4373f},
      {2, 0.6375f, 3.932f, 0.6536f},
      {3, 0.7898f, 4.967f, 0.765f},
      {4, 0.9553f, 5.864f, 0.9056f}},
     true,
     {{8, 1.197f, 2.359f, 0.6925f},
      {16, 1.837f, 2.803f, 0.7841f},
      {32, 3.137f, 4.696f, 1.162f},
      {64, 5.854f, 7.923f, 1.886f}}},
    {Isa::avx512vnni, 8, 1, 3, {{1, 0.2829f, 0.5577f, 0.0f}}, true, {{8, 0.452f, 1.761f, 0.4204f}}},
};

}  // namespace adze::kernels
