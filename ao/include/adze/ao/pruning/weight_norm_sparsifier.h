#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "adze/ao/pruning/base_sparsifier.h"

namespace adze::ao::pruning {

/// How much each element of a weight counts: 2 is its square, 1 its absolute value, or a function
/// that gives a tensor of the same shape. What counts least is pruned first.
class Norm {
 public:
  Norm() = default;
  /// Throws unless p is 1 or 2.
  Norm(int p);
  template <class F>
  requires std::convertible_to<std::invoke_result_t<F&, const Tensor&>, Tensor> Norm(F f)
      : function_(std::move(f)) {}

  Tensor operator()(const Tensor& weight) const;

 private:
  int p_ = 2;
  std::function<Tensor(const Tensor&)> function_;
};

struct WeightNormOptions {
  double sparsity_level = 0.5;                       // fraction of the blocks that is pruned
  Shape sparse_block_shape = {1, 4};                 // (rows, columns)
  std::optional<std::int64_t> zeros_per_block = {};  // left out: all elements of a block
  Norm norm = {};
  std::string name = "WeightNormSparsifier";
};

/// Prunes the blocks of a weight that count least.
///
/// A weight is taken as the matrix (dim 0, all other dims); a vector is one row. Blocks tile it
/// from element (0, 0); those at the right and bottom edge may be smaller. A block counts as much
/// as the mean of its elements under `norm`. Of n blocks, round(sparsity_level · n) (half to even,
/// at least 0, at most n - 1) are selected, those that count least, the first of equals; a level of
/// 1 or more selects all, of 0 or less none. In each selected block the `zeros_per_block` elements
/// that count least become zero, the first of equals.
///
/// Pruned elements count 0, so at a constant level the mask stays, and at a growing one it only
/// gets more zeros. At a lower level elements come back with the values stored under the mask.
/// Groups have the settings sparsity_level, sparse_block_shape and zeros_per_block. Where a config
/// has a block shape of its own and nobody set zeros_per_block, it is the product of that shape.
class WeightNormSparsifier : public BaseSparsifier {
 public:
  explicit WeightNormSparsifier(WeightNormOptions options = {});
  std::string type() const override { return "WeightNormSparsifier"; }

 protected:
  Tensor update_mask(const SparseGroup& group, const Tensor& value) override;
  void complete(SparseValues& values) const override;
  void check_group(const SparseGroup& group) const override;

 private:
  Norm norm_;
};

}  // namespace adze::ao::pruning
