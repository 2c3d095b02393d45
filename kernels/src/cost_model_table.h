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
     {{1, 0.01134f, 0.0f},
      {2, 0.01509f, 0.2637f},
      {3, 0.01964f, 0.6241f},
      {4, 0.02568f, 0.7159f},
      {6, 0.03666f, 1.024f},
      {8, 0.05012f, 2.015f},
      {12, 0.07246f, 2.59f},
      {16, 0.09704f, 3.682f},
      {32, 0.1925f, 6.142f},
      {48, 0.2855f, 8.593f},
      {64, 0.3819f, 12.66f},
      {128, 0.7636f, 24.82f}}},
    {Isa::avx512,
     {{1, 0.01109f, 0.3098f},
      {2, 0.01439f, 0.3655f},
      {3, 0.01964f, 0.483f},
      {4, 0.02632f, 0.4773f},
      {6, 0.03851f, 0.7138f},
      {8, 0.05104f, 0.8426f},
      {12, 0.07537f, 1.37f},
      {16, 0.1016f, 2.184f},
      {32, 0.2012f, 4.397f},
      {48, 0.3007f, 6.475f},
      {64, 0.402f, 9.005f},
      {128, 0.8027f, 17.96f}}},
    {Isa::avx512vnni,
     {{1, 0.008843f, 0.0f},
      {2, 0.01203f, 0.04364f},
      {3, 0.01649f, 0.2586f},
      {4, 0.01749f, 0.2684f},
      {6, 0.0259f, 0.6254f},
      {8, 0.03473f, 0.7319f},
      {12, 0.05138f, 1.508f},
      {16, 0.0687f, 1.744f},
      {32, 0.1369f, 3.673f},
      {48, 0.2041f, 6.529f},
      {64, 0.2723f, 8.409f},
      {128, 0.5448f, 16.81f}}},
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
     1,
     {{1, 0.2172f, 1.673f, 0.1727f}},
     true,
     {{8, 0.3489f, 2.035f, 0.4995f},
      {16, 0.5675f, 2.865f, 0.9876f},
      {32, 0.9585f, 4.489f, 1.944f}}},
    {Isa::avx2,
     4,
     4,
     3,
     {{1, 0.3182f, 0.8636f, 0.1584f}, {2, 0.5239f, 1.14f, 0.269f}, {3, 0.6273f, 1.453f, 0.5137f}},
     true,
     {{8, 0.9777f, 1.314f, 0.4241f}, {16, 1.805f, 2.502f, 1.039f}}},
    {Isa::avx2,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.3979f, 0.3167f, 0.0f},
      {2, 0.6508f, 0.5198f, 0.0f},
      {4, 0.9274f, 0.7717f, 0.03229f},
      {8, 1.732f, 1.168f, 0.2527f}}},
    {Isa::avx2,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.6341f, 0.2323f, 0.0f}, {2, 0.9854f, 0.4409f, 0.0f}, {4, 1.8f, 0.676f, 0.1209f}}},
    {Isa::avx2,
     1,
     16,
     4,
     {{1, 0.29f, 1.538f, 0.2005f},
      {2, 0.5254f, 1.793f, 0.1582f},
      {3, 0.6701f, 2.467f, 0.326f},
      {4, 0.8651f, 2.983f, 0.3707f}},
     true,
     {{8, 1.232f, 2.198f, 0.5227f}, {16, 2.141f, 2.958f, 1.036f}, {32, 3.749f, 4.318f, 2.115f}}},
    {Isa::avx2, 8, 1, 2, {{1, 0.284f, 0.546f, 0.0f}}, true, {{8, 0.5903f, 1.418f, 0.486f}}},
    {Isa::avx512vnni,
     1,
     4,
     1,
     {{1, 0.2158f, 1.559f, 0.1675f}},
     true,
     {{8, 0.3425f, 2.019f, 0.3452f},
      {16, 0.4801f, 2.448f, 0.4914f},
      {32, 0.8073f, 4.51f, 0.7203f},
      {64, 1.506f, 7.73f, 1.474f}}},
    {Isa::avx512vnni,
     4,
     4,
     4,
     {{1, 0.3224f, 0.8436f, 0.1066f},
      {2, 0.505f, 1.116f, 0.2112f},
      {3, 0.5767f, 1.345f, 0.4169f},
      {4, 0.748f, 1.318f, 0.5638f}},
     true,
     {{8, 0.9717f, 0.95f, 0.2133f}, {16, 1.305f, 1.655f, 0.3943f}, {32, 2.187f, 4.021f, 0.7111f}}},
    {Isa::avx512vnni,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.3968f, 0.3005f, 0.0f},
      {2, 0.6571f, 0.4068f, 0.0f},
      {4, 1.015f, 0.4813f, 0.0f},
      {8, 1.394f, 0.9989f, 0.03664f}}},
    {Isa::avx512vnni,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.614f, 0.1679f, 0.0f},
      {2, 1.011f, 0.3737f, 0.0f},
      {4, 1.555f, 0.5395f, 0.0f},
      {8, 3.028f, 0.9057f, 0.003192f}}},
    {Isa::avx512vnni,
     1,
     16,
     3,
     {{1, 0.2925f, 1.352f, 0.1725f}, {2, 0.5707f, 1.624f, 0.07652f}, {3, 0.6434f, 2.173f, 0.2358f}},
     true,
     {{8, 1.178f, 2.165f, 0.3588f},
      {16, 1.816f, 2.589f, 0.4913f},
      {32, 3.098f, 4.525f, 0.6724f},
      {64, 5.713f, 7.91f, 1.303f}}},
    {Isa::avx512vnni,
     8,
     1,
     2,
     {{1, 0.2798f, 0.5108f, 0.0f}},
     true,
     {{8, 0.5344f, 1.167f, 0.2589f}}},
};

}  // namespace adze::kernels
