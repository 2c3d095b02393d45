#include "adze/core/storage.h"

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
