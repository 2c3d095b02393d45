#include "bench/u8s8_data.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <adze/kernels/isa.h>
#include <adze/kernels/reference.h>

namespace adze::bench {

namespace {

using kernels::OutputType;

std::size_t count(std::int64_t a, std::int64_t b) {
  return static_cast<std::size_t>(a * b);
}

void fill_normal(std::mt19937& engine, std::int8_t* w, std::int64_t k) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(k));
  float largest = 1e-9f;
  for (float& v : values) {
    v = normal(engine);
    largest = std::max(largest, std::abs(v));
  }
  for (const float v : values) {
    *w++ = static_cast<std::int8_t>(std::lrint(v / largest * 127.0f));
  }
}

template <class T>
double wrong_part(const void* ours, const void* theirs, std::size_t bytes, double allowed) {
  const std::size_t n = bytes / sizeof(T);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < n; ++i) {
    T a, b;
    std::memcpy(&a, static_cast<const char*>(ours) + i * sizeof(T), sizeof(T));
    std::memcpy(&b, static_cast<const char*>(theirs) + i * sizeof(T), sizeof(T));
    const auto x = static_cast<double>(a), y = static_cast<double>(b);
    // Of floats a part of product and bias, which is about 10.
    const double bound = std::is_same_v<T, float> ? allowed * (std::abs(x) + 10) : allowed;
    if (!(std::abs(x - y) <= bound)) ++wrong;
  }
  return static_cast<double>(wrong) / static_cast<double>(n);
}

}  // namespace

ReferenceRows::ReferenceRows(const Problem& problem, std::size_t row_bytes, RowFunction row)
    : problem_(problem), row_bytes_(row_bytes), row_(std::move(row)) {
  const double row_products = static_cast<double>(problem.n) * static_cast<double>(problem.k);
  const auto most = static_cast<std::int64_t>(std::max(2.0, 2e8 / row_products));
  const std::int64_t rows = std::min(most, problem.m);
  for (std::int64_t i = 0; i < rows; ++i) {
    rows_.push_back(rows == problem.m ? i : (problem.m - 1) * i / (rows - 1));
  }
}

std::string ReferenceRows::compare(const void* result) {
  if (expected_.empty()) {
    expected_.resize(rows_.size() * row_bytes_);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      row_(rows_[i], expected_.data() + i * row_bytes_);
    }
  }
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const auto* actual =
        static_cast<const unsigned char*>(result) + static_cast<std::size_t>(rows_[i]) * row_bytes_;
    if (std::memcmp(actual, expected_.data() + i * row_bytes_, row_bytes_) != 0) {
      throw std::runtime_error(std::string(kernels::last_kernel()) +
                               " differs from the reference in row " + std::to_string(rows_[i]) +
                               " of " + to_string(problem_));
    }
  }
  return "equal to the reference, bit for bit, in " + std::to_string(rows_.size()) + " of " +
         std::to_string(problem_.m) + " rows";
}

AlignedVector<std::int8_t> make_weights(const std::string& kind, std::int64_t n, std::int64_t k) {
  AlignedVector<std::int8_t> w(count(n, k));
  std::mt19937 engine(1);
  for (std::int64_t c = 0; c < n; ++c) {
    std::int8_t* channel = w.data() + c * k;
    if (kind == "normal") {
      fill_normal(engine, channel, k);
    } else if (kind == "uniform") {
      for (std::int64_t p = 0; p < k; ++p) {
        channel[p] = static_cast<std::int8_t>(engine() % 256 - 128);
      }
    } else {
      for (std::int64_t p = 0; p < k; ++p) channel[p] = engine() % 2 == 0 ? -128 : 127;
    }
  }
  return w;
}

U8S8Data::U8S8Data(const Problem& p, AlignedVector<std::int8_t> weights,
                   std::int32_t max_activation, OutputType type)
    : problem_(p),
      a_(count(p.m, p.k)),
      w_(std::move(weights)),
      multipliers_(count(p.n, 1)),
      bias_(count(p.n, 1)),
      element_(output_bytes(type)),
      out_(count(p.m, p.n) * element_),
      reference_(p, count(p.n, 1) * element_, [this](std::int64_t row, void* to) {
        const Problem& size = problem_;
        kernels::reference::gemm_u8s8(a_.data() + row * size.k, size.k, 1, w_.data(), size.k,
                                      size.n, size.k, stage_, to, size.n);
      }) {
  std::mt19937 engine(2);
  for (std::uint8_t& v : a_) {
    v = static_cast<std::uint8_t>(engine() % static_cast<unsigned>(max_activation + 1));
  }
  for (std::size_t c = 0; c < bias_.size(); ++c) {
    // Spreads the results over the range of a byte.
    multipliers_[c] = (4.0f + static_cast<float>(c % 7) * 0.4f) /
                      (static_cast<float>(max_activation) * std::sqrt(static_cast<float>(p.k)));
    bias_[c] = static_cast<float>(c % 17) - 8.0f;
  }
  stage_.type = type;
  // Peers do not correct bare sums for it.
  stage_.a_zero_point = type == OutputType::s32 ? 0 : max_activation / 2;
  stage_.multipliers = {multipliers_.data(), 1};
  stage_.bias = {bias_.data(), 1};
  stage_.relu = true;
  if (type == OutputType::s8) {
    stage_.out_min = -128;
    stage_.out_max = 127;
  }
}

double U8S8Data::wrong(const void* other) const {
  switch (stage_.type) {
    case OutputType::u8:
      return wrong_part<std::uint8_t>(out_.data(), other, out_.size(), 1);
    case OutputType::s8:
      return wrong_part<std::int8_t>(out_.data(), other, out_.size(), 1);
    case OutputType::s32:
      return wrong_part<std::int32_t>(out_.data(), other, out_.size(), 0);
    case OutputType::f32:
      return wrong_part<float>(out_.data(), other, out_.size(), 1e-5);
  }
  return 0;
}

}  // namespace adze::bench
