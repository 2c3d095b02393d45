#include "bench/gemm_cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

#include <adze/kernels/gemm_u8s8.h>
#include <adze/kernels/reference.h>

#include "bench/peer_eigen.h"

namespace adze::bench {

namespace {

using namespace kernels;  // NOLINT: this file is about nothing else

std::string compare_rows(const Problem& p, std::size_t row_bytes, const void* result,
                         const std::function<void(std::int64_t, void*)>& reference_row) {
  const auto rows = sampled_rows(p);
  std::vector<unsigned char> expected(row_bytes);
  for (std::int64_t row : rows) {
    reference_row(row, expected.data());
    const auto* actual =
        static_cast<const unsigned char*>(result) + static_cast<std::size_t>(row) * row_bytes;
    if (std::memcmp(actual, expected.data(), row_bytes) != 0) {
      throw std::runtime_error(std::string(last_kernel()) + " differs from the reference in row " +
                               std::to_string(row) + " of " + to_string(p));
    }
  }
  return "equal to the reference, bit for bit, in " + std::to_string(rows.size()) + " of " +
         std::to_string(p.m) + " rows";
}

std::size_t count(std::int64_t a, std::int64_t b) {
  return static_cast<std::size_t>(a * b);
}

class F32Case final : public GemmCase {
 public:
  F32Case(const Problem& p, const GemmOptions& options)
      : p_(p),
        ta_(options.form[0] == 't'),
        tb_(options.form[1] == 't'),
        wants_eigen_(options.peer == "eigen"),
        a_(count(p.m, p.k)),
        b_(count(p.k, p.n)),
        c_(count(p.m, p.n)),
        peer_c_(wants_eigen_ ? c_.size() : 0) {
    std::mt19937 engine(1);
    const auto fill = [&](std::vector<float>& x) {
      for (float& v : x) v = static_cast<float>(engine() >> 8) / 8388608.0f - 1.0f;
    };
    fill(a_);
    fill(b_);
  }

  void run() override {
    gemm_f32(static_cast<Transpose>(ta_), static_cast<Transpose>(tb_), p_.m, p_.n, p_.k, a_.data(),
             ta_ ? p_.m : p_.k, b_.data(), tb_ ? p_.k : p_.n, c_.data(), p_.n);
  }

  std::string verify() override {
    run();
    return compare_rows(p_, count(p_.n, sizeof(float)), c_.data(), [&](std::int64_t row, void* to) {
      const float* a = a_.data() + row * (ta_ ? 1 : p_.k);
      reference::gemm_f32(static_cast<Transpose>(ta_), static_cast<Transpose>(tb_), 1, p_.n, p_.k,
                          a, ta_ ? p_.m : p_.k, b_.data(), tb_ ? p_.k : p_.n,
                          static_cast<float*>(to), p_.n);
    });
  }

  std::vector<KernelInfo> table() const override { return gemm_f32_kernels(); }
  void force(const KernelInfo& kernel) override { set_active(kernel.isa); }

  std::function<void()> peer() override {
    if (!wants_eigen_) return {};
    return [this] { eigen_gemm(ta_, tb_, p_.m, p_.n, p_.k, a_.data(), b_.data(), peer_c_.data()); };
  }

 private:
  Problem p_;
  bool ta_, tb_, wants_eigen_;
  std::vector<float> a_, b_, c_, peer_c_;
};

/// int8 weights of one output channel.
void fill_channel(const std::string& kind, std::mt19937& engine, std::int8_t* w, std::int64_t k) {
  if (kind == "uniform") {
    for (std::int64_t p = 0; p < k; ++p) w[p] = static_cast<std::int8_t>(engine() % 256 - 128);
  } else if (kind == "extreme") {
    for (std::int64_t p = 0; p < k; ++p) w[p] = engine() % 2 == 0 ? -128 : 127;
  } else {
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<std::size_t>(k));
    float largest = 1e-9f;
    for (float& v : values) {
      v = normal(engine);
      largest = std::max(largest, std::abs(v));
    }
    for (std::int64_t p = 0; p < k; ++p) {
      w[p] = static_cast<std::int8_t>(
          std::lrint(values[static_cast<std::size_t>(p)] / largest * 127.0f));
    }
  }
}

class U8S8Case final : public GemmCase {
 public:
  U8S8Case(const Problem& p, const GemmOptions& options)
      : p_(p),
        max_activation_(options.max_activation),
        a_(count(p.m, p.k)),
        w_(count(p.n, p.k)),
        multipliers_(count(p.n, 1)),
        bias_(count(p.n, 1)) {
    std::mt19937 engine(1);
    for (std::uint8_t& v : a_) {
      v = static_cast<std::uint8_t>(engine() % static_cast<unsigned>(max_activation_ + 1));
    }
    for (std::int64_t c = 0; c < p.n; ++c) {
      fill_channel(options.weights, engine, w_.data() + c * p.k, p.k);
      const auto i = static_cast<std::size_t>(c);
      multipliers_[i] =
          (1.0f + static_cast<float>(c % 7) * 0.1f) /
          (16.0f * static_cast<float>(max_activation_) * std::sqrt(static_cast<float>(p.k)));
      bias_[i] = static_cast<float>(c % 17) - 8.0f;
    }
    weights_ = PackedWeights(w_.data(), p.n, p.k, p.k);
    stage_.type = options.out == "u8"    ? OutputType::u8
                  : options.out == "s8"  ? OutputType::s8
                  : options.out == "s32" ? OutputType::s32
                                         : OutputType::f32;
    stage_.a_zero_point = max_activation_ / 2;
    stage_.multipliers = {multipliers_.data(), 1};
    stage_.bias = {bias_.data(), 1};
    stage_.relu = true;
    if (stage_.type == OutputType::s8) {
      stage_.out_min = -128;
      stage_.out_max = 127;
    }
    element_ = stage_.type == OutputType::u8 || stage_.type == OutputType::s8 ? 1 : 4;
    out_.resize(count(p.m, p.n) * element_);
  }
  U8S8Case(const U8S8Case&) = delete;
  U8S8Case& operator=(const U8S8Case&) = delete;
  ~U8S8Case() override { force_gemm_u8s8_kernel(""); }

  void run() override { gemm_u8s8(a_.data(), p_.k, p_.m, weights_, stage_, out_.data(), p_.n); }

  std::string verify() override {
    run();
    return compare_rows(p_, count(p_.n, 1) * element_, out_.data(),
                        [&](std::int64_t row, void* to) {
                          reference::gemm_u8s8(a_.data() + row * p_.k, p_.k, 1, w_.data(), p_.k,
                                               p_.n, p_.k, stage_, to, p_.n);
                        });
  }

  std::vector<KernelInfo> table() const override {
    return gemm_u8s8_kernels({p_.m, p_.n, p_.k, max_activation_, weights_.typical_weight()});
  }
  void force(const KernelInfo& kernel) override {
    set_active(kernel.isa);
    force_gemm_u8s8_kernel(kernel.name);
  }

 private:
  Problem p_;
  std::int32_t max_activation_;
  std::vector<std::uint8_t> a_;
  std::vector<std::int8_t> w_;
  std::vector<float> multipliers_, bias_;
  PackedWeights weights_;
  OutputStage stage_;
  std::size_t element_ = 1;
  std::vector<unsigned char> out_;
};

}  // namespace

std::vector<std::int64_t> sampled_rows(const Problem& p) {
  // About a second of the reference.
  const double row_products = static_cast<double>(p.n) * static_cast<double>(p.k);
  const auto rows = static_cast<std::int64_t>(std::max(2.0, 2e8 / row_products));
  std::vector<std::int64_t> all;
  if (rows >= p.m) {
    for (std::int64_t i = 0; i < p.m; ++i) all.push_back(i);
  } else {
    for (std::int64_t i = 0; i < rows; ++i) all.push_back((p.m - 1) * i / (rows - 1));
  }
  return all;
}

std::unique_ptr<GemmCase> make_f32_case(const Problem& problem, const GemmOptions& options) {
  return std::make_unique<F32Case>(problem, options);
}

std::unique_ptr<GemmCase> make_u8s8_case(const Problem& problem, const GemmOptions& options) {
  return std::make_unique<U8S8Case>(problem, options);
}

}  // namespace adze::bench
