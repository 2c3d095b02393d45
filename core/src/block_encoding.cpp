#include "block_encoding.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace adze::detail {

namespace {

constexpr std::pair<std::int64_t, std::int64_t> block_shapes[] = {
    {1, 1}, {1, 4}, {1, 8}, {1, 16}, {4, 1}, {8, 1}, {4, 4}, {8, 4}, {16, 4}, {8, 8}, {16, 16}};

// Calls f(index, first element, rows, cols) for each block, with the part inside the matrix.
template <class F>
void for_each_block(const BlockGrid& grid, F&& f) {
  const MatrixBytes& m = grid.matrix;
  std::size_t index = 0;
  for (std::int64_t i = 0; i < m.rows; i += grid.block_rows)
    for (std::int64_t j = 0; j < m.cols; j += grid.block_cols)
      f(index++, static_cast<std::size_t>(i * m.cols + j) * m.item,
        std::min(grid.block_rows, m.rows - i), std::min(grid.block_cols, m.cols - j));
}

bool is_zero(const std::byte* data, std::size_t bytes) {
  return bytes == 0 || (data[0] == std::byte{0} && std::memcmp(data, data + 1, bytes - 1) == 0);
}

// What the elements with a byte that is not 0 take.
std::size_t nonzero_bytes(const std::byte* data, const MatrixBytes& matrix) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < matrix.bytes(); i += matrix.item)
    if (!is_zero(data + i, matrix.item)) bytes += matrix.item;
  return bytes;
}

std::vector<std::byte> map_of(const BlockGrid& grid, const std::byte* data) {
  std::vector<std::byte> bitmap(static_cast<std::size_t>((grid.count() + 7) / 8));
  const std::size_t stride = static_cast<std::size_t>(grid.matrix.cols) * grid.matrix.item;
  for_each_block(grid,
                 [&](std::size_t index, std::size_t first, std::int64_t rows, std::int64_t cols) {
                   const std::size_t width = static_cast<std::size_t>(cols) * grid.matrix.item;
                   for (std::int64_t r = 0; r < rows; ++r) {
                     if (is_zero(data + first + static_cast<std::size_t>(r) * stride, width))
                       continue;
                     bitmap[index / 8] |= std::byte{1} << (index % 8);
                     return;
                   }
                 });
  return bitmap;
}

bool is_kept(std::span<const std::byte> bitmap, std::size_t index) {
  return (bitmap[index / 8] >> (index % 8) & std::byte{1}) != std::byte{0};
}

// Calls f(bytes of the matrix, bytes of the block, their number) for each row of each kept block.
template <class F>
void for_each_kept_row(const BlockGrid& grid, std::span<const std::byte> bitmap, F&& f) {
  const MatrixBytes& m = grid.matrix;
  const std::size_t stride = static_cast<std::size_t>(m.cols) * m.item;
  const std::size_t block_stride = static_cast<std::size_t>(grid.block_cols) * m.item;
  std::size_t block = 0;
  for_each_block(grid,
                 [&](std::size_t index, std::size_t first, std::int64_t rows, std::int64_t cols) {
                   if (!is_kept(bitmap, index)) return;
                   for (std::int64_t r = 0; r < rows; ++r)
                     f(first + static_cast<std::size_t>(r) * stride,
                       block + static_cast<std::size_t>(r) * block_stride,
                       static_cast<std::size_t>(cols) * m.item);
                   block += grid.block_bytes();
                 });
}

}  // namespace

std::int64_t kept_blocks(std::span<const std::byte> bitmap) {
  std::int64_t kept = 0;
  for (const std::byte b : bitmap) kept += std::popcount(std::to_integer<unsigned>(b));
  return kept;
}

std::optional<BlockEncoding> encode_blocks(const std::byte* data, const MatrixBytes& matrix) {
  if (matrix.rows < 1 || matrix.cols < 1) return std::nullopt;
  BlockEncoding best;
  std::size_t best_bytes = matrix.bytes() / 4 * 3;
  if (nonzero_bytes(data, matrix) >= best_bytes) return std::nullopt;  // whatever the blocks
  for (const auto& [rows, cols] : block_shapes) {
    BlockEncoding e{{matrix, rows, cols}, 0, {}, {}};
    e.bitmap = map_of(e.grid, data);
    e.kept = kept_blocks(e.bitmap);
    const std::size_t bytes =
        e.bitmap.size() + static_cast<std::size_t>(e.kept) * e.grid.block_bytes();
    if (bytes >= best_bytes) continue;
    best_bytes = bytes;
    best = std::move(e);
  }
  if (best.bitmap.empty()) return std::nullopt;
  best.values.resize(static_cast<std::size_t>(best.kept) * best.grid.block_bytes());
  for_each_kept_row(best.grid, best.bitmap,
                    [&](std::size_t from, std::size_t to, std::size_t bytes) {
                      std::memcpy(best.values.data() + to, data + from, bytes);
                    });
  return best;
}

void decode_blocks(const BlockGrid& grid, std::span<const std::byte> bitmap,
                   std::span<const std::byte> values, std::byte* data) {
  std::memset(data, 0, grid.matrix.bytes());
  for_each_kept_row(grid, bitmap, [&](std::size_t to, std::size_t from, std::size_t bytes) {
    std::memcpy(data + to, values.data() + from, bytes);
  });
}

}  // namespace adze::detail
