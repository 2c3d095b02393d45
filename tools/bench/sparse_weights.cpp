#include "bench/sparse_weights.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

#include <adze/ao/pruning/weight_norm_sparsifier.h>
#include <adze/core/autograd.h>
#include <adze/core/creation.h>
#include <adze/nn/container.h>
#include <adze/nn/linear.h>
#include <adze/nn/traversal.h>

#include "bench/u8s8_data.h"

namespace adze::bench {

namespace {

/// Sets a block of a matrix to zero.
void clear(std::int8_t* w, const PrunedProblem& p, std::int64_t block) {
  const std::int64_t n = p.size.n, k = p.size.k;
  const std::int64_t in_row = (k + p.block.cols - 1) / p.block.cols;
  const std::int64_t row = block / in_row * p.block.rows, column = block % in_row * p.block.cols;
  for (std::int64_t r = row; r < std::min(n, row + p.block.rows); ++r) {
    std::fill(w + r * k + column, w + r * k + std::min(k, column + p.block.cols), std::int8_t{0});
  }
}

AlignedVector<std::int8_t> random_mask(const PrunedProblem& p) {
  AlignedVector<std::int8_t> w = make_weights("normal", p.size.n, p.size.k);
  const std::int64_t rows = (p.size.n + p.block.rows - 1) / p.block.rows;
  const std::int64_t columns = (p.size.k + p.block.cols - 1) / p.block.cols;
  std::vector<std::int64_t> blocks(static_cast<std::size_t>(rows * columns));
  std::iota(blocks.begin(), blocks.end(), std::int64_t{0});
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937(3));
  blocks.resize(
      static_cast<std::size_t>(std::llround(p.sparsity * static_cast<double>(blocks.size()))));
  for (const std::int64_t block : blocks) clear(w.data(), p, block);
  return w;
}

AlignedVector<std::int8_t> norm_mask(const PrunedProblem& p) {
  const auto n = static_cast<std::size_t>(p.size.n), k = static_cast<std::size_t>(p.size.k);
  std::mt19937 engine(4);
  std::normal_distribution<float> normal;
  std::vector<float> values(n * k);
  for (std::size_t r = 0; r < n; ++r) {
    const float size = std::exp(0.5f * normal(engine));
    for (std::size_t i = 0; i < k; ++i) values[r * k + i] = size * normal(engine);
  }
  const NoGrad guard;
  const auto net = nn::make<nn::Sequential>();
  net->append(nn::make<nn::Linear>(from_vector(values, {p.size.n, p.size.k})));
  ao::pruning::WeightNormSparsifier sparsifier(
      {.sparsity_level = p.sparsity, .sparse_block_shape = {p.block.rows, p.block.cols}});
  sparsifier.prepare(*net);
  sparsifier.step();
  sparsifier.squash_mask();
  values = nn::find_parameter(*net, "0.weight")->value().to_vector<float>();

  AlignedVector<std::int8_t> w(n * k);
  for (std::size_t r = 0; r < n; ++r) {
    float largest = 1e-9f;
    for (std::size_t i = r * k; i < (r + 1) * k; ++i) {
      largest = std::max(largest, std::abs(values[i]));
    }
    for (std::size_t i = r * k; i < (r + 1) * k; ++i) {
      w[i] = static_cast<std::int8_t>(std::lrint(values[i] / largest * 127.0f));
    }
  }
  return w;
}

}  // namespace

std::string to_string(kernels::BlockShape block) {
  return std::to_string(block.rows) + "x" + std::to_string(block.cols);
}

kernels::BlockShape parse_block(const std::string& text) {
  std::string known;
  for (const kernels::BlockShape& block : kernels::sparse_block_shapes()) {
    if (text == to_string(block)) return block;
    known += (known.empty() ? "" : ", ") + to_string(block);
  }
  throw UsageError("problem 'block=" + text + "': the shapes of blocks are " + known);
}

std::string to_string(const PrunedProblem& p) {
  char sparsity[32];
  std::snprintf(sparsity, sizeof sparsity, "%g", p.sparsity);
  return to_string(p.size) + " block=" + to_string(p.block) + " sparsity=" + sparsity +
         " mask=" + p.mask;
}

AlignedVector<std::int8_t> make_pruned_weights(const PrunedProblem& problem) {
  return problem.mask == "norm" ? norm_mask(problem) : random_mask(problem);
}

}  // namespace adze::bench
