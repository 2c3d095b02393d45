#pragma once

// A tensor with many zeros as tensors that hold only its nonzero blocks.

#include <optional>
#include <string>

#include "adze/core/tensor.h"

namespace adze::detail {

struct TensorBlocks {
  Tensor values;            // (kept, block rows, block columns), dtype of the whole
  Tensor bitmap;            // uint8, one bit per block, lowest first
  std::string description;  // JSON: {"shape": [...]} of the whole
};

/// The nonzero blocks of a contiguous, plain tensor, or nothing where they take more than three
/// quarters of it, for tensors of less than two dimensions, and for booleans.
std::optional<TensorBlocks> split_blocks(const Tensor& plain);

/// The shape of the whole. Parts may come from anywhere: throws an Error that begins with `prefix`
/// unless they fit each other.
Shape checked_shape(const TensorBlocks& blocks, const std::string& prefix);

/// Fills `whole`, which is contiguous and of that shape.
void join_blocks(const TensorBlocks& blocks, Tensor& whole);

}  // namespace adze::detail
