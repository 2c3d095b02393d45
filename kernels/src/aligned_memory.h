/// \file
/// Memory for packed weights.
#pragma once

#include <cstdint>
#include <memory>

namespace adze::kernels {

struct FreeAligned {
  void operator()(void* p) const;
};
template <class T>
using AlignedArray = std::unique_ptr<T[], FreeAligned>;

/// Memory of so many bytes on a 64-byte boundary, not initialized; from 4 MB on in huge pages, as
/// far as it fills them and the system has them: addresses of small pages are looked up again and
/// again where a product reads its weights once. FreeAligned gives it back. Throws std::bad_alloc.
void* aligned_memory(std::int64_t bytes);

/// `count` zeros; readable for 64 bytes more, which are zeros, too.
template <class T>
AlignedArray<T> aligned_zeros(std::int64_t count);

extern template AlignedArray<std::int8_t> aligned_zeros(std::int64_t);
extern template AlignedArray<float> aligned_zeros(std::int64_t);

}  // namespace adze::kernels
