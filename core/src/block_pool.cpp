#include "block_pool.h"

#include <array>
#include <bit>
#include <cstdint>
#include <new>

// The sanitizer must see each block come and go.
#if defined(__SANITIZE_ADDRESS__)
#define ADZE_NO_BLOCK_POOL 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADZE_NO_BLOCK_POOL 1
#endif
#endif

namespace adze::detail {

#if defined(ADZE_NO_BLOCK_POOL)

void* take_block(std::size_t bytes) {
  return ::operator new(bytes);
}
void give_block(void* block, std::size_t) noexcept {
  ::operator delete(block);
}

#else

namespace {

// Sizes are rounded up to one of 4 steps between powers of two.
constexpr std::size_t smallest = 64;

struct SizeClass {
  std::size_t index, bytes;
};

SizeClass class_of(std::size_t bytes) {
  if (bytes <= smallest) return {0, smallest};
  // 2^power < bytes <= 2^(power + 1)
  const int power = 63 - std::countl_zero(std::uint64_t{bytes - 1});
  const std::size_t step = std::size_t{1} << (power - 2);
  const std::size_t rounded = (bytes + step - 1) / step * step;
  const std::size_t quarter = rounded / step - 5;  // 0..3
  return {(static_cast<std::size_t>(power) - 6) * 4 + 1 + quarter, rounded};
}

static_assert(std::has_single_bit(smallest) && std::has_single_bit(largest_pooled));
constexpr std::size_t class_count = std::bit_width(largest_pooled / smallest - 1) * 4 + 1;

struct FreeBlock {
  FreeBlock* next;
};

// Trivially destructible, so that tensors may be destroyed after the thread's Closer.
struct Lists {
  std::array<FreeBlock*, class_count> heads;
  std::size_t bytes;
  bool closed;
};
thread_local Lists lists{};

void release_all() {
  for (FreeBlock*& head : lists.heads) {
    while (head != nullptr) {
      FreeBlock* next = head->next;
      ::operator delete(static_cast<void*>(head));
      head = next;
    }
  }
  lists.bytes = 0;
}

// Gives everything back when the thread ends.
struct Closer {
  ~Closer() {
    release_all();
    lists.closed = true;
  }
  void arm() {}
};
thread_local Closer closer;

}  // namespace

void* take_block(std::size_t bytes) {
  if (bytes > largest_pooled) return ::operator new(bytes);
  const SizeClass size = class_of(bytes);
  FreeBlock*& head = lists.heads[size.index];
  if (head == nullptr) return ::operator new(size.bytes);
  FreeBlock* block = head;
  head = block->next;
  lists.bytes -= size.bytes;
  return block;
}

void give_block(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  if (bytes > largest_pooled || lists.closed) {
    ::operator delete(block);
    return;
  }
  closer.arm();
  const SizeClass size = class_of(bytes);
  if (lists.bytes + size.bytes > pool_limit) {
    ::operator delete(block);
    return;
  }
  auto* free = ::new (block) FreeBlock{lists.heads[size.index]};
  lists.heads[size.index] = free;
  lists.bytes += size.bytes;
}

#endif

}  // namespace adze::detail
