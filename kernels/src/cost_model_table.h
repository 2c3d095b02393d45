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
     {{1, 0.01035f, 1.671f},
      {2, 0.01698f, 0.2748f},
      {3, 0.02097f, 1.105f},
      {4, 0.0257f, 1.402f},
      {6, 0.03964f, 1.563f},
      {8, 0.05129f, 2.634f},
      {12, 0.08007f, 2.448f},
      {16, 0.105f, 3.603f},
      {32, 0.2093f, 8.539f},
      {48, 0.3146f, 11.31f},
      {64, 0.4222f, 15.87f},
      {128, 0.9322f, 0.0f}}},
    {Isa::avx512,
     {{1, 0.01226f, 0.0f},
      {2, 0.01441f, 0.5614f},
      {3, 0.01899f, 0.7328f},
      {4, 0.02771f, 0.3874f},
      {6, 0.04117f, 0.33f},
      {8, 0.05435f, 0.6337f},
      {12, 0.07737f, 1.796f},
      {16, 0.1036f, 2.482f},
      {32, 0.2057f, 4.326f},
      {48, 0.3105f, 6.423f},
      {64, 0.4107f, 9.018f},
      {128, 0.8249f, 17.47f}}},
    {Isa::avx512vnni,
     {{1, 0.01064f, 0.09235f},
      {2, 0.01214f, 0.6805f},
      {3, 0.01634f, 0.7979f},
      {4, 0.01751f, 0.7168f},
      {6, 0.02458f, 2.166f},
      {8, 0.03479f, 1.228f},
      {12, 0.05122f, 1.867f},
      {16, 0.06897f, 2.039f},
      {32, 0.1379f, 4.116f},
      {48, 0.2046f, 6.565f},
      {64, 0.2739f, 8.405f},
      {128, 0.5479f, 16.65f}}},
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
     {{1, 0.2571f, 7.247f, 1.076f}},
     true,
     {{8, 0.3528f, 3.69f, 0.6627f}, {16, 0.5726f, 5.352f, 0.845f}, {32, 1.058f, 7.063f, 2.266f}}},
    {Isa::avx2,
     4,
     4,
     4,
     {{1, 0.5192f, 2.113f, 0.09221f},
      {2, 0.6f, 2.467f, 0.2063f},
      {3, 0.7612f, 2.776f, 0.1871f},
      {4, 1.064f, 2.98f, 0.2316f}},
     true,
     {{8, 1.03f, 2.432f, 0.2867f}, {16, 1.9f, 4.385f, 0.8184f}}},
    {Isa::avx2,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.4025f, 0.5709f, 0.007052f},
      {2, 0.647f, 0.7952f, 0.01093f},
      {4, 0.9365f, 1.179f, 0.04154f},
      {8, 1.767f, 1.849f, 0.12f}}},
    {Isa::avx2,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.6356f, 0.448f, 0.0f}, {2, 0.9691f, 0.655f, 0.0205f}, {4, 1.829f, 0.9513f, 0.03589f}}},
    {Isa::avx2,
     1,
     16,
     4,
     {{1, 0.5827f, 5.081f, 0.9342f}},
     true,
     {{8, 1.44f, 3.542f, 0.5897f}, {16, 2.475f, 4.703f, 0.9584f}, {32, 4.6f, 6.413f, 2.237f}}},
    {Isa::avx2, 8, 1, 3, {{1, 0.29f, 2.021f, 0.0f}}, true, {{8, 0.7726f, 2.554f, 0.2805f}}},
    {Isa::avx512vnni,
     1,
     4,
     2,
     {{1, 0.2584f, 4.782f, 4.543f}},
     true,
     {{8, 0.3487f, 2.739f, 2.04f},
      {16, 0.4989f, 3.443f, 2.028f},
      {32, 0.8209f, 5.758f, 3.16f},
      {64, 1.486f, 10.53f, 4.955f}}},
    {Isa::avx512vnni,
     4,
     4,
     4,
     {{1, 0.3981f, 2.042f, 0.1822f},
      {2, 0.5506f, 2.243f, 0.2273f},
      {3, 0.5994f, 2.631f, 0.2582f},
      {4, 0.7208f, 3.568f, 0.2088f}},
     true,
     {{8, 0.9822f, 1.9f, 0.1652f}, {16, 1.231f, 3.032f, 0.5033f}, {32, 2.177f, 6.117f, 0.9583f}}},
    {Isa::avx512vnni,
     8,
     4,
     0,
     {},
     false,
     {{1, 0.3935f, 0.5194f, 0.0f},
      {2, 0.6298f, 0.6575f, 0.0f},
      {4, 0.9782f, 1.012f, 0.0f},
      {8, 1.363f, 1.567f, 0.09002f}}},
    {Isa::avx512vnni,
     16,
     4,
     0,
     {},
     false,
     {{1, 0.6093f, 0.3405f, 0.0f},
      {2, 0.9815f, 0.5176f, 0.004873f},
      {4, 1.512f, 0.9051f, 0.0f},
      {8, 3.026f, 1.257f, 0.0f}}},
    {Isa::avx512vnni,
     1,
     16,
     4,
     {{1, 0.4229f, 2.917f, 2.352f}},
     true,
     {{8, 1.153f, 2.925f, 1.743f},
      {16, 1.775f, 3.599f, 2.045f},
      {32, 3.111f, 5.985f, 2.942f},
      {64, 5.809f, 10.72f, 5.193f}}},
    {Isa::avx512vnni,
     8,
     1,
     3,
     {{1, 0.2831f, 1.789f, 0.03032f}},
     true,
     {{8, 0.4888f, 2.452f, 0.2722f}}},
};

}  // namespace adze::kernels
