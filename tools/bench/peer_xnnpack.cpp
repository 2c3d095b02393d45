// XNNPACK of 2022: its 1x1 convolution, which is its 8-bit product with a scale for each channel.
// It is loaded when it is first used, with a cpuinfo of its own: FBGEMM brings another one. It
// chooses its kernels when it is initialized, by what cpuinfo says.
#ifdef ADZE_BENCH_XNNPACK
#include <algorithm>
#include <dlfcn.h>
#include <memory>
#include <vector>
#include <xnnpack.h>

#include ADZE_BENCH_XNNPACK_CPUINFO

#include "bench/aligned.h"
#include "bench/peers.h"

namespace adze::bench {

extern const Peer peer_xnnpack;

namespace {

using kernels::Isa;
using kernels::OutputType;

struct Library {
  cpuinfo_x86_isa* cpu;
  decltype(&cpuinfo_initialize) find_cpu;
  decltype(&xnn_initialize) initialize;
  decltype(&xnn_create_convolution2d_nhwc_qc8) create;
  decltype(&xnn_setup_convolution2d_nhwc_qc8) set_up;
  decltype(&xnn_run_operator) run;
  decltype(&xnn_delete_operator) destroy;
  decltype(&pthreadpool_create) create_threads;
};

template <class F>
void find(void* library, const char* name, F* symbol) {
  void* const address = dlsym(library, name);
  if (address == nullptr) throw PeerRefuses(std::string("has no ") + name);
  *symbol = reinterpret_cast<F>(address);
}

void check(xnn_status status, const char* what) {
  if (status != xnn_status_success) {
    throw PeerRefuses(std::string("cannot ") + what + ": status " + std::to_string(status));
  }
}

/// Takes from cpuinfo what `isa` does not have.
void limit(cpuinfo_x86_isa& cpu, Isa isa) {
  cpu.xop = false;  // goes before AVX2
  if (!kernels::includes(isa, Isa::avx512)) cpu.avx512f = false;
  if (!kernels::includes(isa, Isa::avx2)) cpu.avx = cpu.f16c = cpu.fma3 = cpu.avx2 = false;
}

/// The whole process keeps the instruction set of the first call.
const Library& library(Isa isa) {
  static const Library loaded = [isa] {
    void* const handle = dlopen(ADZE_BENCH_XNNPACK, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw PeerRefuses(std::string("cannot be loaded: ") + dlerror());
    Library symbols;
    find(handle, "cpuinfo_isa", &symbols.cpu);
    find(handle, "cpuinfo_initialize", &symbols.find_cpu);
    find(handle, "xnn_initialize", &symbols.initialize);
    find(handle, "xnn_create_convolution2d_nhwc_qc8", &symbols.create);
    find(handle, "xnn_setup_convolution2d_nhwc_qc8", &symbols.set_up);
    find(handle, "xnn_run_operator", &symbols.run);
    find(handle, "xnn_delete_operator", &symbols.destroy);
    find(handle, "pthreadpool_create", &symbols.create_threads);
    const void* const global = dlsym(RTLD_DEFAULT, "cpuinfo_isa");
    if ((global != nullptr && global != symbols.cpu) || !symbols.find_cpu()) {
      throw PeerRefuses("cannot be limited to an instruction set");
    }
    limit(*symbols.cpu, isa);
    check(symbols.initialize(nullptr), "be initialized");
    return symbols;
  }();
  return loaded;
}

/// Null for one thread.
pthreadpool_t thread_pool(const Library& xnn, int threads) {
  static const pthreadpool_t pool =
      threads == 1 ? nullptr : xnn.create_threads(static_cast<std::size_t>(threads));
  return pool;
}

/// Activations and results are bytes with a sign: u8 less 128, as are their zero points.
struct Product {
  const Library& xnn;
  pthreadpool_t pool;
  std::unique_ptr<xnn_operator, decltype(&xnn_delete_operator)> operation;
  AlignedVector<std::int8_t> a, results;

  Product(const U8S8Product& p, const Library& from, pthreadpool_t threads)
      : xnn(from), pool(threads), operation(nullptr, from.destroy) {
    const auto m = static_cast<std::size_t>(p.m), n = static_cast<std::size_t>(p.n),
               k = static_cast<std::size_t>(p.k);
    const kernels::OutputStage& stage = *p.stage;
    std::vector<float> scales(n);
    std::vector<std::int32_t> bias(n);
    for (std::size_t c = 0; c < n; ++c) {
      scales[c] = stage.multipliers[static_cast<std::int64_t>(c)];
      bias[c] = static_cast<std::int32_t>(stage.bias[static_cast<std::int64_t>(c)]);
    }
    a.resize(m * k + XNN_EXTRA_BYTES);
    std::transform(p.a, p.a + m * k, a.begin(), [](int v) { return narrow(v - 128); });
    results.resize(m * n);

    const int shift = stage.type == OutputType::u8 ? 128 : 0;
    const int least = stage.relu ? std::max(stage.out_min, stage.out_zero_point) : stage.out_min;
    xnn_operator_t made = nullptr;
    check(xnn.create(0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, k, n, k, n, narrow(stage.a_zero_point - 128),
                     1.0f, scales.data(), p.w, bias.data(), narrow(stage.out_zero_point - shift),
                     1.0f, narrow(least - shift), narrow(stage.out_max - shift), 0, &made),
          "make the operator");
    operation.reset(made);
    check(xnn.set_up(made, m, 1, 1, a.data(), results.data(), pool), "set up the operator");
    check(xnn.run(made, pool), "run the operator");
  }

  static std::int8_t narrow(int value) { return static_cast<std::int8_t>(value); }
  void run() { xnn.run(operation.get(), pool); }
};

/// Writes `out` now: what is timed writes s8.
std::function<void()> u8s8(const U8S8Product& p, const PeerSetting& setting, void* out) {
  const OutputType type = p.stage->type;
  if (type != OutputType::u8 && type != OutputType::s8) throw PeerRefuses("writes bytes only");
  const Library& xnn = library(setting.isa);
  const auto product = std::make_shared<Product>(p, xnn, thread_pool(xnn, setting.threads));
  std::transform(
      product->results.begin(), product->results.end(), static_cast<std::uint8_t*>(out),
      [type](int v) { return static_cast<std::uint8_t>(type == OutputType::u8 ? v + 128 : v); });
  return [product] { product->run(); };
}

std::string isa(const PeerSetting& setting) {
  const cpuinfo_x86_isa& cpu = *library(setting.isa).cpu;
  const bool avx512 = cpu.avx512f && cpu.avx512bw && cpu.avx512dq && cpu.avx512vl;
  return avx512 ? "avx512" : cpu.avx2 ? "avx2" : cpu.avx ? "avx" : "sse41";
}

std::string version() {
  return "of 2022";
}

}  // namespace

const Peer peer_xnnpack = {"xnnpack", nullptr, u8s8, isa, version};

}  // namespace adze::bench
#endif
