#include "adze/core/storage.h"

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "adze/core/error.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("storage is aligned, and empty storage has an address too", "[core][storage]") {
  for (std::size_t bytes : {0, 1, 63, 64, 1000, 100000}) {
    const auto s = Storage::allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(s->data()) % 64 == 0);
    CHECK(s->data() != nullptr);
    CHECK(s->bytes() == bytes);
    std::fill_n(s->data(), bytes, std::byte{1});
  }
  CHECK_THROWS_WITH(Storage::allocate(static_cast<std::size_t>(-1)),
                    ContainsSubstring("cannot allocate"));
  CHECK_THROWS_WITH(Storage::allocate(std::size_t{1} << 62), ContainsSubstring("cannot allocate"));
}

TEST_CASE("memory may be given back by another thread, at a thread's end, and be used again",
          "[core][storage][threads]") {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::shared_ptr<Storage>> made;
    std::thread([&] {
      thread_local std::shared_ptr<Storage> last;  // given back after the thread's other memory
      for (std::size_t bytes : {0, 1, 64, 65, 4000, 1 << 20, 9 << 20}) {
        made.push_back(Storage::allocate(bytes));
        last = Storage::allocate(bytes);
        std::fill_n(last->data(), bytes, std::byte{7});
        std::fill_n(made.back()->data(), bytes, std::byte{static_cast<unsigned char>(round)});
      }
    }).join();
    for (const auto& s : made) {
      const auto again = Storage::allocate(s->bytes());
      CHECK(again->data() != s->data());
      std::fill_n(again->data(), s->bytes(), std::byte{9});
      CHECK(std::all_of(s->data(), s->data() + s->bytes(), [&](std::byte b) {
        return b == std::byte{static_cast<unsigned char>(round)};
      }));
    }
  }
}

TEST_CASE("only memory of somebody else is borrowed", "[core][storage]") {
  std::array<std::byte, 8> memory{};
  CHECK_FALSE(Storage::allocate(8)->is_borrowed());
  CHECK(Storage::borrow(memory.data(), 8, nullptr)->is_borrowed());
  CHECK(Storage::borrow(memory.data(), 8, std::make_shared<int>(1))->is_borrowed());
}

TEST_CASE("borrowed memory is used in place and its owner kept", "[core][storage]") {
  auto owner = std::make_shared<std::array<std::byte, 16>>();
  std::weak_ptr<std::array<std::byte, 16>> watch = owner;
  std::byte* data = owner->data();
  auto s = Storage::borrow(data, 16, std::move(owner));
  CHECK(s->data() == data);
  CHECK_FALSE(watch.expired());
  s.reset();
  CHECK(watch.expired());
  CHECK_THROWS_WITH(Storage::borrow(nullptr, 4, nullptr), ContainsSubstring("null pointer"));
  CHECK(Storage::borrow(nullptr, 0, nullptr)->bytes() == 0);
}

TEST_CASE("the version of a storage counts writes", "[core][storage]") {
  const auto s = Storage::allocate(4);
  CHECK(s->version() == 0);
  s->bump_version();
  s->bump_version();
  CHECK(s->version() == 2);
}
