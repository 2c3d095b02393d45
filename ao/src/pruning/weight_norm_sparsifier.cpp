#include "adze/ao/pruning/weight_norm_sparsifier.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "adze/core/creation.h"
#include "adze/core/ops.h"

namespace adze::ao::pruning {
namespace {

SparseValues defaults_of(const WeightNormOptions& o) {
  SparseValues values{{"sparsity_level", o.sparsity_level},
                      {"sparse_block_shape", o.sparse_block_shape}};
  if (o.zeros_per_block) values["zeros_per_block"] = *o.zeros_per_block;
  return values;
}

std::int64_t block_size(const Shape& block) {
  check(block.size() == 2 && block[0] > 0 && block[1] > 0,
        "sparse_block_shape expects rows and columns, both positive, got ", block);
  return numel(block);
}

// A matrix cut into blocks.
struct Grid {
  std::int64_t rows, cols, block_rows, block_cols;
  std::int64_t across = (cols + block_cols - 1) / block_cols;
  std::int64_t down = (rows + block_rows - 1) / block_rows;
  std::int64_t blocks() const { return across * down; }

  // Calls f(offset) for the elements of a block, row by row.
  template <class F>
  void each(std::int64_t block, F&& f) const {
    const std::int64_t top = block / across * block_rows, left = block % across * block_cols;
    const std::int64_t bottom = std::min(rows, top + block_rows);
    const std::int64_t right = std::min(cols, left + block_cols);
    for (std::int64_t r = top; r < bottom; ++r)
      for (std::int64_t c = left; c < right; ++c) f(r * cols + c);
  }
};

// Puts the positions of the k smallest scores first; NaN is the largest, the first of equals the
// smallest.
template <class T>
void smallest_first(std::vector<std::int64_t>& positions, std::int64_t k, const T* score) {
  const auto less = [score](std::int64_t a, std::int64_t b) {
    const T x = score[a], y = score[b];
    if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
    return x < y || (!(y < x) && a < b);
  };
  if (k < static_cast<std::int64_t>(positions.size()))
    std::nth_element(positions.begin(), positions.begin() + k, positions.end(), less);
}

// Indices of the blocks to prune, in no particular order.
template <class T>
std::vector<std::int64_t> select_blocks(const Grid& grid, const T* norm, double level) {
  std::vector<std::int64_t> blocks(static_cast<std::size_t>(grid.blocks()));
  std::iota(blocks.begin(), blocks.end(), std::int64_t{0});
  if (level >= 1) return blocks;
  const auto n = static_cast<double>(grid.blocks());
  const auto k = static_cast<std::int64_t>(std::clamp(std::nearbyint(level * n), 0.0, n - 1));

  std::vector<T> score(blocks.size());
  for (const std::int64_t b : blocks) {
    T sum = 0, count = 0;
    grid.each(b, [&](std::int64_t i) { sum += norm[i], count += 1; });
    score[static_cast<std::size_t>(b)] = sum / count;
  }
  smallest_first(blocks, k, score.data());
  blocks.resize(static_cast<std::size_t>(k));
  return blocks;
}

template <class T>
void prune(const Grid& grid, const T* norm, double level, std::int64_t zeros_per_block,
           float* mask) {
  std::vector<std::int64_t> elements;
  for (const std::int64_t block : select_blocks(grid, norm, level)) {
    elements.clear();
    grid.each(block, [&](std::int64_t i) { elements.push_back(i); });
    const auto z = std::min(zeros_per_block, static_cast<std::int64_t>(elements.size()));
    smallest_first(elements, z, norm);
    for (std::int64_t i = 0; i < z; ++i) mask[elements[static_cast<std::size_t>(i)]] = 0;
  }
}

}  // namespace

Norm::Norm(int p) : p_(p) {
  check(p == 1 || p == 2, "L-", p, " is not yet implemented.");
}

Tensor Norm::operator()(const Tensor& weight) const {
  if (!function_) return p_ == 1 ? abs(weight) : square(weight);
  Tensor norm = function_(weight);
  check(norm.defined() && norm.sizes() == weight.sizes(), "norm must give a tensor of shape ",
        weight.sizes(), ", it gave ", norm.defined() ? to_string(norm.sizes()) : "none");
  return norm;
}

WeightNormSparsifier::WeightNormSparsifier(WeightNormOptions options)
    : BaseSparsifier(options.name, defaults_of(options)), norm_(std::move(options.norm)) {}

void WeightNormSparsifier::complete(SparseValues& values) const {
  if (!values.contains("zeros_per_block"))
    values["zeros_per_block"] = block_size(values.at("sparse_block_shape").to_shape());
}

void WeightNormSparsifier::check_group(const SparseGroup& group) const {
  check(std::isfinite(group.sparsity_level()), "sparsity_level must be a number, got ",
        group.sparsity_level());
  const std::int64_t size = block_size(group.sparse_block_shape()), zeros = group.zeros_per_block();
  check(zeros <= size,
        "Number of zeros per block cannot be more than the total number of elements in that "
        "block. (",
        zeros, " zeros, block ", group.sparse_block_shape(), ")");
  check(zeros >= 0, "Number of zeros per block should be positive. (", zeros, ")");
}

Tensor WeightNormSparsifier::update_mask(const SparseGroup& group, const Tensor& value) {
  const double level = group.sparsity_level();
  const Tensor mask = ones(value.sizes());
  if (level <= 0 || group.zeros_per_block() == 0 || value.numel() == 0) return mask;

  const std::int64_t rows = value.dim() > 1 ? value.size(0) : 1;
  const Shape block = group.sparse_block_shape();
  const Grid grid{rows, value.numel() / rows, block[0], block[1]};
  const bool wide = value.dtype() == float64;
  const Tensor norm =
      norm_(wide ? value : value.to(float32)).to(wide ? float64 : float32).contiguous();
  if (wide) {
    prune(grid, norm.data<double>(), level, group.zeros_per_block(), mask.mutable_data<float>());
  } else {
    prune(grid, norm.data<float>(), level, group.zeros_per_block(), mask.mutable_data<float>());
  }
  return mask;
}

}  // namespace adze::ao::pruning
