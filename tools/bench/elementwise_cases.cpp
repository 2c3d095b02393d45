#include "bench/elementwise_cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

#include <adze/ao/quantization/histogram_observer.h>
#include <adze/core/autograd.h>
#include <adze/core/creation.h>
#include <adze/core/ops.h>
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

/// Throws unless all results are those of `expected(i)`, bit for bit.
template <class T, class F>
std::string compare(const AlignedVector<T>& actual, F expected) {
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const T value = expected(i);
    if (std::memcmp(&value, &actual[i], sizeof value) != 0) {
      throw std::runtime_error(std::string(kernels::last_kernel()) +
                               " differs from the reference in element " + std::to_string(i) +
                               " of " + std::to_string(actual.size()));
    }
  }
  return "equal to the reference, bit for bit, in " + std::to_string(actual.size()) + " elements";
}

class Quantize final : public ElementwiseCase {
 public:
  explicit Quantize(std::int64_t n) : x_(values(n, 1)), q_(size(n)) {}
  void run() override { kernels::quantize(x_.data(), elements(), u8_params, q_.data()); }
  std::string verify() override {
    run();
    return compare(q_, [&](std::size_t i) {
      return static_cast<std::uint8_t>(reference::quantize(x_[i], u8_params));
    });
  }
  std::int64_t elements() const override { return static_cast<std::int64_t>(x_.size()); }

 private:
  AlignedVector<float> x_;
  AlignedVector<std::uint8_t> q_;
};

class Dequantize final : public ElementwiseCase {
 public:
  explicit Dequantize(std::int64_t n) : q_(size(n)), x_(size(n)) {
    for (std::size_t i = 0; i < q_.size(); ++i) q_[i] = static_cast<std::uint8_t>(i * 37 % 256);
  }
  void run() override { kernels::dequantize(q_.data(), elements(), u8_params, x_.data()); }
  std::string verify() override {
    run();
    return compare(x_, [&](std::size_t i) { return reference::dequantize(q_[i], u8_params); });
  }
  std::int64_t elements() const override { return static_cast<std::int64_t>(x_.size()); }

 private:
  AlignedVector<std::uint8_t> q_;
  AlignedVector<float> x_;
};

/// Rows of up to 256 channels, each with a multiplier and a bias.
class Requantize final : public ElementwiseCase {
 public:
  explicit Requantize(std::int64_t n)
      : columns_(std::min<std::int64_t>(n, 256)),
        rows_(n / columns_),
        sums_(size(rows_ * columns_)),
        q_(sums_.size()),
        multipliers_(size(columns_)),
        bias_(size(columns_)) {
    std::mt19937 engine(1);
    for (std::int32_t& v : sums_) v = static_cast<std::int32_t>(engine() % 20000) - 10000;
    for (std::size_t c = 0; c < bias_.size(); ++c) {
      multipliers_[c] = 0.01f + 0.001f * static_cast<float>(c % 7);
      bias_[c] = static_cast<float>(c % 17) * 10.0f;
    }
    stage_.multipliers = {multipliers_.data(), 1};
    stage_.bias = {bias_.data(), 1};
    stage_.out_zero_point = 100;
  }
  void run() override {
    kernels::requantize(sums_.data(), columns_, rows_, columns_, stage_, q_.data(), columns_);
  }
  std::string verify() override {
    run();
    return compare(q_, [&](std::size_t i) {
      const auto channel = static_cast<std::int64_t>(i) % columns_;
      return static_cast<std::uint8_t>(reference::requantize(sums_[i], channel, stage_));
    });
  }
  std::int64_t elements() const override { return rows_ * columns_; }

 private:
  std::int64_t columns_, rows_;
  AlignedVector<std::int32_t> sums_;
  AlignedVector<std::uint8_t> q_;
  AlignedVector<float> multipliers_, bias_;
  kernels::OutputStage stage_;
};

/// float32 to float32, through a function of the library and one of the reference.
template <void (*function)(const float*, std::int64_t, float*), float (*wanted)(float)>
class Unary final : public ElementwiseCase {
 public:
  explicit Unary(std::int64_t n) : x_(values(n, 1)), y_(size(n)) {}
  void run() override { function(x_.data(), elements(), y_.data()); }
  std::string verify() override {
    run();
    return compare(y_, [&](std::size_t i) { return wanted(x_[i]); });
  }
  std::int64_t elements() const override { return static_cast<std::int64_t>(x_.size()); }

 private:
  AlignedVector<float> x_, y_;
};

void fake_quantize(const float* x, std::int64_t n, float* y) {
  kernels::fake_quantize(x, n, u8_params, y);
}
float fake_quantize_one(float x) {
  return reference::fake_quantize(x, u8_params);
}

class Add final : public ElementwiseCase {
 public:
  explicit Add(std::int64_t n) : a_(values(n, 1)), b_(values(n, 2)), y_(size(n)) {}
  void run() override { kernels::add(a_.data(), b_.data(), elements(), y_.data()); }
  std::string verify() override {
    run();
    return compare(y_, [&](std::size_t i) { return a_[i] + b_[i]; });
  }
  std::int64_t elements() const override { return static_cast<std::int64_t>(a_.size()); }

 private:
  AlignedVector<float> a_, b_, y_;
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
  std::int64_t elements() const override { return static_cast<std::int64_t>(x_.size()); }

 private:
  AlignedVector<float> x_;
  kernels::MinMax found_{};
};

/// What a HistogramObserver does with a tensor whose range it knows.
class Histogram final : public ElementwiseCase {
 public:
  explicit Histogram(std::int64_t n) : data_(values(n, 1)) {
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

/// Rows of up to 128 values.
class Softmax final : public ElementwiseCase {
 public:
  explicit Softmax(std::int64_t n)
      : columns_(std::min<std::int64_t>(n, 128)), data_(values(n / columns_ * columns_, 1)) {
    x_ = from_blob(data_.data(), {n / columns_, columns_}, float32);
  }
  void run() override {
    const NoGrad guard;
    y_ = softmax(x_, 1);
  }
  std::string verify() override {
    run();
    const std::vector<float> y = y_.to_vector<float>();
    const auto width = size(columns_);
    double worst = 0;
    for (std::size_t row = 0; row < y.size(); row += width) {
      double sum = 0;
      for (std::size_t i = 0; i < width; ++i) sum += std::exp(static_cast<double>(data_[row + i]));
      for (std::size_t i = 0; i < width; ++i) {
        const double wanted = std::exp(static_cast<double>(data_[row + i])) / sum;
        worst = std::max(worst, std::abs(static_cast<double>(y[row + i]) / wanted - 1));
      }
    }
    if (!(worst < 1e-5)) throw std::runtime_error("softmax differs from its definition");
    return "within 1e-5 of its definition in float64, in " + std::to_string(y.size()) + " elements";
  }
  std::int64_t elements() const override { return static_cast<std::int64_t>(data_.size()); }

 private:
  std::int64_t columns_;
  AlignedVector<float> data_;
  Tensor x_, y_;
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
      {"requantize", 5, Traffic::copy, make<Requantize>},
      {"fake_quantize", 8, Traffic::copy, make<Unary<fake_quantize, fake_quantize_one>>},
      {"min_max", 4, Traffic::read, make<MinMax>},
      {"histogram", 4, Traffic::read, make<Histogram>},
      {"relu", 8, Traffic::copy, make<Unary<kernels::relu, reference::relu>>},
      {"add", 12, Traffic::copy, make<Add>},
      {"softmax", 8, Traffic::copy, make<Softmax>},
  };
  return ops;
}

}  // namespace adze::bench
