#include "tensor_blocks.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <nlohmann/json.hpp>

#include "adze/core/error.h"
#include "adze/core/tensor_impl.h"

#include "block_encoding.h"
#include "safetensors_header.h"

namespace adze::detail {

namespace {

using Json = nlohmann::json;

// The first dimension × all others.
MatrixBytes matrix_of(const Shape& sizes, DType dtype) {
  const std::int64_t rows = sizes[0];
  return {rows, rows > 0 ? numel(sizes) / rows : 0, item_size(dtype)};
}

std::span<const std::byte> bytes_of(const Tensor& t) {
  return {static_cast<const std::byte*>(t.raw_data()),
          static_cast<std::size_t>(t.numel()) * item_size(t.dtype())};
}

Tensor tensor_of(const Shape& sizes, DType dtype, const std::vector<std::byte>& bytes) {
  Tensor t = make_tensor(sizes, dtype);
  if (!bytes.empty()) std::memcpy(t.mutable_raw_data(), bytes.data(), bytes.size());
  return t;
}

Shape shape_from(const std::string& text, const std::string& prefix) {
  constexpr std::uint64_t most = std::uint64_t{1} << 47;  // elements, as for any tensor
  const Json json = Json::parse(text, nullptr, false);
  check(json.is_object() && json.size() == 1 && json.contains("shape") &&
            json["shape"].is_array() && json["shape"].size() >= 2 && json["shape"].size() <= 64 &&
            std::all_of(json["shape"].begin(), json["shape"].end(),
                        [](const Json& v) { return v.is_number_unsigned(); }),
        prefix, "the description of its blocks ", in_quotes(text), " is not of the expected form");
  Shape sizes;
  std::uint64_t count = 1;
  for (const Json& size : json["shape"]) {
    const auto v = size.get<std::uint64_t>();
    check(v > 0 && v <= most / count, prefix, "no blocks for shape ",
          in_quotes(json["shape"].dump()));
    count *= v;
    sizes.push_back(static_cast<std::int64_t>(v));
  }
  return sizes;
}

BlockGrid grid_of(const Shape& sizes, const Tensor& values) {
  return {matrix_of(sizes, values.dtype()), values.size(1), values.size(2)};
}

}  // namespace

std::optional<TensorBlocks> split_blocks(const Tensor& plain) {
  if (plain.dim() < 2 || plain.numel() == 0 || plain.dtype() == boolean) return std::nullopt;
  const auto e = encode_blocks(bytes_of(plain).data(), matrix_of(plain.sizes(), plain.dtype()));
  if (!e) return std::nullopt;
  std::vector<std::int64_t> sizes;
  for (std::int64_t d = 0; d < plain.dim(); ++d) sizes.push_back(plain.size(d));
  return TensorBlocks{
      tensor_of({e->kept, e->grid.block_rows, e->grid.block_cols}, plain.dtype(), e->values),
      tensor_of({static_cast<std::int64_t>(e->bitmap.size())}, uint8, e->bitmap),
      Json{{"shape", sizes}}.dump()};
}

Shape checked_shape(const TensorBlocks& blocks, const std::string& prefix) {
  constexpr std::int64_t longest = 64;  // bounds what few bytes of a file can ask for
  const Tensor& values = blocks.values;
  const Tensor& bitmap = blocks.bitmap;
  check(values.dim() == 3 && values.size(1) >= 1 && values.size(1) <= longest &&
            values.size(2) >= 1 && values.size(2) <= longest && values.dtype() != boolean,
        prefix, "blocks of ", values.dtype(), " ", values.sizes(), " are not known");
  check(bitmap.dtype() == uint8 && bitmap.dim() == 1, prefix,
        "the map of its blocks must be a vector of uint8, got ", bitmap.dtype(), " ",
        bitmap.sizes());
  const Shape sizes = shape_from(blocks.description, prefix);
  const std::int64_t count = grid_of(sizes, values).count();
  const std::int64_t needed = (count + 7) / 8;
  check(bitmap.numel() == needed, prefix, "the map must have ", needed, " bytes for ", count,
        " blocks, got ", bitmap.numel());
  const auto map = bytes_of(bitmap);
  const std::int64_t used = count - (needed - 1) * 8;  // bits of the last byte
  check(std::to_integer<unsigned>(map.back()) >> used == 0, prefix,
        "the map keeps blocks behind the last");
  const std::int64_t kept = kept_blocks(map);
  check(kept == values.size(0), prefix, "the map keeps ", kept, " blocks, the file has ",
        values.size(0));
  return sizes;
}

void join_blocks(const TensorBlocks& blocks, Tensor& whole) {
  decode_blocks(grid_of(whole.sizes(), blocks.values), bytes_of(blocks.bitmap),
                bytes_of(blocks.values), static_cast<std::byte*>(whole.mutable_raw_data()));
}

}  // namespace adze::detail
