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
     {{1, 0.01152f, 0.2039f},
      {2, 0.01476f, 0.7187f},
      {3, 0.02056f, 1.225f},
      {4, 0.02573f, 1.368f},
      {6, 0.03903f, 1.746f},
      {8, 0.05134f, 2.575f},
      {12, 0.07881f, 2.895f},
      {16, 0.1046f, 3.742f},
      {32, 0.208f, 8.922f},
      {48, 0.3131f, 11.74f},
      {64, 0.4179f, 16.03f},
      {128, 0.8344f, 32.32f}}},
    {Isa::avx512,
     {{1, 0.01121f, 0.251f},
      {2, 0.01417f, 0.6222f},
      {3, 0.01865f, 0.827f},
      {4, 0.02623f, 0.7692f},
      {6, 0.03892f, 0.9085f},
      {8, 0.05154f, 1.339f},
      {12, 0.07726f, 1.798f},
      {16, 0.1034f, 2.491f},
      {32, 0.2042f, 4.643f},
      {48, 0.3092f, 6.767f},
      {64, 0.4091f, 9.304f},
      {128, 0.823f, 17.68f}}},
    {Isa::avx512vnni,
     {{1, 0.01041f, 0.1184f},
      {2, 0.01197f, 0.6699f},
      {3, 0.01617f, 0.7643f},
      {4, 0.01727f, 0.682f},
      {6, 0.02567f, 0.9188f},
      {8, 0.03453f, 1.2f},
      {12, 0.05114f, 1.736f},
      {16, 0.06861f, 2.094f},
      {32, 0.1371f, 4.234f},
      {48, 0.2039f, 6.748f},
      {64, 0.2724f, 8.794f},
      {128, 0.545f, 17.22f}}},
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
     {{1, 0.2512f, 6.877f, 1.215f}},
     true,
     {{8, 0.3496f, 3.582f, 0.7141f}, {16, 0.5538f, 4.885f, 1.197f}, {32, 1.045f, 6.399f, 2.493f}}},
    {Isa::avx2,
     4,
     4,
     4,
     {{1, 0.5052f, 2.055f, 0.1304f},
      {2, 0.5934f, 2.41f, 0.2341f},
      {3, 0.7524f, 2.703f, 0.2274f},
      {4, 1.051f, 2.939f, 0.2566f}},
     true,
     {{8, 1.025f, 2.353f, 0.3223f}, {16, 1.879f, 4.025f, 0.9844f}}},
    {Isa::avx2,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.3819f, 0.5512f, 0.01709f},
      {2, 0.6408f, 0.7469f, 0.03169f},
      {4, 0.9237f, 1.118f, 0.0622f},
      {8, 1.741f, 1.74f, 0.1783f}}},
    {Isa::avx2,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.6173f, 0.4213f, 0.01152f},
      {2, 0.958f, 0.6253f, 0.03508f},
      {4, 1.802f, 0.8981f, 0.06455f}}},
    {Isa::avx2,
     1,
     16,
     4,
     {{1, 0.5691f, 4.924f, 0.9973f}},
     true,
     {{8, 1.422f, 3.48f, 0.6298f}, {16, 2.377f, 4.672f, 1.126f}, {32, 4.536f, 6.088f, 2.4f}}},
    {Isa::avx2, 8, 1, 3, {{1, 0.2823f, 1.966f, 0.02714f}}, true, {{8, 0.7562f, 2.492f, 0.3459f}}},
    {Isa::avx512vnni,
     1,
     4,
     2,
     {{1, 0.2551f, 4.745f, 4.514f}},
     true,
     {{8, 0.3459f, 2.768f, 2.003f},
      {16, 0.4958f, 3.432f, 1.994f},
      {32, 0.8181f, 5.731f, 3.124f},
      {64, 1.474f, 10.43f, 4.971f}}},
    {Isa::avx512vnni,
     4,
     4,
     4,
     {{1, 0.3955f, 2.024f, 0.1849f},
      {2, 0.5476f, 2.236f, 0.2258f},
      {3, 0.5971f, 2.606f, 0.2596f},
      {4, 0.7453f, 2.771f, 0.3129f}},
     true,
     {{8, 0.9776f, 1.905f, 0.1463f}, {16, 1.233f, 3.004f, 0.47f}, {32, 2.172f, 6.02f, 0.9675f}}},
    {Isa::avx512vnni,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.392f, 0.5134f, 0.0f},
      {2, 0.6248f, 0.6588f, 0.0f},
      {4, 1.003f, 0.7858f, 0.0f},
      {8, 1.356f, 1.556f, 0.08606f}}},
    {Isa::avx512vnni,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.5935f, 0.3404f, 0.0f},
      {2, 0.9796f, 0.518f, 0.0f},
      {4, 1.552f, 0.7284f, 0.0f},
      {8, 3.017f, 1.22f, 0.008872f}}},
    {Isa::avx512vnni,
     1,
     16,
     4,
     {{1, 0.4123f, 3.017f, 2.209f}},
     true,
     {{8, 1.138f, 2.84f, 1.775f},
      {16, 1.768f, 3.561f, 2.044f},
      {32, 3.106f, 5.83f, 2.894f},
      {64, 5.772f, 10.48f, 5.231f}}},
    {Isa::avx512vnni,
     8,
     1,
     3,
     {{1, 0.2772f, 1.789f, 0.02037f}},
     true,
     {{8, 0.487f, 2.477f, 0.2274f}}},
};

}  // namespace adze::kernels
