#include "bench/elementwise_cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

#include <adze/ao/quantization/histogram_observer.h>
#include <adze/core/creation.h>
#include <adze/kernels/elementwise.h>
#include <adze/kernels/isa.h>
#include <adze/kernels/reference.h>

#include "bench/aligned.h"

namespace adze::bench {

namespace {

namespace reference = kernels::reference;
using kernels::Affine;

constexpr Affine u8_params{0.03f, 121, 0, 255};

std::size_t size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

AlignedVector<float> values(std::int64_t n, unsigned seed) {
  std::mt19937 engine(seed);
  AlignedVector<float> x(size(n));
  for (float& v : x) v = static_cast<float>(engine() >> 8) / 2097152.0f - 4.0f;
  return x;
}

/// A function whose results are an array of T, each of which the reference gives alone.
template <class T>
class ArrayCase : public ElementwiseCase {
 public:
  explicit ArrayCase(std::int64_t n) : out_(size(n)) {}
  std::string verify() override {
    run();
    for (std::size_t i = 0; i < out_.size(); ++i) {
      const T value = wanted(i);
      if (std::memcmp(&value, &out_[i], sizeof value) != 0) {
        throw std::runtime_error(std::string(kernels::last_kernel()) +
                                 " differs from the reference in element " + std::to_string(i) +
                                 " of " + std::to_string(out_.size()));
      }
    }
    return "equal to the reference, bit for bit, in " + std::to_string(out_.size()) + " elements";
  }
  double wrong_results() const override {
    std::size_t count = 0;
    for (std::size_t i = 0; i < out_.size(); ++i) {
      const double difference = static_cast<double>(out_[i]) - static_cast<double>(wanted(i));
      const double allowed = std::is_same_v<T, float> ? 1e-5 : 1.0;
      count += std::abs(difference) > allowed ? 1 : 0;
    }
    return static_cast<double>(count) / static_cast<double>(out_.size());
  }
  std::int64_t elements() const override { return static_cast<std::int64_t>(out_.size()); }

 protected:
  virtual T wanted(std::size_t i) const = 0;
  AlignedVector<T> out_;
};

AlignedVector<std::uint8_t> bytes(std::int64_t n, std::size_t step) {
  AlignedVector<std::uint8_t> q(size(n));
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = static_cast<std::uint8_t>(i * step % 256);
  return q;
}

class Quantize final : public ArrayCase<std::uint8_t> {
 public:
  explicit Quantize(std::int64_t n) : ArrayCase(n), x_(values(n, 1)) {}
  void run() override { kernels::quantize(x_.data(), elements(), u8_params, out_.data()); }
  std::function<void()> peer(const ElementwisePeer& p) override {
    return [this, &p] { p.quantize(x_.data(), elements(), u8_params, out_.data()); };
  }

 private:
  std::uint8_t wanted(std::size_t i) const override {
    return static_cast<std::uint8_t>(reference::quantize(x_[i], u8_params));
  }
  AlignedVector<float> x_;
};

class Dequantize final : public ArrayCase<float> {
 public:
  explicit Dequantize(std::int64_t n) : ArrayCase(n), q_(bytes(n, 37)) {}
  void run() override { kernels::dequantize(q_.data(), elements(), u8_params, out_.data()); }
  std::function<void()> peer(const ElementwisePeer& p) override {
    return [this, &p] { p.dequantize(q_.data(), elements(), u8_params, out_.data()); };
  }

 private:
  float wanted(std::size_t i) const override { return reference::dequantize(q_[i], u8_params); }
  AlignedVector<std::uint8_t> q_;
};

/// Rows of up to 256 channels with a multiplier and a bias, of each channel or of all.
template <bool per_channel>
class Requantize final : public ArrayCase<std::uint8_t> {
 public:
  explicit Requantize(std::int64_t n)
      : ArrayCase(n / std::min(n, most_columns) * std::min(n, most_columns)),
        columns_(std::min(n, most_columns)),
        sums_(out_.size()),
        multipliers_(size(columns_)),
        bias_(size(columns_)) {
    std::mt19937 engine(1);
    for (std::int32_t& v : sums_) v = static_cast<std::int32_t>(engine() % 20000) - 10000;
    for (std::size_t c = 0; c < bias_.size(); ++c) {
      multipliers_[c] = 0.01f + 0.001f * static_cast<float>(c % 7);
      bias_[c] = static_cast<float>(c % 17) * 10.0f;
    }
    stage_.multipliers = {multipliers_.data(), per_channel ? 1 : 0};
    stage_.bias = {bias_.data(), per_channel ? 1 : 0};
    stage_.out_zero_point = 100;
  }
  void run() override {
    kernels::requantize(sums_.data(), columns_, elements() / columns_, columns_, stage_,
                        out_.data(), columns_);
  }
  std::function<void()> peer(const ElementwisePeer& p) override {
    return p.requantize(sums_.data(), elements() / columns_, columns_, stage_, out_.data());
  }

 private:
  static constexpr std::int64_t most_columns = 256;
  std::uint8_t wanted(std::size_t i) const override {
    const auto channel = static_cast<std::int64_t>(i) % columns_;
    return static_cast<std::uint8_t>(reference::requantize(sums_[i], channel, stage_));
  }
  std::int64_t columns_;
  AlignedVector<std::int32_t> sums_;
  AlignedVector<float> multipliers_, bias_;
  kernels::OutputStage stage_;
};

class FakeQuantize : public ArrayCase<float> {
 public:
  explicit FakeQuantize(std::int64_t n) : ArrayCase(n), x_(values(n, 1)) {}
  void run() override { kernels::fake_quantize(x_.data(), elements(), u8_params, out_.data()); }
  std::function<void()> peer(const ElementwisePeer& p) override {
    return [this, &p] { p.fake_quantize(x_.data(), elements(), u8_params, out_.data()); };
  }

 protected:
  float wanted(std::size_t i) const override { return reference::fake_quantize(x_[i], u8_params); }
  AlignedVector<float> x_;
};

class FakeQuantizeMask final : public FakeQuantize {
 public:
  explicit FakeQuantizeMask(std::int64_t n) : FakeQuantize(n), mask_(size(n)) {}
  void run() override {
    kernels::fake_quantize(x_.data(), elements(), u8_params, out_.data(), mask_.data());
  }
  std::string verify() override {
    const std::string checked = FakeQuantize::verify();
    for (std::size_t i = 0; i < mask_.size(); ++i) {
      bool inside = false;
      reference::fake_quantize(x_[i], u8_params, &inside);
      if (mask_[i] != (inside ? 1 : 0)) throw std::runtime_error("fake_quantize: wrong mask");
    }
    return checked;
  }
  std::function<void()> peer(const ElementwisePeer&) override { return {}; }

 private:
  AlignedVector<std::uint8_t> mask_;
};

class FakeQuantizeBackward final : public ArrayCase<float> {
 public:
  explicit FakeQuantizeBackward(std::int64_t n) : ArrayCase(n), dy_(values(n, 1)), mask_(size(n)) {
    for (std::size_t i = 0; i < mask_.size(); ++i) mask_[i] = i % 5 != 0 ? 1 : 0;
  }
  void run() override {
    kernels::fake_quantize_backward(dy_.data(), mask_.data(), elements(), out_.data());
  }

 private:
  float wanted(std::size_t i) const override { return mask_[i] != 0 ? dy_[i] : 0.0f; }
  AlignedVector<float> dy_;
  AlignedVector<std::uint8_t> mask_;
};

/// Sums or products of bytes; a ReLU is a bound of the result.
template <bool sum, bool relu>
class Combine final : public ArrayCase<std::uint8_t> {
 public:
  explicit Combine(std::int64_t n) : ArrayCase(n), a_(bytes(n, 37)), b_(bytes(n, 101)) {}
  void run() override {
    const auto combine = sum ? static_cast<Function>(kernels::add_quantized)
                             : static_cast<Function>(kernels::mul_quantized);
    combine(a_.data(), u8_params, b_.data(), b_params, elements(), out_params, out_.data());
  }

 private:
  using Function = void (*)(const std::uint8_t*, const Affine&, const std::uint8_t*, const Affine&,
                            std::int64_t, const Affine&, std::uint8_t*);
  static constexpr Affine b_params{0.05f, 100, 0, 255};
  static constexpr Affine out_params{0.07f, 110, relu ? 110 : 0, 255};
  std::uint8_t wanted(std::size_t i) const override {
    const float a = reference::dequantize(a_[i], u8_params);
    const float b = reference::dequantize(b_[i], b_params);
    return static_cast<std::uint8_t>(reference::quantize(sum ? a + b : a * b, out_params));
  }
  AlignedVector<std::uint8_t> a_, b_;
};

class Relu final : public ArrayCase<float> {
 public:
  explicit Relu(std::int64_t n) : ArrayCase(n), x_(values(n, 1)) {}
  void run() override { kernels::relu(x_.data(), elements(), out_.data()); }

 private:
  float wanted(std::size_t i) const override { return reference::relu(x_[i]); }
  AlignedVector<float> x_;
};

class Add final : public ArrayCase<float> {
 public:
  explicit Add(std::int64_t n) : ArrayCase(n), a_(values(n, 1)), b_(values(n, 2)) {}
  void run() override { kernels::add(a_.data(), b_.data(), elements(), out_.data()); }

 private:
  float wanted(std::size_t i) const override { return a_[i] + b_[i]; }
  AlignedVector<float> a_, b_;
};

class MinMax final : public ElementwiseCase {
 public:
  explicit MinMax(std::int64_t n) : x_(values(n, 1)) {}
  void run() override { found_ = kernels::min_max(x_.data(), elements()); }
  std::string verify() override {
    run();
    const kernels::MinMax wanted = reference::min_max(x_.data(), elements());
    if (found_.min != wanted.min || found_.max != wanted.max) {
      throw std::runtime_error(std::string(kernels::last_kernel()) + " differs from the reference");
    }
    return "equal to the reference";
  }
  std::function<void()> peer(const ElementwisePeer& p) override {
    return [this, &p] { found_ = p.min_max(x_.data(), elements()); };
  }
  double wrong_results() const override {
    const kernels::MinMax wanted = reference::min_max(x_.data(), elements());
    return found_.min != wanted.min || found_.max != wanted.max ? 1.0 : 0.0;
  }
  std::int64_t elements() const override { return static_cast<std::int64_t>(x_.size()); }

 private:
  AlignedVector<float> x_;
  kernels::MinMax found_{};
};

/// 2048 bins over the range of the values.
class Histogram final : public ElementwiseCase {
 public:
  explicit Histogram(std::int64_t n) : x_(values(n, 1)), counts_(bins) {}
  void run() override {
    kernels::histogram(x_.data(), elements(), -4.0f, 4.0f, bins, counts_.data());
  }
  std::string verify() override {
    std::fill(counts_.begin(), counts_.end(), 0);
    run();
    std::vector<std::int64_t> wanted(counts_.size());
    for (const float v : x_) ++wanted[size(reference::histogram_bin(v, -4.0f, 4.0f, bins))];
    if (counts_ != wanted) {
      throw std::runtime_error(std::string(kernels::last_kernel()) + " differs from the reference");
    }
    return "equal to the reference in every bin";
  }
  std::int64_t elements() const override { return static_cast<std::int64_t>(x_.size()); }

 private:
  static constexpr std::int64_t bins = 2048;
  AlignedVector<float> x_;
  std::vector<std::int64_t> counts_;
};

/// What a HistogramObserver does with a tensor whose range it knows.
class HistogramObserver final : public ElementwiseCase {
 public:
  explicit HistogramObserver(std::int64_t n) : data_(values(n, 1)) {
    x_ = from_blob(data_.data(), {n}, float32);
    observer_.forward(x_);
  }
  void run() override { observer_.forward(x_); }
  std::string verify() override {
    ao::quantization::HistogramObserver observer;
    observer.forward(x_);
    const std::vector<float> counts = observer.histogram.value().to_vector<float>();
    double total = 0;
    for (const float count : counts) total += static_cast<double>(count);
    // Counts of more than 2^24 equal values would not fit float32; these are spread out.
    if (total != static_cast<double>(elements())) {
      throw std::runtime_error("the histogram counts " + std::to_string(total) + " of " +
                               std::to_string(elements()) + " values");
    }
    return "counts every value once";
  }
  std::int64_t elements() const override { return static_cast<std::int64_t>(data_.size()); }

 private:
  AlignedVector<float> data_;
  Tensor x_;
  ao::quantization::HistogramObserver observer_;
};

/// Rows of up to `most` values.
template <std::int64_t most>
class Softmax final : public ArrayCase<float> {
 public:
  explicit Softmax(std::int64_t n)
      : ArrayCase(n / std::min(n, most) * std::min(n, most)),
        columns_(std::min(n, most)),
        x_(values(elements(), 1)),
        expected_(out_.size()) {
    for (std::int64_t i = 0; i < elements(); i += columns_) {
      reference::softmax(x_.data() + i, columns_, expected_.data() + i);
    }
  }
  void run() override { kernels::softmax(x_.data(), elements() / columns_, columns_, out_.data()); }

 private:
  float wanted(std::size_t i) const override { return expected_[i]; }
  std::int64_t columns_;
  AlignedVector<float> x_, expected_;
};

template <class Case>
std::unique_ptr<ElementwiseCase> make(std::int64_t n) {
  return std::make_unique<Case>(n);
}

}  // namespace

const std::vector<ElementwiseOp>& elementwise_ops() {
  static const std::vector<ElementwiseOp> ops = {
      {"quantize", 5, Traffic::copy, make<Quantize>},
      {"dequantize", 5, Traffic::copy, make<Dequantize>},
      {"requantize", 5, Traffic::copy, make<Requantize<true>>},
      {"requantize_tensor", 5, Traffic::copy, make<Requantize<false>>},
      {"fake_quantize", 8, Traffic::copy, make<FakeQuantize>},
      {"fake_quantize_mask", 9, Traffic::copy, make<FakeQuantizeMask>},
      {"fake_quantize_backward", 9, Traffic::copy, make<FakeQuantizeBackward>},
      {"add_quantized", 3, Traffic::copy, make<Combine<true, false>>},
      {"add_relu_quantized", 3, Traffic::copy, make<Combine<true, true>>},
      {"mul_quantized", 3, Traffic::copy, make<Combine<false, false>>},
      {"min_max", 4, Traffic::read, make<MinMax>},
      {"histogram", 4, Traffic::read, make<Histogram>},
      {"histogram_observer", 4, Traffic::read, make<HistogramObserver>},
      {"relu", 8, Traffic::copy, make<Relu>},
      {"add", 12, Traffic::copy, make<Add>},
      {"softmax", 8, Traffic::copy, make<Softmax<128>>},
      {"softmax_10", 8, Traffic::copy, make<Softmax<10>>},
  };
  return ops;
}

}  // namespace adze::bench
