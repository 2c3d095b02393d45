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
     {{1, 0.01137f, 0.0f},
      {2, 0.01517f, 0.2465f},
      {3, 0.01954f, 0.6303f},
      {4, 0.02507f, 0.7977f},
      {6, 0.03636f, 1.066f},
      {8, 0.04937f, 2.108f},
      {12, 0.07214f, 2.636f},
      {16, 0.09641f, 3.771f},
      {32, 0.1919f, 6.28f},
      {48, 0.2854f, 8.537f},
      {64, 0.3811f, 12.75f},
      {128, 0.7622f, 24.66f}}},
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
     {{1, 0.009053f, 0.0f},
      {2, 0.01221f, 0.03991f},
      {3, 0.01672f, 0.2525f},
      {4, 0.01773f, 0.2386f},
      {6, 0.02607f, 0.5765f},
      {8, 0.03475f, 0.7376f},
      {12, 0.05152f, 1.464f},
      {16, 0.06878f, 1.728f},
      {32, 0.137f, 3.615f},
      {48, 0.2045f, 6.376f},
      {64, 0.2726f, 8.267f},
      {128, 0.5449f, 16.66f}}},
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
     {{1, 0.2281f, 1.756f, 0.2005f}},
     true,
     {{8, 0.347f, 1.987f, 0.5333f}, {16, 0.5652f, 2.8f, 1.052f}, {32, 0.9565f, 4.488f, 1.949f}}},
    {Isa::avx2,
     4,
     4,
     3,
     {{1, 0.3253f, 0.8246f, 0.1771f}, {2, 0.5489f, 1.138f, 0.2938f}, {3, 0.6608f, 1.406f, 0.5401f}},
     true,
     {{8, 0.9841f, 1.263f, 0.4525f}, {16, 1.823f, 2.399f, 1.088f}}},
    {Isa::avx2,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.3983f, 0.313f, 0.01933f},
      {2, 0.6517f, 0.5442f, 0.0f},
      {4, 0.9297f, 0.7527f, 0.07348f},
      {8, 1.74f, 1.154f, 0.2746f}}},
    {Isa::avx2,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.6337f, 0.2337f, 0.01252f},
      {2, 0.9859f, 0.4666f, 0.001724f},
      {4, 1.806f, 0.6665f, 0.1336f}}},
    {Isa::avx2,
     1,
     16,
     4,
     {{1, 0.3196f, 1.641f, 0.2512f},
      {2, 0.5874f, 2.18f, 0.1974f},
      {3, 0.718f, 2.928f, 0.3718f},
      {4, 0.9229f, 3.473f, 0.3906f}},
     true,
     {{8, 1.23f, 2.178f, 0.5761f}, {16, 2.141f, 2.933f, 1.07f}, {32, 3.764f, 4.352f, 2.087f}}},
    {Isa::avx2, 8, 1, 2, {{1, 0.2834f, 0.5537f, 0.009228f}}, true, {{8, 0.592f, 1.367f, 0.507f}}},
    {Isa::avx512vnni,
     1,
     4,
     1,
     {{1, 0.2363f, 1.575f, 0.3474f}},
     true,
     {{8, 0.3442f, 1.894f, 0.5675f},
      {16, 0.4816f, 2.363f, 0.7059f},
      {32, 0.8121f, 4.248f, 0.9595f},
      {64, 1.494f, 7.71f, 1.706f}}},
    {Isa::avx512vnni,
     4,
     4,
     4,
     {{1, 0.3238f, 0.8413f, 0.1076f},
      {2, 0.5322f, 1.15f, 0.207f},
      {3, 0.6201f, 1.409f, 0.3763f},
      {4, 0.7471f, 1.312f, 0.5594f}},
     true,
     {{8, 0.9729f, 0.9478f, 0.2218f}, {16, 1.241f, 1.776f, 0.3992f}, {32, 2.189f, 3.976f, 0.744f}}},
    {Isa::avx512vnni,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.3952f, 0.287f, 0.0f},
      {2, 0.6588f, 0.409f, 0.0f},
      {4, 1.019f, 0.4652f, 0.0f},
      {8, 1.398f, 1.007f, 0.03546f}}},
    {Isa::avx512vnni,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.6163f, 0.1552f, 0.0f},
      {2, 1.016f, 0.3712f, 0.0f},
      {4, 1.562f, 0.5328f, 0.0f},
      {8, 3.028f, 0.9145f, 0.005641f}}},
    {Isa::avx512vnni,
     1,
     16,
     3,
     {{1, 0.3071f, 1.34f, 0.3094f}, {2, 0.6522f, 2.039f, 0.3322f}, {3, 0.7441f, 2.634f, 0.5495f}},
     true,
     {{8, 1.183f, 2.065f, 0.536f},
      {16, 1.824f, 2.439f, 0.6378f},
      {32, 3.106f, 4.308f, 0.8883f},
      {64, 5.692f, 8.12f, 1.31f}}},
    {Isa::avx512vnni,
     8,
     1,
     2,
     {{1, 0.2806f, 0.4994f, 0.0f}},
     true,
     {{8, 0.5334f, 1.178f, 0.2861f}}},
};

}  // namespace adze::kernels
