#include "aligned_memory.h"

#include <cstdlib>
#include <cstring>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace adze::kernels {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

}  // namespace

void FreeAligned::operator()(void* p) const {
  std::free(p);
}

void* aligned_memory(std::int64_t bytes) {
  const auto wanted = static_cast<std::size_t>(bytes);
  const std::size_t boundary = wanted >= 2 * huge_page ? huge_page : 64;
  const std::size_t size = (wanted + boundary - 1) / boundary * boundary;
  void* memory = std::aligned_alloc(boundary, size);
  if (memory == nullptr) throw std::bad_alloc();
#ifdef __linux__
  // A last page that is only begun would take 2 MB.
  if (boundary == huge_page) madvise(memory, wanted / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return memory;
}

template <class T>
AlignedArray<T> aligned_zeros(std::int64_t count) {
  const std::int64_t bytes = count * static_cast<std::int64_t>(sizeof(T)) + 64;
  void* memory = aligned_memory(bytes);
  return AlignedArray<T>(static_cast<T*>(std::memset(memory, 0, static_cast<std::size_t>(bytes))));
}

template AlignedArray<std::int8_t> aligned_zeros(std::int64_t);
template AlignedArray<float> aligned_zeros(std::int64_t);

}  // namespace adze::kernels
