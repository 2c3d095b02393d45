#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "adze/core/tensor.h"

namespace adze {

/// Named tensors and string metadata, as one safetensors file holds them.
///
/// Plain dtypes are stored as the format defines them, so files are exchanged with other readers in
/// both directions. A quantized tensor `name` is stored as its integers, plus a string in the
/// metadata (key "adze.quantizer.<name>") that holds its quantizer exactly.
///
/// A tensor `name` with many zeros may be stored as the blocks that are not all zero
/// (SaveOptions::leave_out_zero_blocks): "<name>.block_values" (kept, block rows, block columns),
/// "<name>.block_bitmap" (one bit per block, row by row, lowest bit first), and metadata
/// "adze.blocks.<name>" with the shape. Its matrix is the first dimension × all others.
/// Reading puts the zeros back.
struct SafeTensors {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads a safetensors file. Throws an `Error` that names the file and the fault for anything that
/// is not well formed: header length, JSON, unknown dtype, negative or overflowing shape, offsets
/// that are out of range, overlap, leave gaps, or do not fit shape and dtype, truncation.
SafeTensors load_safetensors(const std::string& path);
/// The same from memory; `what` names the source in errors.
SafeTensors parse_safetensors(std::span<const std::byte> bytes, const std::string& what = "buffer");

struct SaveOptions {
  /// Tensors of two or more dimensions are stored as their nonzero blocks where that takes less
  /// than three quarters of the space. Other readers of safetensors see the parts.
  bool leave_out_zero_blocks = false;
};

/// Writes the file atomically: a temporary file beside `path` is renamed over it, so that a failed
/// write leaves nothing behind and an old file whole.
void save_safetensors(const std::string& path, const SafeTensors& content,
                      SaveOptions options = {});
/// The bytes of the file: 8-byte header length, JSON header padded to a multiple of 8, data.
/// Tensors with larger elements come first, so that each is aligned for its elements.
std::vector<std::byte> serialize_safetensors(const SafeTensors& content, SaveOptions options = {});

}  // namespace adze
