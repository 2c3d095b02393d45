#pragma once

#include <cstdint>

#include "adze/core/tensor.h"

namespace adze::ao::quantization {

/// A number that tells which elements of a float32 tensor are zero; the same for all others.
std::uint64_t zeros_fingerprint(const Tensor& t);

}  // namespace adze::ao::quantization
