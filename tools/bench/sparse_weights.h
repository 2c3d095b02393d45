#pragma once

#include <cstdint>
#include <string>

#include <adze/kernels/gemm_sparse.h>

#include "bench/aligned.h"
#include "bench/options.h"

namespace adze::bench {

/// A product with weights of which a part of the blocks is zero.
struct PrunedProblem {
  Problem size;
  kernels::BlockShape block{4, 4};
  double sparsity = 0;
  /// "random": blocks anywhere; "norm": those that a WeightNormSparsifier prunes of a matrix whose
  /// channels differ in size, so that some lose many blocks and some few.
  std::string mask = "random";
};

/// "4x4".
std::string to_string(kernels::BlockShape block);
/// The shape written so. Throws UsageError unless sparse products know it.
kernels::BlockShape parse_block(const std::string& text);

/// "m=64 n=1024 k=1024 block=4x4 sparsity=0.8 mask=random".
std::string to_string(const PrunedProblem& problem);

/// int8 weights from a normal distribution, n × k, without the blocks that the mask prunes.
AlignedVector<std::int8_t> make_pruned_weights(const PrunedProblem& problem);

}  // namespace adze::bench
