#include <immintrin.h>

#include "bench/limit_loops.h"

namespace adze::bench {

namespace {

struct Lanes {
  using I = __m256i;
  static I all_s8(char x) { return _mm256_set1_epi8(x); }
  static I dot(I sum, I a, I b) { return _mm256_dpbusd_avx_epi32(sum, a, b); }
  static void opaque(I& value) { asm volatile("" : "+x"(value)); }
};

using Loops = LoopsOf<Lanes>;

}  // namespace

const LimitLoops limit_loops_avxvnni = {
    kernels::Isa::avxvnni,
    {{Mix::u8s8_dot, Loops::u8s8_dot_operations, Loops::u8s8_dot}, {}, {}, {}},
    nullptr,
    nullptr};

}  // namespace adze::bench
