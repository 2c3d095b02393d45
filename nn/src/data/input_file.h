#pragma once

#include <cstdint>
#include <string>

#include "adze/core/shape.h"

namespace adze::nn::data {

/// Throws unless `path` is a regular file; `where` starts the error.
void check_regular_file(const std::string& path, const std::string& where);

/// All bytes of the file.
std::string read_text(const std::string& path, const std::string& where);

/// The shape of `samples` samples that have `features` features each, in that of one sample when it
/// is given.
Shape batch_shape(std::int64_t samples, std::int64_t features, const Shape& sample_shape,
                  const std::string& where);

}  // namespace adze::nn::data
