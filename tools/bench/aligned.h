#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace adze::bench {

template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}  // NOLINT: implicit by intent

  T* allocate(std::size_t n) {
    return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64)));
  }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t(64)); }
  friend bool operator==(const AlignedAllocator&, const AlignedAllocator&) { return true; }
};

/// A vector that begins with a cache line, as the memory of tensors does.
template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace adze::bench
