// OpenBLAS, loaded when it is first used: it chooses its kernels for the whole process when it is
// loaded, by the environment variable OPENBLAS_CORETYPE.
#ifdef ADZE_BENCH_OPENBLAS
#include <cstdlib>
#include <dlfcn.h>

#include "bench/peers.h"

namespace adze::bench {

extern const Peer peer_openblas;

namespace {

using kernels::Isa;

// As in cblas.h; its header is not needed where the library is.
constexpr int row_major = 101, no_transpose = 111, transpose = 112;
using Sgemm = void (*)(int order, int ta, int tb, int m, int n, int k, float alpha, const float* a,
                       int lda, const float* b, int ldb, float beta, float* c, int ldc);
using Sgemv = void (*)(int order, int t, int m, int n, float alpha, const float* a, int lda,
                       const float* x, int incx, float beta, float* y, int incy);

struct Library {
  Sgemm sgemm;
  Sgemv sgemv;
  void (*set_num_threads)(int);
  const char* (*corename)();
  const char* (*config)();
};

template <class F>
void find(void* library, const char* name, F* function) {
  void* const symbol = dlsym(library, name);
  if (symbol == nullptr) throw PeerRefuses(std::string("has no function ") + name);
  *function = reinterpret_cast<F>(symbol);
}

const Library& library(Isa isa) {
  static const Library loaded = [isa] {
    const char* core = kernels::includes(isa, Isa::avx512) ? nullptr
                       : kernels::includes(isa, Isa::avx2) ? "Haswell"
                       : isa == Isa::scalar                ? "Core2"
                                                           : nullptr;
    if (core != nullptr) setenv("OPENBLAS_CORETYPE", core, 0);
    void* const handle = dlopen(ADZE_BENCH_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw PeerRefuses(std::string("cannot be loaded: ") + dlerror());
    Library functions;
    find(handle, "cblas_sgemm", &functions.sgemm);
    find(handle, "cblas_sgemv", &functions.sgemv);
    find(handle, "openblas_set_num_threads", &functions.set_num_threads);
    find(handle, "openblas_get_corename", &functions.corename);
    find(handle, "openblas_get_config", &functions.config);
    return functions;
  }();
  return loaded;
}

std::function<void()> f32(const F32Product& p, const PeerSetting& setting, float* c) {
  const Library& blas = library(setting.isa);
  blas.set_num_threads(setting.threads);
  const int m = static_cast<int>(p.m), n = static_cast<int>(p.n), k = static_cast<int>(p.k);
  if (m == 1) {
    const int rows = p.transpose_b ? n : k, columns = p.transpose_b ? k : n;
    return [=, &blas] {
      blas.sgemv(row_major, p.transpose_b ? no_transpose : transpose, rows, columns, 1.0f, p.b,
                 columns, p.a, 1, 0.0f, c, 1);
    };
  }
  return [=, &blas] {
    blas.sgemm(row_major, p.transpose_a ? transpose : no_transpose,
               p.transpose_b ? transpose : no_transpose, m, n, k, 1.0f, p.a, p.transpose_a ? m : k,
               p.b, p.transpose_b ? k : n, 0.0f, c, n);
  };
}

std::string isa(const PeerSetting& setting) {
  return library(setting.isa).corename();
}

std::string version() {
  return library(kernels::active()).config();
}

}  // namespace

const Peer peer_openblas = {"openblas", f32, nullptr, isa, version};

}  // namespace adze::bench
#endif
