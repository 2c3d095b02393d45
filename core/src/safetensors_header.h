#pragma once

// The JSON header of a safetensors file, as text and checked.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adze/core/dtype.h"
#include "adze/core/shape.h"

namespace adze::detail {

/// Longer headers are refused, as by the format's own reader.
inline constexpr std::uint64_t max_header_bytes = 100'000'000;

struct SafeTensorsEntry {
  std::string name;
  DType dtype = DType::float32;  // a plain one
  Shape sizes = {};
  std::uint64_t begin = 0, end = 0;  // bytes of the data that follows the header
};

struct SafeTensorsHeader {
  std::vector<SafeTensorsEntry> tensors = {};  // in the order of their data
  std::map<std::string, std::string> metadata = {};
};

/// The header in `json`, checked against the number of bytes that follow it: known dtypes, shapes
/// that fit the offsets, tensors that cover the data without holes or overlap, no name twice.
/// `where` starts the errors.
SafeTensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                           const std::string& where);

/// The JSON text, names in sorted order. Throws for names and metadata that are not UTF-8.
std::string render_safetensors_header(const SafeTensorsHeader& header, const std::string& where);

}  // namespace adze::detail
