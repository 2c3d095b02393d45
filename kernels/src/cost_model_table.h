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
     {{1, 0.01101f, 0.175f},
      {2, 0.01519f, 0.6131f},
      {3, 0.02201f, 0.8935f},
      {4, 0.02747f, 0.911f},
      {6, 0.03917f, 1.21f},
      {8, 0.05452f, 1.779f},
      {12, 0.07836f, 2.298f},
      {16, 0.1047f, 3.311f},
      {32, 0.2102f, 6.232f},
      {48, 0.3123f, 9.255f},
      {64, 0.418f, 12.5f},
      {128, 0.8388f, 23.92f}}},
    {Isa::avx512,
     {{1, 0.01122f, 0.2512f},
      {2, 0.01398f, 0.4864f},
      {3, 0.01878f, 0.7109f},
      {4, 0.02537f, 0.7232f},
      {6, 0.03951f, 0.6927f},
      {8, 0.05156f, 0.8615f},
      {12, 0.07835f, 1.108f},
      {16, 0.1031f, 1.665f},
      {32, 0.2124f, 2.615f},
      {48, 0.3127f, 4.69f},
      {64, 0.4238f, 5.88f},
      {128, 0.8423f, 12.12f}}},
    {Isa::avx512vnni,
     {{1, 0.01042f, 0.1321f},
      {2, 0.0118f, 0.6009f},
      {3, 0.01623f, 0.6995f},
      {4, 0.01733f, 0.5795f},
      {6, 0.02566f, 0.7478f},
      {8, 0.03439f, 1.063f},
      {12, 0.05118f, 1.418f},
      {16, 0.06829f, 1.827f},
      {32, 0.1367f, 3.619f},
      {48, 0.2041f, 5.465f},
      {64, 0.2725f, 7.158f},
      {128, 0.5441f, 14.72f}}},
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
     {{1, 0.2507f, 6.857f, 1.196f}},
     true,
     {{8, 0.3487f, 3.491f, 0.7163f}, {16, 0.5559f, 4.796f, 1.202f}, {32, 1.047f, 6.321f, 2.527f}}},
    {Isa::avx2,
     4,
     4,
     4,
     {{1, 0.5072f, 1.986f, 0.125f},
      {2, 0.5955f, 2.357f, 0.2353f},
      {3, 0.754f, 2.621f, 0.2346f},
      {4, 1.052f, 2.87f, 0.2634f}},
     true,
     {{8, 1.027f, 2.29f, 0.2999f}, {16, 1.879f, 3.991f, 0.9902f}}},
    {Isa::avx2,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.391f, 0.4899f, 0.005987f},
      {2, 0.6458f, 0.6859f, 0.0244f},
      {4, 0.9331f, 1.048f, 0.05128f},
      {8, 1.745f, 1.699f, 0.193f}}},
    {Isa::avx2,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.6279f, 0.3592f, 0.005618f},
      {2, 0.9696f, 0.555f, 0.02759f},
      {4, 1.806f, 0.8784f, 0.06478f}}},
    {Isa::avx2,
     1,
     16,
     4,
     {{1, 0.5814f, 4.737f, 0.8551f}},
     true,
     {{8, 1.422f, 3.489f, 0.5984f}, {16, 2.379f, 4.703f, 1.13f}, {32, 4.551f, 6.041f, 2.456f}}},
    {Isa::avx2, 8, 1, 3, {{1, 0.283f, 1.881f, 0.03245f}}, true, {{8, 0.7563f, 2.441f, 0.3632f}}},
    {Isa::avx512vnni,
     1,
     4,
     2,
     {{1, 0.2561f, 4.75f, 4.501f}},
     true,
     {{8, 0.3457f, 2.755f, 2.006f},
      {16, 0.4943f, 3.461f, 2.03f},
      {32, 0.82f, 5.643f, 3.169f},
      {64, 1.477f, 10.37f, 4.873f}}},
    {Isa::avx512vnni,
     4,
     4,
     4,
     {{1, 0.3982f, 1.972f, 0.1828f},
      {2, 0.5503f, 2.191f, 0.2232f},
      {3, 0.5997f, 2.555f, 0.2666f},
      {4, 0.7519f, 2.705f, 0.3098f}},
     true,
     {{8, 0.9775f, 1.858f, 0.1567f}, {16, 1.235f, 2.954f, 0.4875f}, {32, 2.179f, 6.025f, 0.9467f}}},
    {Isa::avx512vnni,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.3982f, 0.4427f, 0.0f},
      {2, 0.6281f, 0.6062f, 0.0002137f},
      {4, 1.004f, 0.73f, 0.0f},
      {8, 1.36f, 1.531f, 0.08601f}}},
    {Isa::avx512vnni,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.606f, 0.2779f, 0.0f},
      {2, 0.9888f, 0.4588f, 0.0f},
      {4, 1.559f, 0.6628f, 0.0f},
      {8, 3.012f, 1.208f, 0.007233f}}},
    {Isa::avx512vnni,
     1,
     16,
     4,
     {{1, 0.3926f, 3.084f, 2.634f}},
     true,
     {{8, 1.137f, 2.813f, 1.852f},
      {16, 1.802f, 3.339f, 1.877f},
      {32, 3.092f, 5.791f, 2.917f},
      {64, 5.763f, 10.38f, 5.244f}}},
    {Isa::avx512vnni,
     8,
     1,
     3,
     {{1, 0.2779f, 1.756f, 0.01995f}},
     true,
     {{8, 0.4859f, 2.457f, 0.2258f}}},
};

}  // namespace adze::kernels
