// oneDNN 2: its matrix product, with int8 weights in the order that it asks for and float32
// operands where they lie.
#ifdef ADZE_BENCH_ONEDNN
#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <unordered_map>

#include <oneapi/dnnl/dnnl.hpp>

#include "bench/peers.h"

namespace adze::bench {

extern const Peer peer_onednn;

namespace {

using kernels::Isa;
using kernels::OutputType;
using Type = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;

dnnl::cpu_isa limit_of(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return dnnl::cpu_isa::sse41;
    case Isa::avx2:
      return dnnl::cpu_isa::avx2;
    case Isa::avxvnni:
      return dnnl::cpu_isa::avx2_vnni;
    case Isa::avx512:
      return dnnl::cpu_isa::avx512_core;
    case Isa::avx512vnni:
      return dnnl::cpu_isa::avx512_core_vnni;
    default:
      return dnnl::cpu_isa::all;
  }
}

/// The whole process keeps the instruction set of its first primitive.
void set_up(const PeerSetting& setting) {
  static const dnnl::status done = dnnl::set_max_cpu_isa(limit_of(setting.isa));
  if (done != dnnl::status::success) throw PeerRefuses("cannot be limited to an instruction set");
  using SetThreads = void (*)(int);
  const auto set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  if (set != nullptr) {
    set(setting.threads);
  } else if (setting.threads != 1) {
    throw PeerRefuses("is built without OpenMP");
  }
}

/// A primitive with what it works on.
struct Product {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul primitive;
  std::unordered_map<int, dnnl::memory> arguments;
  std::vector<float> bias;

  dnnl::memory memory(const dnnl::memory::desc& desc, const void* data) {
    return {desc, engine, const_cast<void*>(data)};
  }
  void run() {
    primitive.execute(stream, arguments);
    stream.wait();
  }
};

template <class F>
std::function<void()> prepared(F prepare) {
  try {
    const auto product = std::make_shared<Product>();
    prepare(*product);
    return [product] { product->run(); };
  } catch (const dnnl::error& error) {
    throw PeerRefuses(std::string("refuses: ") + error.what());
  }
}

std::function<void()> f32(const F32Product& p, const PeerSetting& setting, float* c) {
  set_up(setting);
  return prepared([&](Product& product) {
    const dnnl::memory::desc a({p.m, p.k}, Type::f32, p.transpose_a ? Tag::ba : Tag::ab);
    const dnnl::memory::desc b({p.k, p.n}, Type::f32, p.transpose_b ? Tag::ba : Tag::ab);
    const dnnl::memory::desc out({p.m, p.n}, Type::f32, Tag::ab);
    const dnnl::matmul::primitive_desc desc({a, b, out}, product.engine);
    product.primitive = dnnl::matmul(desc);
    product.arguments = {{DNNL_ARG_SRC, product.memory(a, p.a)},
                         {DNNL_ARG_WEIGHTS, product.memory(b, p.b)},
                         {DNNL_ARG_DST, product.memory(out, c)}};
  });
}

Type type_of(OutputType type) {
  switch (type) {
    case OutputType::u8:
      return Type::u8;
    case OutputType::s8:
      return Type::s8;
    case OutputType::s32:
      return Type::s32;
    case OutputType::f32:
      return Type::f32;
  }
  return Type::undef;
}

std::function<void()> u8s8(const U8S8Product& p, const PeerSetting& setting, void* to) {
  set_up(setting);
  const kernels::OutputStage& stage = *p.stage;
  return prepared([&](Product& product) {
    const auto n = static_cast<std::size_t>(p.n);
    const dnnl::memory::desc a({p.m, p.k}, Type::u8, Tag::ab);
    const dnnl::memory::desc plain({p.k, p.n}, Type::s8, Tag::ba);
    const dnnl::memory::desc any({p.k, p.n}, Type::s8, Tag::any);
    const dnnl::memory::desc out({p.m, p.n}, type_of(stage.type), Tag::ab);
    const dnnl::memory::desc bias({1, p.n}, Type::f32, Tag::ab);

    dnnl::primitive_attr attr;
    const bool scaled = stage.type != OutputType::s32;
    if (scaled) {
      std::vector<float> scales(n);
      product.bias.resize(n);
      for (std::size_t i = 0; i < n; ++i) {
        const auto channel = static_cast<std::int64_t>(i);
        scales[i] = stage.multipliers[channel];
        // The bias is added before the scale is applied.
        product.bias[i] = stage.bias[channel] / (stage.type == OutputType::f32 ? scales[i] : 1.0f);
      }
      attr.set_output_scales(1 << 1, scales);
      if (stage.relu) {
        dnnl::post_ops ops;
        ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
        attr.set_post_ops(ops);
      }
    }
    if (stage.a_zero_point != 0) attr.set_zero_points(DNNL_ARG_SRC, 0, {stage.a_zero_point});
    const dnnl::matmul::desc operation =
        scaled ? dnnl::matmul::desc(a, any, bias, out) : dnnl::matmul::desc(a, any, out);
    const dnnl::matmul::primitive_desc desc(operation, attr, product.engine);

    dnnl::memory weights(desc.weights_desc(), product.engine);
    dnnl::memory source = product.memory(plain, p.w);
    dnnl::reorder(source, weights).execute(product.stream, source, weights);
    product.stream.wait();
    product.primitive = dnnl::matmul(desc);
    product.arguments = {{DNNL_ARG_SRC, product.memory(a, p.a)},
                         {DNNL_ARG_WEIGHTS, weights},
                         {DNNL_ARG_DST, product.memory(out, to)}};
    if (scaled) product.arguments[DNNL_ARG_BIAS] = product.memory(bias, product.bias.data());
  });
}

std::string isa(const PeerSetting& setting) {
  set_up(setting);
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avxvnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512bf16";
    default:
      return "other";
  }
}

std::string version() {
  const dnnl::version_t* v = dnnl::version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

}  // namespace

const Peer peer_onednn = {"onednn", f32, u8s8, isa, version};

}  // namespace adze::bench
#endif
