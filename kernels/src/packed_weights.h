/// \file
/// The orders in which PackedWeights holds its weights.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "aligned_memory.h"
#include "u8s8_orders.h"

namespace adze::kernels::detail {

/// Memory on a 64-byte boundary, with 64 bytes of zeros behind its end.
class PackedBytes {
 public:
  PackedBytes() = default;
  explicit PackedBytes(std::int64_t bytes);

  template <class T>
  T* as() const {
    return static_cast<T*>(data_.get());
  }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<void, FreeAligned> data_;
  std::int64_t bytes_ = 0;
};

/// The weights in one order, and the memory it lies in.
struct PackedOrder {
  U8S8Weights view;
  PackedBytes weights, offsets, tiles;

  std::int64_t bytes() const { return weights.bytes() + offsets.bytes() + tiles.bytes(); }
};

class PackedWeightsData {
 public:
  PackedWeightsData() = default;
  PackedWeightsData(const std::int8_t* w, std::int64_t n, std::int64_t k, std::int64_t ldw);

  /// The weights in this order, which is made if it is not there yet.
  const U8S8Weights& in(U8S8Order order) const {
    const auto i = static_cast<std::size_t>(order);
    const PackedOrder* ready = ready_[i].load(std::memory_order_acquire);
    return ready != nullptr ? ready->view : make(order);
  }
  std::int64_t bytes() const;
  void unpack(std::int8_t* w, std::int64_t ldw) const;

  std::int64_t n = 0;
  std::int64_t k = 0;
  float typical_weight = 0;
  PackedBytes sums;  ///< int32, one for each channel, zeros up to a multiple of 16

 private:
  const U8S8Weights& make(U8S8Order order) const;
  void pack(const std::int8_t* w, std::int64_t ldw, U8S8Order order) const;

  mutable std::mutex mutex_;
  mutable std::array<std::unique_ptr<const PackedOrder>, u8s8_orders> packed_;
  mutable std::array<std::atomic<const PackedOrder*>, u8s8_orders> ready_{};
};

}  // namespace adze::kernels::detail
