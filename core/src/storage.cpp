#include "adze/core/storage.h"

#include <new>
#include <utility>

#include "adze/core/error.h"

#include "block_pool.h"

namespace adze {

namespace {

constexpr std::size_t alignment = 64;

// Allocates the reference count, the Storage and the elements as one block. `extra` is what the
// elements need; their place behind the first two comes back through `elements`.
template <class T>
struct WithElements {
  using value_type = T;

  std::size_t extra;
  std::byte** elements;

  WithElements(std::size_t extra_bytes, std::byte** place) : extra(extra_bytes), elements(place) {}
  template <class U>
  WithElements(const WithElements<U>& other) : extra(other.extra), elements(other.elements) {}

  T* allocate(std::size_t n) {
    const std::size_t head = n * sizeof(T);
    auto* block = static_cast<std::byte*>(detail::take_block(block_bytes(n)));
    const auto end = reinterpret_cast<std::uintptr_t>(block) + head;
    *elements = block + head + (alignment - end % alignment) % alignment;
    return reinterpret_cast<T*>(block);
  }
  void deallocate(T* block, std::size_t n) noexcept { detail::give_block(block, block_bytes(n)); }
  std::size_t block_bytes(std::size_t n) const { return n * sizeof(T) + alignment - 1 + extra; }

  template <class U>
  bool operator==(const WithElements<U>& other) const {
    return extra == other.extra;
  }
};

}  // namespace

std::shared_ptr<Storage> Storage::allocate(std::size_t bytes) {
  constexpr std::uint64_t largest = std::uint64_t{1} << 47;  // the address space of a process
  check(bytes <= largest, "Storage: cannot allocate ", bytes, " bytes");
  try {
    std::byte* elements = nullptr;
    auto storage = std::allocate_shared<Storage>(WithElements<Storage>(bytes, &elements), Key{});
    storage->data_ = elements;
    storage->bytes_ = bytes;
    return storage;
  } catch (const std::bad_alloc&) {
    fail("Storage: cannot allocate ", bytes, " bytes");
  }
}

std::shared_ptr<Storage> Storage::borrow(void* data, std::size_t bytes,
                                         std::shared_ptr<const void> owner) {
  check(data != nullptr || bytes == 0, "Storage::borrow: got a null pointer for ", bytes, " bytes");
  auto storage = std::make_shared<Storage>(Key{});
  storage->data_ = static_cast<std::byte*>(data);
  storage->bytes_ = bytes;
  static const char nobody = 0;
  storage->owner_ =
      owner ? std::move(owner) : std::shared_ptr<const void>(std::shared_ptr<void>(), &nobody);
  return storage;
}

}  // namespace adze
