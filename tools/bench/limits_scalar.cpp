// Reading and copying with registers that every processor has.
#include <cstring>

#include "bench/limit_loops.h"

namespace adze::bench {

namespace {

struct Lanes {
  using I = std::uint64_t __attribute__((vector_size(16)));
  static I all_s8(char) { return I{}; }
  static I either(I a, I b) { return a | b; }
  static I load(const char* from) {
    I value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static void store(char* to, I value) { std::memcpy(to, &value, sizeof value); }
  static void opaque(I& value) {
#if defined(__x86_64__)
    asm volatile("" : "+x"(value));
#elif defined(__aarch64__)
    asm volatile("" : "+w"(value));
#else
    asm volatile("" : "+m"(value));
#endif
  }
};

using Loops = LoopsOf<Lanes>;

}  // namespace

const LimitLoops limit_loops_scalar = {kernels::Isa::scalar, {}, Loops::read, Loops::copy};

}  // namespace adze::bench
