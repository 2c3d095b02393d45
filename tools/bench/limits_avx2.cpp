#include <immintrin.h>

#include "bench/limit_loops.h"

namespace adze::bench {

namespace {

struct Lanes {
  using F = __m256;
  using I = __m256i;
  static F all_f32(float x) { return _mm256_set1_ps(x); }
  static I all_s8(char x) { return _mm256_set1_epi8(x); }
  static I all_s16(short x) { return _mm256_set1_epi16(x); }
  static F fma(F a, F b, F sum) { return _mm256_fmadd_ps(a, b, sum); }
  static I maddubs(I a, I b) { return _mm256_maddubs_epi16(a, b); }
  static I madd(I a, I b) { return _mm256_madd_epi16(a, b); }
  static I add16(I a, I b) { return _mm256_add_epi16(a, b); }
  static I add32(I a, I b) { return _mm256_add_epi32(a, b); }
  static I either(I a, I b) { return _mm256_or_si256(a, b); }
  static I load(const char* from) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
  }
  static void store(char* to, I value) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), value);
  }
  template <class T>
  static void opaque(T& value) {
    asm volatile("" : "+x"(value));
  }
};

using Loops = LoopsOf<Lanes>;

}  // namespace

const LimitLoops limit_loops_avx2 = {
    kernels::Isa::avx2,
    {{Mix::f32_fma, Loops::f32_fma_operations, Loops::f32_fma},
     {Mix::u8s8_trio, Loops::u8s8_trio_operations, Loops::u8s8_trio},
     {Mix::u8s8_window4, Loops::u8s8_window4_operations, Loops::u8s8_window4},
     {Mix::u8s8_wide, Loops::u8s8_wide_operations, Loops::u8s8_wide}},
    Loops::read,
    Loops::copy};

}  // namespace adze::bench
