#pragma once

// A matrix of which many blocks are zero, as its other blocks and a map of where they are.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace adze::detail {

/// A matrix of `rows` × `cols` elements of `item` bytes, row-major.
struct MatrixBytes {
  std::int64_t rows, cols;
  std::size_t item;

  std::size_t bytes() const {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * item;
  }
};

/// Blocks of `block_rows` × `block_cols` elements, row by row; those at the right and lower edge
/// may reach beyond the matrix.
struct BlockGrid {
  MatrixBytes matrix;
  std::int64_t block_rows, block_cols;

  std::int64_t down() const { return (matrix.rows + block_rows - 1) / block_rows; }
  std::int64_t across() const { return (matrix.cols + block_cols - 1) / block_cols; }
  std::int64_t count() const { return down() * across(); }
  std::size_t block_bytes() const {
    return static_cast<std::size_t>(block_rows * block_cols) * matrix.item;
  }
};

struct BlockEncoding {
  BlockGrid grid;
  std::int64_t kept = 0;          // blocks with a byte that is not 0
  std::vector<std::byte> bitmap;  // bit i % 8 of byte i / 8: block i is kept
  std::vector<std::byte> values;  // the kept blocks, elements beyond the matrix are 0
};

/// The shortest encoding over block shapes from (1, 1) to (16, 16), or nothing if none is below
/// three quarters of the matrix.
std::optional<BlockEncoding> encode_blocks(const std::byte* data, const MatrixBytes& matrix);

/// How many blocks a bitmap keeps; bits behind the last block count too.
std::int64_t kept_blocks(std::span<const std::byte> bitmap);

/// Writes the whole matrix, zero blocks included. Sizes must fit the grid (kept_blocks).
void decode_blocks(const BlockGrid& grid, std::span<const std::byte> bitmap,
                   std::span<const std::byte> values, std::byte* data);

}  // namespace adze::detail
