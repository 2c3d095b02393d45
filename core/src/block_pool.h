#pragma once

// Memory for tensors: blocks that a thread keeps for its next tensors, so that a network which runs
// again and again does not go to the heap.

#include <cstddef>

namespace adze::detail {

/// A block of at least `bytes` bytes, on a 16-byte boundary. Throws std::bad_alloc.
void* take_block(std::size_t bytes);
/// Takes back what `take_block(bytes)` of any thread gave.
void give_block(void* block, std::size_t bytes) noexcept;

/// The most bytes that one thread keeps, and the size from which on blocks are not kept.
inline constexpr std::size_t pool_limit = std::size_t{32} << 20;
inline constexpr std::size_t largest_pooled = std::size_t{8} << 20;

/// std::allocator over these blocks.
template <class T>
struct PoolAllocator {
  using value_type = T;

  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(take_block(n * sizeof(T))); }
  void deallocate(T* p, std::size_t n) noexcept { give_block(p, n * sizeof(T)); }
  template <class U>
  bool operator==(const PoolAllocator<U>&) const {
    return true;
  }
};

}  // namespace adze::detail
