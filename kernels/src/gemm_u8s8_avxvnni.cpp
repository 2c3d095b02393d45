#include <cstdint>
#include <immintrin.h>

#include "gemm_u8s8_kernel.h"
#include "gemm_u8s8_vnni_256.h"
#include "u8s8_lanes_256.h"

namespace adze::kernels {

namespace {

struct Dot {
  [[gnu::always_inline]] static inline __m256i add(__m256i s, __m256i a, __m256i w) {
    return _mm256_dpbusd_avx_epi32(s, a, w);
  }
};

void run(const U8S8Panel& panel) {
  run_panel<VnniTile256<Dot>, U8S8Lanes256<Dot>>(panel);
}

}  // namespace

const U8S8Kernel u8s8_gemm_avxvnni{"u8s8_gemm_6x16c4_avxvnni",
                                   Isa::avxvnni,
                                   U8S8Order::plain,
                                   VnniTile256<Dot>::rows,
                                   [](const GemmU8S8Problem&) -> const char* { return nullptr; },
                                   run,
                                   nullptr};

}  // namespace adze::kernels
