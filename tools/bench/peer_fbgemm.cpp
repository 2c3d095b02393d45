// FBGEMM: its product with 32-bit sums, and functions of arrays. Weights, column sums and all
// buffers are prepared once.
#ifdef ADZE_BENCH_FBGEMM
#include <algorithm>
#include <fbgemm/Fbgemm.h>
#include <fbgemm/QuantUtils.h>
#include <fbgemm/QuantUtilsAvx2.h>
#include <memory>
#include <vector>

#include <adze/kernels/parallel.h>

#include "bench/aligned.h"
#include "bench/peers.h"

namespace adze::bench {

extern const Peer peer_fbgemm, peer_fbgemm_qlinear;

namespace {

using fbgemm::inst_set_t;
using fbgemm::matrix_op_t;
using kernels::Isa;
using kernels::OutputType;
constexpr auto per_channel = fbgemm::QuantizationGranularity::OUT_CHANNEL;

void force_isa(Isa isa) {
  const inst_set_t wanted = isa == Isa::avx512vnni ? inst_set_t::avx512_vnni
                            : isa == Isa::avx512   ? inst_set_t::avx512
                                                   : inst_set_t::avx2;
  if (!kernels::includes(isa, Isa::avx2)) throw PeerRefuses("needs AVX2");
  fbgemm::fbgemmForceIsa(wanted);
  if (fbgemm::fbgemmInstructionSet() != wanted) {
    throw PeerRefuses("cannot use the instruction set on this machine");
  }
}

struct Product {
  U8S8Product p;
  void* out;
  int threads;
  bool as_qlinear;  ///< sums of rows although nothing needs them
  bool relu;
  std::unique_ptr<fbgemm::PackBMatrix<std::int8_t>> weights;
  std::vector<std::int32_t> column_sums, bias, zero_points;
  AlignedVector<std::int32_t> sums;
  std::vector<float> multipliers, float_bias;
  std::vector<AlignedVector<std::uint8_t>> packed;  // for each thread
  std::vector<std::vector<std::int32_t>> row_sums;

  Product(const U8S8Product& product, const PeerSetting& setting, void* to, bool qlinear)
      : p(product),
        out(to),
        threads(setting.threads),
        as_qlinear(qlinear),
        relu(product.stage->relu) {
    const auto n = static_cast<std::size_t>(p.n);
    weights = std::make_unique<fbgemm::PackBMatrix<std::int8_t>>(
        matrix_op_t::Transpose, static_cast<std::int32_t>(p.k), static_cast<std::int32_t>(p.n), p.w,
        static_cast<std::int32_t>(p.k));
    column_sums.resize(n);
    zero_points.resize(n);
    for (std::size_t c = 0; c < n; ++c) {
      const auto channel = static_cast<std::int64_t>(c);
      for (std::int64_t i = 0; i < p.k; ++i) column_sums[c] += p.w[channel * p.k + i];
      multipliers.push_back(p.stage->multipliers[channel]);
      float_bias.push_back(p.stage->bias[channel]);
      bias.push_back(static_cast<std::int32_t>(p.stage->bias[channel]));
    }
    sums.resize(static_cast<std::size_t>(p.m * p.n));
    for (int i = 0; i < threads; ++i) {
      packed.emplace_back(
          static_cast<std::size_t>(fbgemm::PackAMatrix<std::uint8_t>::packedBufferSize()));
      row_sums.emplace_back(static_cast<std::size_t>(
          fbgemm::PackAWithRowOffset<std::uint8_t>::rowOffsetBufferSize()));
    }
  }

  template <class PackedA, class To, class Stage>
  void multiply(PackedA& a, const Stage& stage, std::int32_t* buffer, int thread) {
    fbgemm::fbgemmPacked(a, *weights, static_cast<To*>(out), buffer,
                         static_cast<std::uint32_t>(p.n), stage, thread, threads);
  }

  /// Packs rows without their sums, which symmetric weights do not need.
  fbgemm::PackAMatrix<std::uint8_t> rows(std::size_t thread) {
    return {matrix_op_t::NoTranspose,       static_cast<std::int32_t>(p.m),
            static_cast<std::int32_t>(p.k), p.a,
            static_cast<std::int32_t>(p.k), packed[thread].data()};
  }
  fbgemm::PackAWithRowOffset<std::uint8_t> rows_with_sums(std::size_t thread) {
    return {matrix_op_t::NoTranspose,
            static_cast<std::uint32_t>(p.m),
            static_cast<std::uint32_t>(p.k),
            p.a,
            static_cast<std::uint32_t>(p.k),
            packed[thread].data(),
            1,
            row_sums[thread].data()};
  }

  template <bool has_relu, class PackedA>
  void run_u8(PackedA a, const std::int32_t* sums_of_rows, int thread) {
    fbgemm::DoNothing<> nothing;
    const fbgemm::ReQuantizeOutput<has_relu, per_channel> stage(
        nothing, multipliers.data(), p.stage->out_zero_point, p.stage->a_zero_point,
        zero_points.data(), sums_of_rows, column_sums.data(), bias.data(),
        static_cast<std::uint32_t>(p.n));
    multiply<PackedA, std::uint8_t>(a, stage, sums.data(), thread);
  }
  template <bool has_relu>
  void run_u8(int thread) {
    const auto i = static_cast<std::size_t>(thread);
    if (as_qlinear) {
      run_u8<has_relu>(rows_with_sums(i), row_sums[i].data(), thread);
    } else {
      run_u8<has_relu>(rows(i), nullptr, thread);
    }
  }

  template <bool has_relu>
  void run_f32(int thread) {
    auto a = rows_with_sums(static_cast<std::size_t>(thread));
    fbgemm::DoNothing<float, float> nothing;
    const fbgemm::ReQuantizeForFloat<has_relu, per_channel> stage(
        nothing, 1.0f, multipliers.data(), p.stage->a_zero_point, zero_points.data(), nullptr,
        column_sums.data(), float_bias.data(), static_cast<std::uint32_t>(p.n));
    multiply<decltype(a), float>(a, stage, sums.data(), thread);
  }

  void run_s32(int thread) {
    auto a = rows(static_cast<std::size_t>(thread));
    fbgemm::DoNothing<std::int32_t, std::int32_t> nothing;
    const fbgemm::memCopy<> stage(nothing);
    multiply<decltype(a), std::int32_t>(a, stage, static_cast<std::int32_t*>(out), thread);
  }

  void run(int thread) {
    switch (p.stage->type) {
      case OutputType::u8:
        relu ? run_u8<true>(thread) : run_u8<false>(thread);
        break;
      case OutputType::f32:
        relu ? run_f32<true>(thread) : run_f32<false>(thread);
        break;
      default:
        run_s32(thread);
    }
  }
};

template <bool as_qlinear>
std::function<void()> u8s8(const U8S8Product& p, const PeerSetting& setting, void* out) {
  if (!fbgemm::fbgemmSupportedCPU()) throw PeerRefuses("does not support this processor");
  if (p.stage->type == OutputType::s8) throw PeerRefuses("does not write s8");
  force_isa(setting.isa);
  const auto product = std::make_shared<Product>(p, setting, out, as_qlinear);
  return [product] {
    kernels::parallel_for(0, product->threads, 1, [&](std::int64_t first, std::int64_t end) {
      for (std::int64_t i = first; i < end; ++i) product->run(static_cast<int>(i));
    });
  };
}

std::string isa(const PeerSetting& setting) {
  return setting.isa == Isa::avx512vnni || setting.isa == Isa::avx512 ? kernels::name(setting.isa)
                                                                      : "avx2";
}

std::string version() {
  return "built from its sources";
}

fbgemm::TensorQuantizationParams params_of(const kernels::Affine& p) {
  fbgemm::TensorQuantizationParams params{};
  params.scale = p.scale;
  params.zero_point = p.zero_point;
  params.precision = 8;
  return params;
}

void quantize(const float* x, std::int64_t n, const kernels::Affine& p, std::uint8_t* q) {
  fbgemm::Quantize<std::uint8_t>(x, q, n, params_of(p));
}

void dequantize(const std::uint8_t* q, std::int64_t n, const kernels::Affine& p, float* x) {
  fbgemm::Dequantize<std::uint8_t>(q, x, n, params_of(p));
}

void fake_quantize(const float* x, std::int64_t n, const kernels::Affine& p, float* y) {
  fbgemm::FusedQuantizeDequantize<std::uint8_t>(x, y, n, params_of(p));
}

kernels::MinMax min_max(const float* x, std::int64_t n) {
  kernels::MinMax range{};
  fbgemm::FindMinMax(x, &range.min, &range.max, n);
  return range;
}

template <fbgemm::QuantizationGranularity granularity>
std::function<void()> requantize_with(const std::int32_t* sums, std::int64_t rows,
                                      std::int64_t columns, const kernels::OutputStage& stage,
                                      std::uint8_t* q) {
  struct Arrays {
    std::vector<std::int32_t> bias, zeros;
  };
  const auto arrays = std::make_shared<Arrays>();
  arrays->zeros.resize(static_cast<std::size_t>(std::max(rows, columns)));
  for (std::int64_t c = 0; c < columns; ++c) {
    arrays->bias.push_back(static_cast<std::int32_t>(stage.bias[c]));
  }
  const fbgemm::requantizationParams_t<std::int32_t> params{0,
                                                            arrays->zeros.data(),
                                                            stage.out_zero_point,
                                                            stage.multipliers.data,
                                                            arrays->zeros.data(),
                                                            arrays->zeros.data(),
                                                            arrays->bias.data(),
                                                            static_cast<std::uint32_t>(columns),
                                                            1,
                                                            nullptr};
  const fbgemm::block_type_t block{0, static_cast<int>(rows), 0, static_cast<int>(columns)};
  return [=] {
    static_cast<void>(arrays);
    fbgemm::requantizeOutputProcessingAvx2<true, true, granularity, true, false>(
        q, sums, block, static_cast<int>(columns), static_cast<int>(columns), params);
  };
}

std::function<void()> requantize(const std::int32_t* sums, std::int64_t rows, std::int64_t columns,
                                 const kernels::OutputStage& stage, std::uint8_t* q) {
  return stage.multipliers.stride == 0
             ? requantize_with<fbgemm::QuantizationGranularity::TENSOR>(sums, rows, columns, stage,
                                                                        q)
             : requantize_with<per_channel>(sums, rows, columns, stage, q);
}

constexpr ElementwisePeer elementwise = {quantize, dequantize, fake_quantize, min_max, requantize};

}  // namespace

const Peer peer_fbgemm = {"fbgemm", nullptr, u8s8<false>, isa, version, &elementwise};
const Peer peer_fbgemm_qlinear = {"fbgemm-qlinear", nullptr, u8s8<true>, isa, version};

}  // namespace adze::bench
#endif
