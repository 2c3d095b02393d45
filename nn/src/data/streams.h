#pragma once

#include <cstdint>

#include "adze/core/random.h"

namespace adze::nn::data {

/// What random numbers are for; each purpose has its own stream.
enum class Purpose : std::uint64_t { order, affine };

/// The numbers of one epoch for one purpose.
inline Generator epoch_stream(std::uint64_t seed, Purpose purpose, std::uint64_t epoch) {
  const Generator purposes(seed);
  const Generator epochs(purposes.at(static_cast<std::uint64_t>(purpose)));
  return Generator(epochs.at(epoch));
}

}  // namespace adze::nn::data
