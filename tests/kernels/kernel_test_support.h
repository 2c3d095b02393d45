/// \file
/// What the tests of kernels/ share: each instruction set in turn, reproducible data, exact
/// comparison.
#pragma once

#include <bit>
#include <cstdint>
#include <new>
#include <random>
#include <string>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <adze/kernels/isa.h>
#include <adze/kernels/parallel.h>

namespace adze::kernels::testing {

/// Puts instruction set and number of threads back at the end of a test.
class Restore {
 public:
  Restore() : isa_(active()) {}
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  ~Restore() {
    set_active(isa_);
    set_num_threads(0);
  }

 private:
  Isa isa_;
};

/// Calls f(isa) with each supported instruction set active.
template <class F>
void for_each_isa(F f) {
  const Restore restore;
  for (Isa isa : all_isas()) {
    if (!supported(isa)) continue;
    set_active(isa);
    f(isa);
  }
}

/// Reproducible numbers, the same on every platform.
class Numbers {
 public:
  explicit Numbers(std::uint32_t seed) : engine_(seed) {}

  /// From lo to hi, both included.
  std::int32_t integer(std::int32_t lo, std::int32_t hi) {
    return lo + static_cast<std::int32_t>(engine_() %
                                          static_cast<std::uint32_t>(std::int64_t{hi} - lo + 1));
  }
  bool coin() { return integer(0, 1) == 1; }
  float real(float lo, float hi) {
    return lo + (hi - lo) * static_cast<float>(engine_() >> 8) / 16777216.0f;
  }
  std::vector<float> reals(std::int64_t n, float lo = -2.0f, float hi = 2.0f) {
    std::vector<float> x(static_cast<std::size_t>(n));
    for (float& v : x) v = real(lo, hi);
    return x;
  }
  template <class T>
  std::vector<T> integers(std::int64_t n, std::int32_t lo, std::int32_t hi) {
    std::vector<T> x(static_cast<std::size_t>(n));
    for (T& v : x) v = static_cast<T>(integer(lo, hi));
    return x;
  }

 private:
  std::mt19937 engine_;
};

/// A copy of some values that ends where a forbidden page begins: reading or writing behind it
/// kills the program, also in code that no sanitizer sees.
template <class T>
class Guarded {
 public:
  explicit Guarded(const std::vector<T>& values) : size_(values.size()) {
#ifdef __linux__
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = (size_ * sizeof(T) + page - 1) / page * page;
    mapped_ = bytes + page;
    void* memory =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<unsigned char*>(memory);
    mprotect(base_ + bytes, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(base_ + bytes - size_ * sizeof(T));
#else
    data_ = new T[size_];
#endif
    for (std::size_t i = 0; i < size_; ++i) data_[i] = values[i];
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
#ifdef __linux__
    munmap(base_, mapped_);
#else
    delete[] data_;
#endif
  }

  T* data() const {
    return data_;
  }
  std::vector<T> values() const {
    return std::vector<T>(data_, data_ + size_);
  }

 private:
  std::size_t size_;
  T* data_ = nullptr;
#ifdef __linux__
  std::size_t mapped_ = 0;
  unsigned char* base_ = nullptr;
#endif
};

/// True if both are the same float, bit for bit, or both NaN.
inline bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (a != a && b != b);
}
inline bool same(std::uint8_t a, std::uint8_t b) {
  return a == b;
}
inline bool same(std::int8_t a, std::int8_t b) {
  return a == b;
}
inline bool same(std::int32_t a, std::int32_t b) {
  return a == b;
}

/// Where two arrays first differ and how, or an empty text.
template <class T>
std::string difference(const std::vector<T>& actual, const std::vector<T>& expected) {
  if (actual.size() != expected.size()) return "sizes differ";
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!same(actual[i], expected[i])) {
      return "at " + std::to_string(i) + ": " + std::to_string(actual[i]) + " instead of " +
             std::to_string(expected[i]);
    }
  }
  return "";
}

}  // namespace adze::kernels::testing
