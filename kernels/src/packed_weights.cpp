#include "packed_weights.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "adze/kernels/gemm_u8s8.h"

namespace adze::kernels {

using detail::PackedWeightsData;

namespace {

/// The largest sums, over all pairs of neighbours, of their positive and of their negative weights.
struct PairSums {
  std::int32_t positive = 0;
  std::int32_t negative = 0;

  void add(std::int32_t w0, std::int32_t w1) {
    positive = std::max(positive, std::max(w0, 0) + std::max(w1, 0));
    negative = std::max(negative, -std::min(w0, 0) - std::min(w1, 0));
  }
  /// The largest activation a <= 255 with a * positive <= 32767 and a * negative <= 32768: whatever
  /// part of a each weight meets, the sum of the pair fits int16.
  std::int32_t limit() const {
    return std::min({255, 32767 / std::max(positive, 1), 32768 / std::max(negative, 1)});
  }
};

}  // namespace

void PackedWeightsData::Free::operator()(std::int8_t* p) const {
  std::free(p);
}

PackedWeights::PackedWeights() : data_(std::make_shared<PackedWeightsData>()) {}

PackedWeights::PackedWeights(const std::int8_t* w, std::int64_t n, std::int64_t k,
                             std::int64_t ldw) {
  auto d = std::make_shared<PackedWeightsData>();
  constexpr std::int64_t tile_channels = PackedWeightsData::tile_channels;
  constexpr std::int64_t group_size = PackedWeightsData::group_size;
  d->n = n;
  d->k = k;
  d->tiles = (n + tile_channels - 1) / tile_channels;
  d->groups = (k + group_size - 1) / group_size;
  const std::int64_t bytes = d->tiles * d->groups * PackedWeightsData::group_bytes;
  if (bytes > 0) {
    auto* memory =
        static_cast<std::int8_t*>(std::aligned_alloc(64, static_cast<std::size_t>(bytes)));
    if (memory == nullptr) throw std::bad_alloc();
    d->weights.reset(memory);
  }
  d->sums = std::make_unique<std::int32_t[]>(static_cast<std::size_t>(d->tiles * tile_channels));

  PairSums pairs;
  std::int8_t* out = d->weights.get();
  for (std::int64_t t = 0; t < d->tiles; ++t) {
    for (std::int64_t g = 0; g < d->groups; ++g) {
      const std::int64_t start = d->group_start(g);
      for (std::int64_t c = t * tile_channels; c < (t + 1) * tile_channels; ++c) {
        for (std::int64_t j = 0; j < group_size; ++j) {
          const std::int64_t p = start + j;
          const bool here = c < n && p < k && p >= g * group_size;
          out[j] = here ? w[c * ldw + p] : std::int8_t{0};
          d->sums[static_cast<std::size_t>(c)] += out[j];
        }
        for (std::int64_t j = 0; j < group_size; j += 2) {
          pairs.add(out[j], out[j + 1]);
        }
        out += group_size;
      }
    }
  }
  d->pair_limit = pairs.limit();
  data_ = std::move(d);
}

std::int64_t PackedWeights::n() const {
  return data_->n;
}
std::int64_t PackedWeights::k() const {
  return data_->k;
}
std::int64_t PackedWeights::bytes() const {
  return data_->tiles *
         (data_->groups * PackedWeightsData::group_bytes +
          PackedWeightsData::tile_channels * static_cast<std::int64_t>(sizeof(std::int32_t)));
}
const std::int32_t* PackedWeights::sums() const {
  return data_->sums.get();
}
std::int32_t PackedWeights::pair_limit() const {
  return data_->pair_limit;
}

void PackedWeights::unpack(std::int8_t* w, std::int64_t ldw) const {
  const PackedWeightsData& d = *data_;
  for (std::int64_t c = 0; c < d.n; ++c) {
    const std::int8_t* tile = d.tile(c / PackedWeightsData::tile_channels);
    for (std::int64_t p = 0; p < d.k; ++p) {
      const std::int64_t g = p / PackedWeightsData::group_size;
      const std::int64_t channel = c % PackedWeightsData::tile_channels;
      w[c * ldw + p] = tile[g * PackedWeightsData::group_bytes +
                            channel * PackedWeightsData::group_size + (p - d.group_start(g))];
    }
  }
}

}  // namespace adze::kernels
