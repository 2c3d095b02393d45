// Eigen, on one thread, compiled for the instruction set that is compared.
#include "bench/peers.h"

#if defined(__x86_64__)
namespace adze::bench {

using EigenGemm = void(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n,
                       std::int64_t k, const float* a, const float* b, float* c);
EigenGemm eigen_gemm_avx2, eigen_gemm_avx512;

}  // namespace adze::bench
#endif

namespace adze::bench {

extern const Peer peer_eigen;

namespace {

using kernels::Isa;

std::function<void()> f32([[maybe_unused]] const F32Product& p, const PeerSetting& setting,
                          [[maybe_unused]] float* c) {
  if (setting.threads != 1) throw PeerRefuses("is compiled without threads");
#if defined(__x86_64__)
  if (kernels::includes(setting.isa, Isa::avx2)) {
    EigenGemm* const gemm =
        kernels::includes(setting.isa, Isa::avx512) ? eigen_gemm_avx512 : eigen_gemm_avx2;
    return [=] { gemm(p.transpose_a, p.transpose_b, p.m, p.n, p.k, p.a, p.b, c); };
  }
#endif
  throw PeerRefuses("is compiled for AVX2 and AVX-512 only");
}

std::string isa(const PeerSetting& setting) {
  return kernels::includes(setting.isa, Isa::avx512) ? "avx512" : "avx2";
}

std::string version() {
  return ADZE_BENCH_EIGEN;
}

}  // namespace

const Peer peer_eigen = {"eigen", f32, nullptr, isa, version};

}  // namespace adze::bench
