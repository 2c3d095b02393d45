#include "bench/gemm_cases.h"

#include <cmath>
#include <limits>
#include <random>

#include <adze/kernels/gemm_u8s8.h>
#include <adze/kernels/linear_weights_f32.h>
#include <adze/kernels/reference.h>

#include "bench/aligned.h"
#include "bench/u8s8_data.h"

namespace adze::bench {

namespace {

using namespace kernels;  // NOLINT: this file is about nothing else

std::size_t count(std::int64_t a, std::int64_t b) {
  return static_cast<std::size_t>(a * b);
}

class F32Case final : public GemmCase {
 public:
  F32Case(const Problem& p, const GemmOptions& options)
      : p_(p),
        ta_(options.form[0] == 't'),
        tb_(options.form[1] == 't' || options.form == "packed"),
        a_(count(p.m, p.k)),
        b_(count(p.k, p.n)),
        c_(count(p.m, p.n)),
        reference_(p, count(p.n, sizeof(float)), [this](std::int64_t row, void* to) {
          const float* a = a_.data() + row * (ta_ ? 1 : p_.k);
          reference::gemm_f32(static_cast<Transpose>(ta_), static_cast<Transpose>(tb_), 1, p_.n,
                              p_.k, a, ta_ ? p_.m : p_.k, b_.data(), tb_ ? p_.k : p_.n,
                              static_cast<float*>(to), p_.n);
        }) {
    std::mt19937 engine(1);
    const auto fill = [&](AlignedVector<float>& x) {
      for (float& v : x) v = static_cast<float>(engine() >> 8) / 8388608.0f - 1.0f;
    };
    fill(a_);
    fill(b_);
    if (options.form == "packed") weights_ = LinearWeightsF32(b_.data(), p.n, p.k, p.k, p.m);
  }

  void run() override {
    if (weights_.useful()) {
      gemm_f32(a_.data(), p_.k, p_.m, weights_, nullptr, false, c_.data(), p_.n);
      return;
    }
    gemm_f32(static_cast<Transpose>(ta_), static_cast<Transpose>(tb_), p_.m, p_.n, p_.k, a_.data(),
             ta_ ? p_.m : p_.k, b_.data(), tb_ ? p_.k : p_.n, c_.data(), p_.n);
  }

  std::string verify() override {
    run();
    return reference_.compare(c_.data());
  }

  std::vector<KernelInfo> table() const override { return gemm_f32_kernels(); }
  void force(const KernelInfo& kernel) override { set_active(kernel.isa); }
  void release() override { set_active(isa_); }

  std::function<void()> peer(const Peer& peer, const PeerSetting& setting) override {
    peer_c_.assign(c_.size(), std::numeric_limits<float>::quiet_NaN());
    return peer.f32({ta_, tb_, p_.m, p_.n, p_.k, a_.data(), b_.data()}, setting, peer_c_.data());
  }
  double wrong_results() const override {
    // Values are below 1: each of k additions may lose half a unit of the last place of a partial
    // sum, which stays far below 4 k in practice.
    const float allowed = 4.0f * static_cast<float>(p_.k) * 0x1p-24f;
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < c_.size(); ++i) {
      if (!(std::abs(c_[i] - peer_c_[i]) <= allowed)) ++wrong;
    }
    return static_cast<double>(wrong) / static_cast<double>(c_.size());
  }

 private:
  Problem p_;
  Isa isa_ = active();
  bool ta_, tb_;
  AlignedVector<float> a_, b_, c_, peer_c_;
  LinearWeightsF32 weights_;
  ReferenceRows reference_;
};

OutputType type_of(const std::string& name) {
  return name == "u8"    ? OutputType::u8
         : name == "s8"  ? OutputType::s8
         : name == "s32" ? OutputType::s32
                         : OutputType::f32;
}

class U8S8Case final : public GemmCase {
 public:
  U8S8Case(const Problem& p, const GemmOptions& options)
      : max_activation_(options.max_activation),
        data_(p, make_weights(options.weights, p.n, p.k), max_activation_, type_of(options.out)),
        weights_(data_.weights(), p.n, p.k, p.k) {
    if (options.op != "f32s8") return;
    // With a scale of 1 they become the bytes of the reference.
    for (std::size_t i = 0; i < count(p.m, p.k); ++i) {
      floats_.push_back(static_cast<float>(data_.a()[i] - data_.stage().a_zero_point));
    }
  }
  U8S8Case(const U8S8Case&) = delete;
  U8S8Case& operator=(const U8S8Case&) = delete;
  ~U8S8Case() override { release(); }

  void run() override {
    const Problem& p = data_.problem();
    if (!floats_.empty()) {
      const Affine grid{1.0f, data_.stage().a_zero_point, 0, max_activation_};
      gemm_f32s8(floats_.data(), p.k, p.m, grid, weights_, data_.stage(), data_.out(), p.n);
      return;
    }
    gemm_u8s8(data_.a(), p.k, p.m, weights_, data_.stage(), data_.out(), p.n);
  }

  std::string verify() override {
    run();
    return data_.compare();
  }

  std::vector<KernelInfo> table() const override {
    const Problem& p = data_.problem();
    return gemm_u8s8_kernels({p.m, p.n, p.k, max_activation_, weights_.typical_weight()});
  }
  void force(const KernelInfo& kernel) override {
    set_active(kernel.isa);
    force_gemm_u8s8_kernel(kernel.name);
  }
  void release() final {
    set_active(isa_);
    force_gemm_u8s8_kernel("");
  }

  std::function<void()> peer(const Peer& peer, const PeerSetting& setting) override {
    const Problem& p = data_.problem();
    peer_out_.assign(data_.out_bytes(), 0xAB);
    return peer.u8s8({p.m, p.n, p.k, data_.a(), data_.weights(), &data_.stage()}, setting,
                     peer_out_.data());
  }
  double wrong_results() const override { return data_.wrong(peer_out_.data()); }

 private:
  Isa isa_ = active();
  std::int32_t max_activation_;
  U8S8Data data_;
  PackedWeights weights_;
  AlignedVector<float> floats_;  ///< f32s8: the activations
  AlignedVector<unsigned char> peer_out_;
};

}  // namespace

std::unique_ptr<GemmCase> make_gemm_case(const Problem& problem, const GemmOptions& options) {
  if (options.int8()) return std::make_unique<U8S8Case>(problem, options);
  return std::make_unique<F32Case>(problem, options);
}

}  // namespace adze::bench
