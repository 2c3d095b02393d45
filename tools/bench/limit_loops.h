/// \file
/// The measuring loops of one instruction set. Only files with the flags of that instruction set
/// use the templates, with types of their own, so that nothing of them is shared.
#pragma once

#include <cstdint>
#include <utility>

#include "bench/limits.h"

namespace adze::bench {

struct MixLoop {
  Mix mix;
  double operations;  ///< of one step; a product and its addition are two
  void (*run)(std::int64_t steps);
};

struct LimitLoops {
  kernels::Isa isa;
  MixLoop mixes[4];  ///< those without function do not exist
  /// Reads; `bytes` is a multiple of 1024 and `from` on a 64-byte boundary, as in `copy`.
  void (*read)(const char* from, std::int64_t bytes);
  void (*copy)(const char* from, std::int64_t bytes, char* to);
};

extern const LimitLoops limit_loops_scalar;
extern const LimitLoops limit_loops_avx2;
extern const LimitLoops limit_loops_avxvnni;
extern const LimitLoops limit_loops_avx512;
extern const LimitLoops limit_loops_avx512vnni;

namespace {

/// Loops over registers of kind `L`. `L::opaque` makes the compiler forget what it knows about a
/// register, so that it keeps every instruction where it stands.
template <class L>
struct LoopsOf {
  static constexpr auto bytes = static_cast<std::int64_t>(sizeof(typename L::I));
  static constexpr int wide = 12, narrow = 8;  // enough independent sums to hide latencies

  template <class T, class F, std::size_t... i>
  [[gnu::always_inline]] static inline void each(T* sums, F f, std::index_sequence<i...>) {
    (f(sums[i]), ...);
  }

  /// `steps` times f(sum) for each of so many sums, which stay in registers.
  template <int count, class T, class F>
  [[gnu::always_inline]] static inline void repeat(std::int64_t steps, T start, F f) {
    T sums[count];
    constexpr auto all = std::make_index_sequence<count>();
    each(
        sums, [=](T& sum) { sum = start; }, all);
    for (std::int64_t s = 0; s < steps; ++s) {
      const auto step = [&](T & sum) __attribute__((always_inline)) {
        f(sum);
        L::opaque(sum);
      };
      each(sums, step, all);
    }
  }

  static void f32_fma(std::int64_t steps) {
    typename L::F a = L::all_f32(1.0f), b = L::all_f32(0.0f);
    L::opaque(a);
    L::opaque(b);
    repeat<wide>(steps, a, [&](typename L::F& sum) { sum = L::fma(a, b, sum); });
  }
  static constexpr double f32_fma_operations = wide * bytes / 4 * 2;

  /// A product of a and b that is not taken for the one before.
  [[gnu::always_inline]] static inline typename L::I product(typename L::I& a, typename L::I b) {
    L::opaque(a);
    return L::maddubs(a, b);
  }

  static void u8s8_trio(std::int64_t steps) {
    typename L::I a = L::all_s8(1), b = L::all_s8(2), ones = L::all_s16(1);
    L::opaque(b);
    L::opaque(ones);
    repeat<narrow>(steps, ones,
                   [&](typename L::I& sum) { sum = L::add32(sum, L::madd(product(a, b), ones)); });
  }
  static constexpr double u8s8_trio_operations = narrow * bytes * 2;

  static void u8s8_window4(std::int64_t steps) {
    typename L::I a = L::all_s8(1), b = L::all_s8(2), ones = L::all_s16(1);
    L::opaque(b);
    L::opaque(ones);
    repeat<narrow>(steps, ones, [&](typename L::I& sum) {
      typename L::I window = product(a, b);
      window = L::add16(window, product(a, b));
      L::opaque(window);
      window = L::add16(window, product(a, b));
      L::opaque(window);
      window = L::add16(window, product(a, b));
      L::opaque(window);
      sum = L::add32(sum, L::madd(window, ones));
    });
  }
  static constexpr double u8s8_window4_operations = 4 * narrow * bytes * 2;

  static void u8s8_wide(std::int64_t steps) {
    typename L::I a = L::all_s16(1), b = L::all_s16(2);
    L::opaque(b);
    repeat<narrow>(steps, b, [&](typename L::I& sum) {
      L::opaque(a);
      sum = L::add32(sum, L::madd(a, b));
    });
  }
  static constexpr double u8s8_wide_operations = narrow * bytes / 2 * 2;

  static void u8s8_dot(std::int64_t steps) {
    typename L::I a = L::all_s8(1), b = L::all_s8(2);
    L::opaque(a);
    L::opaque(b);
    repeat<wide>(steps, a, [&](typename L::I& sum) { sum = L::dot(sum, a, b); });
  }
  static constexpr double u8s8_dot_operations = wide * bytes * 2;

  static constexpr std::int64_t bytes_of_step = 1024;

  static void read(const char* from, std::int64_t size) {
    constexpr std::int64_t loads = bytes_of_step / bytes;
    typename L::I a = L::all_s8(0), b = a, c = a, d = a;
    for (std::int64_t at = 0; at < size; at += bytes_of_step) {
#pragma GCC unroll 16
      for (std::int64_t i = 0; i < loads; i += 4) {
        const char* p = from + at + i * bytes;
        a = L::either(a, L::load(p));
        b = L::either(b, L::load(p + bytes));
        c = L::either(c, L::load(p + 2 * bytes));
        d = L::either(d, L::load(p + 3 * bytes));
      }
    }
    a = L::either(L::either(a, b), L::either(c, d));
    L::opaque(a);
  }

  static void copy(const char* from, std::int64_t size, char* to) {
    for (std::int64_t at = 0; at < size; at += bytes_of_step) {
#pragma GCC unroll 64
      for (std::int64_t i = 0; i < bytes_of_step; i += bytes) {
        typename L::I value = L::load(from + at + i);
        L::opaque(value);
        L::store(to + at + i, value);
      }
    }
  }
};

}  // namespace

}  // namespace adze::bench
