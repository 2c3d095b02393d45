#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace adze {

/// A block of memory, 64-byte aligned, with a counter of writes. Not resizable.
class Storage {
 public:
  /// Uninitialised memory of `bytes` bytes (may be 0).
  static std::shared_ptr<Storage> allocate(std::size_t bytes);
  /// Memory of somebody else; `owner` is kept alive as long as the storage.
  static std::shared_ptr<Storage> borrow(void* data, std::size_t bytes,
                                         std::shared_ptr<const void> owner);

  ~Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  /// True if the memory is somebody else's, who may write to it.
  bool is_borrowed() const { return owner_ != nullptr; }
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  /// Writers need the caller's lock, so that this need not be one atomic step.
  void bump_version() { version_.store(version() + 1, std::memory_order_relaxed); }

 private:
  struct Key {};  // only Storage makes storages

 public:
  explicit Storage(Key) {}

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::atomic<std::uint64_t> version_{0};
  std::shared_ptr<const void> owner_;  // null: the memory is ours
};

}  // namespace adze
