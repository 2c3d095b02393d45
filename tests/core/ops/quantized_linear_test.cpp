#include <numeric>

#include "adze/core/autograd.h"
#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/kernels/isa.h"

#include "kernels/kernel_test_support.h"
#include "support/catch.h"

using namespace adze;
using kernels::testing::for_each_isa;

namespace {

using Ints = std::vector<std::int64_t>;

Ints ints(const Tensor& q) {
  return q.int_repr().to_vector<std::int64_t>();
}

Tensor bytes(std::initializer_list<int> values, const Shape& shape, double scale,
             std::int64_t zero_point) {
  const std::vector<std::uint8_t> v(values.begin(), values.end());
  return make_per_tensor_quantized_tensor(from_vector(v, shape), scale, zero_point);
}
Tensor int8_values(std::initializer_list<int> values, const Shape& shape) {
  return from_vector(std::vector<std::int8_t>(values.begin(), values.end()), shape);
}
Tensor weight(std::initializer_list<int> values, const Shape& shape, double scale) {
  return make_per_tensor_quantized_tensor(int8_values(values, shape), scale, 0);
}

// The layer and the input of the printed numbers of PyTorch.
Tensor input() {
  return tensor({{-1, 0, 1}, {.5, .25, -2}, {3, -1.5, .75}, {.1, .2, .3}});
}
Tensor golden_weight() {
  return weight({64, -127, 32, 13, 25, -38}, {2, 3}, .00784313772);
}
Tensor golden_channel_weight() {
  return make_per_channel_quantized_tensor(int8_values({64, -127, 32, 42, 85, -127}, {2, 3}),
                                           tensor({.00784313772, .00235294132}),
                                           tensor_of<std::int64_t>({0, 0}), 0);
}
Tensor golden_bias() {
  return tensor({.05, -.2});
}

// Sums of (a - z_a) * (w - z_w), exact, for x (m, k).
Ints sums(const Tensor& x, const Tensor& w) {
  const std::int64_t m = x.size(0), k = x.size(1), n = w.size(0);
  const Ints a = ints(x), b = ints(w);
  const Quantizer& q = *w.quantizer();
  Ints out;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t c = 0; c < n; ++c) {
      const auto zero =
          static_cast<std::int64_t>(q.zero_points[q.scales.size() > 1 ? std::size_t(c) : 0]);
      std::int64_t sum = 0;
      for (std::int64_t p = 0; p < k; ++p)
        sum += (a[std::size_t(i * k + p)] - x.q_zero_point()) * (b[std::size_t(c * k + p)] - zero);
      out.push_back(sum);
    }
  }
  return out;
}

float weight_scale(const Tensor& w, std::size_t channel) {
  const std::vector<double>& scales = w.quantizer()->scales;
  return static_cast<float>(scales[scales.size() > 1 ? channel : 0]);
}

// The result by the formula of docs/architecture.md, element by element.
Ints by_formula(const Tensor& x, const Tensor& w, const Tensor& bias, double scale,
                std::int64_t zero_point, DType dtype, bool relu) {
  const auto n = static_cast<std::size_t>(w.size(0));
  const float xs = static_cast<float>(x.q_scale()), ys = static_cast<float>(scale);
  const QRange range = qrange(dtype);
  Ints out = sums(x, w);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float ws = weight_scale(w, i % n);
    float v = static_cast<float>(out[i]);
    if (bias.defined()) v += bias.data<float>()[i % n] / (xs * ws);
    const float rounded = std::nearbyint(v * (xs * ws / ys));
    const double q = static_cast<double>(rounded) + static_cast<double>(zero_point);
    out[i] = static_cast<std::int64_t>(std::clamp(
        q, static_cast<double>(relu ? zero_point : range.min), static_cast<double>(range.max)));
  }
  return out;
}

Tensor random_weight(std::int64_t n, std::int64_t k, bool per_channel, Generator& g) {
  const Tensor values = (randint(0, 256, {n, k}, &g) - 128).to(int8);
  if (!per_channel) return make_per_tensor_quantized_tensor(values, .013, 2);
  std::vector<float> scales;
  std::vector<std::int64_t> zero_points;
  for (std::int64_t c = 0; c < n; ++c) {
    scales.push_back(.001f * static_cast<float>(c + 1));
    zero_points.push_back(c % 5 - 2);
  }
  return make_per_channel_quantized_tensor(values, from_vector(scales, {n}),
                                           from_vector(zero_points, {n}), 0);
}

}  // namespace

TEST_CASE("quantized linear gives PyTorch's integers", "[core][quantized][linear]") {
  const Tensor x = quantize_per_tensor(input(), .01960784383, 102, quint8);
  CHECK(ints(x) == Ints{51, 102, 153, 128, 115, 0, 255, 26, 140, 107, 112, 117});
  const Tensor b = golden_bias();
  CHECK(ints(quantized::linear(x, golden_weight(), b, .01504901983, 40)) ==
        Ints{27, 0, 10, 73, 254, 13, 39, 24});
  CHECK(ints(quantized::linear_relu(x, golden_weight(), b, .01269607805, 0)) ==
        Ints{0, 0, 0, 39, 254, 0, 0, 0});
  CHECK(ints(quantized::linear(x, golden_channel_weight(), b, .01504901983, 40)) ==
        Ints{27, 0, 10, 73, 254, 12, 39, 24});
}

TEST_CASE("quantized linear rounds half to even, saturates, and keeps the bias in float",
          "[core][quantized][linear]") {
  const Tensor one = weight({1}, {1, 1}, 1), minus_one = weight({-1}, {1, 1}, 1);
  const Tensor x = bytes({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {12, 1}, 1, 0);
  CHECK(ints(quantized::linear(x, one, {}, 2, 0)) == Ints{0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6});
  CHECK(ints(quantized::linear(x, one, {}, 2, 3)) == Ints{3, 3, 4, 5, 5, 5, 6, 7, 7, 7, 8, 9});
  CHECK(ints(quantized::linear(x.slice(0, 0, 8), minus_one, {}, 2, 20)) ==
        Ints{20, 20, 19, 18, 18, 18, 17, 16});
  CHECK(ints(quantized::linear_relu(x, minus_one, {}, 2, 20)) == Ints(12, 20));
  const Tensor large = bytes({255}, {1, 1}, 1, 0);
  CHECK(ints(quantized::linear(large, one, {}, .1, 0)) == Ints{255});
  CHECK(ints(quantized::linear(large, minus_one, {}, .1, 200)) == Ints{0});
  const Tensor zero = bytes({0}, {1, 1}, .5, 0);
  CHECK(ints(quantized::linear(zero, one, tensor({.26}), .1, 50)) == Ints{53});
}

TEST_CASE("quantized linear follows its formula on every instruction set",
          "[core][quantized][linear]") {
  Generator g(3);
  for_each_isa([&](kernels::Isa isa) {
    for (auto [m, n, k] :
         {std::array<std::int64_t, 3>{1, 1, 1}, {3, 5, 7}, {4, 33, 64}, {9, 16, 65}}) {
      for (const DType dtype : {quint8, qint8}) {
        INFO(kernels::name(isa) << " " << m << " " << n << " " << k << " " << dtype);
        const QRange r = qrange(dtype);
        const Tensor values = randint(r.min, r.max + 1, {m, k}, &g).to(underlying(dtype));
        const Tensor x = make_per_tensor_quantized_tensor(values, .02, r.min + 113);
        for (const bool per_channel : {false, true}) {
          const Tensor w = random_weight(n, k, per_channel, g);
          for (const Tensor& bias : {Tensor(), randn({n}, &g)}) {
            for (const DType out : {quint8, qint8}) {
              const std::int64_t zp = qrange(out).min + 101;
              const Tensor y = quantized::linear(x, w, bias, .11, zp, out);
              CHECK(y.dtype() == out);
              CHECK(ints(y) == by_formula(x, w, bias, .11, zp, out, false));
              CHECK(ints(quantized::linear_relu(x, w, bias, .11, zp, out)) ==
                    by_formula(x, w, bias, .11, zp, out, true));
            }
          }
        }
      }
    }
  });
}

TEST_CASE("the result of quantized linear has the dtype of the input unless one is given",
          "[core][quantized][linear]") {
  Generator g(4);
  const Tensor values = randint(0, 256, {5, 12}, &g), w = random_weight(6, 12, true, g);
  const Tensor u = make_per_tensor_quantized_tensor(values.to(uint8), .03, 140);
  const Tensor s = make_per_tensor_quantized_tensor((values - 128).to(int8), .03, 140 - 128);
  const Tensor y = quantized::linear(u, w, {}, .3, 90);
  CHECK(y.dtype() == quint8);
  CHECK(quantized::linear(s, w, {}, .3, 90 - 128).dtype() == qint8);
  CHECK(quantized::linear(s, w, {}, .3, 90 - 128).dequantize().equal(y.dequantize()));
  CHECK(quantized::linear(s, w, {}, .3, 90, quint8).equal(y));
}

TEST_CASE("quantized linear takes any layout and keeps leading dimensions",
          "[core][quantized][linear]") {
  Generator g(5);
  const Tensor wide =
      make_per_tensor_quantized_tensor(randint(0, 256, {7, 4, 6}, &g).to(uint8), .1, 9);
  const Tensor x = wide.permute({1, 2, 0}).slice(2, 0, {}, 2);  // (4, 6, 4)
  const Tensor w = random_weight(8, 5, false, g).slice(0, 0, {}, 2).slice(1, 1);
  const Tensor bias = randn({8}, &g).slice(0, 0, {}, 2);
  const Tensor y = quantized::linear(x, w, bias, .5, 100);
  CHECK(y.sizes() == Shape{4, 6, 4});
  CHECK(y.reshape({24, 4}).equal(
      quantized::linear(x.reshape({24, 4}), w.contiguous(), bias.contiguous(), .5, 100)));
  const Tensor f = x.dequantize();
  const Tensor d = quantized::linear_dynamic(f.permute({1, 0, 2}), w, bias);
  CHECK(d.permute({1, 0, 2}).contiguous().equal(
      quantized::linear_dynamic(f, w.contiguous(), bias.contiguous())));
  CHECK(quantized::linear(x.select(0, 0).select(0, 0), w, bias, .5, 100).sizes() == Shape{4});
}

TEST_CASE("quantized linear without rows, inputs or outputs", "[core][quantized][linear]") {
  const Tensor w = weight({1, 2, 3, 4, 5, 6}, {2, 3}, .1), none = weight({}, {2, 0}, .1);
  CHECK(quantized::linear(bytes({}, {0, 3}, 1, 0), w, {}, 1, 0).sizes() == Shape{0, 2});
  CHECK(quantized::linear_dynamic(zeros({0, 3}), w, {}).sizes() == Shape{0, 2});
  CHECK(
      quantized::linear(bytes({1, 2, 3}, {1, 3}, 1, 0), weight({}, {0, 3}, .1), {}, 1, 0).sizes() ==
      Shape{1, 0});
  const Tensor bias = tensor({.5, -1});
  CHECK(quantized::linear(bytes({}, {2, 0}, 1, 0), none, bias, .5, 10)
            .equal(bytes({11, 8, 11, 8}, {2, 2}, .5, 10)));
  CHECK(quantized::linear_dynamic(zeros({2, 0}), none, bias).equal(tensor({{.5, -1}, {.5, -1}})));
}

TEST_CASE("a weight that changes is packed again", "[core][quantized][linear]") {
  const Tensor x = bytes({1, 2, 3}, {1, 3}, 1, 0);
  const Tensor w = weight({1, 1, 1}, {1, 3}, 1), copy = w.clone();
  quantized::linear_prepack(w);
  CHECK(ints(quantized::linear(x, w, {}, 1, 0)) == Ints{6});
  w.select(1, 2).int_repr().fill_(2);
  CHECK(ints(quantized::linear(x, w, {}, 1, 0)) == Ints{9});
  CHECK(quantized::linear_dynamic(x.dequantize() * 85, w, {}).item() == 9 * 85);
  CHECK(ints(quantized::linear(x, copy, {}, 1, 0)) == Ints{6});
  w.copy_(weight({1, 1, 1}, {1, 3}, 2));
  CHECK(ints(quantized::linear(x, w, {}, 1, 0)) == Ints{12});
}

TEST_CASE("one weight serves any bias and any scales", "[core][quantized][linear]") {
  const Tensor w = weight({1, 1, 1}, {1, 3}, 1), bias = tensor({5});
  const auto x = [](double scale) { return bytes({1, 2, 3}, {1, 3}, scale, 0); };
  const auto run = [&](double scale, const Tensor& b, double out_scale) {
    return ints(quantized::linear(x(scale), w, b, out_scale, 0))[0];
  };
  CHECK(run(1, bias, 1) == 11);
  CHECK(run(1, bias, .5) == 22);
  CHECK(run(2, bias, .5) == 34);
  CHECK(run(2, {}, .5) == 24);
  CHECK(run(2, tensor({1}), .5) == 26);
  CHECK(run(2, bias, .5) == 34);
  bias.fill_(2);
  CHECK(run(2, bias, .5) == 28);
}

TEST_CASE("dynamic quantized linear gives PyTorch's numbers", "[core][quantized][linear]") {
  const auto close = [](const Tensor& y, const Tensor& expected) {
    return y.allclose(expected, 0, 2e-6);
  };
  const Tensor w = quantize_per_tensor(tensor({{.5, -1, 2}, {1, 1, 1}}), .02, 0, qint8);
  const Tensor b = tensor({.1, -.1}), x = tensor({{.1, .2, -.3}, {1, 2, 3}});
  CHECK(close(quantized::linear_dynamic(x, w, b), tensor({{-.637647, -.1}, {4.597058, 5.904706}})));
  CHECK(close(quantized::linear_dynamic(x, w, b, true),
              tensor({{-.679528, -.1}, {4.569291, 5.876378}})));
  CHECK(close(quantized::linear_relu_dynamic(x, w, b), tensor({{0, 0}, {4.597058, 5.904706}})));
  CHECK(close(quantized::linear_dynamic(input(), golden_weight(), golden_bias()),
              tensor({{-.20098044, -.60000008},
                      {-.44996160, .49803931},
                      {3.22723985, -.40838140},
                      {-.02227990, -.23921570}})));
  CHECK(close(quantized::linear_dynamic(input(), golden_channel_weight(), golden_bias()),
              tensor({{-.20098044, -.59764707},
                      {-.4499616, .49900812},
                      {3.22723985, -.42422146},
                      {-.0222799, -.23898502}})));
}

TEST_CASE("dynamic quantized linear follows its formula on every instruction set",
          "[core][quantized][linear]") {
  Generator g(6);
  for_each_isa([&](kernels::Isa isa) {
    for (const bool reduce_range : {false, true}) {
      INFO(kernels::name(isa) << " " << reduce_range);
      const Tensor x = randn({6, 35}, &g) + .3, w = random_weight(17, 35, true, g);
      const Tensor bias = randn({17}, &g);
      const Tensor q = quantize_per_tensor_dynamic(x, quint8, reduce_range);
      const Ints acc = sums(q, w);
      std::vector<float> expected;
      for (std::size_t i = 0; i < acc.size(); ++i) {
        const float scaled = static_cast<float>(acc[i]) *
                             (static_cast<float>(q.q_scale()) * weight_scale(w, i % 17));
        expected.push_back(scaled + bias.data<float>()[i % 17]);
      }
      const Tensor y = from_vector(expected, {6, 17});
      CHECK(quantized::linear_dynamic(x, w, bias, reduce_range).equal(y));
      CHECK(quantized::linear_relu_dynamic(x, w, bias, reduce_range).equal(relu(y)));
    }
  });
}

TEST_CASE("linear with a float16 weight computes in float32", "[core][quantized][linear]") {
  Generator g(7);
  const Tensor x = randn({2, 3, 8}, &g), w = randn({5, 8}, &g).to(float16), bias = randn({5}, &g);
  const Tensor y = linear(x, w.to(float32), bias);
  CHECK(quantized::linear_dynamic_fp16(x, w, bias).equal(y));
  CHECK(quantized::linear_relu_dynamic_fp16(x, w, bias).equal(relu(y)));
}

TEST_CASE("results of quantized linear are constants for autograd", "[core][quantized][linear]") {
  const Tensor x = ones({1, 2}), bias = ones({1});
  x.requires_grad_();
  bias.requires_grad_();
  const Tensor w = weight({1, 1}, {1, 2}, 1);
  CHECK_FALSE(quantized::linear_dynamic(x, w, bias).requires_grad());
  CHECK_FALSE(quantized::linear_relu_dynamic_fp16(x, ones({1, 2}, float16), bias).requires_grad());
  CHECK_FALSE(quantized::linear(bytes({1, 1}, {1, 2}, 1, 0), w, bias, 1, 0).requires_grad());
}

TEST_CASE("quantized linear names what does not fit", "[core][quantized][linear][errors]") {
  const Tensor x = bytes({1, 2, 3}, {1, 3}, 1, 0), w = weight({1, 2, 3, 4, 5, 6}, {2, 3}, .1);
  const Tensor f = ones({1, 3});
  CHECK_THROWS_WITH(
      quantized::linear(f, w, {}, 1, 0),
      "quantized::linear: expected a quantized input, got float32; insert a QuantStub, or let "
      "prepare_fx/convert_fx quantize the network");
  CHECK_THROWS_WITH(
      quantized::linear_relu(x.slice(1, 0, 2), w, {}, 1, 0),
      "quantized::linear_relu: weight expects 3 input features, input has 2 (input (1, 2), "
      "weight (2, 3))");
  CHECK_THROWS_WITH(
      quantized::linear(x.select(0, 0).select(0, 0), w, {}, 1, 0),
      "quantized::linear: weight expects 3 input features, input has 0 (input (), weight (2, "
      "3))");
  CHECK_THROWS_WITH(quantized::linear(x, w, {}, 1, 0, qint32),
                    "quantized::linear: the result must be quint8 or qint8, got qint32");
  CHECK_THROWS_WITH(quantized::linear(x, f, {}, 1, 0),
                    "quantized::linear: weight must be qint8, got float32");
  CHECK_THROWS_WITH(quantized::linear(x, x, {}, 1, 0),
                    "quantized::linear: weight must be qint8, got quint8");
  CHECK_THROWS_WITH(quantized::linear(x, w.select(0, 0), {}, 1, 0),
                    "quantized::linear: weight must be a matrix, got (3,)");
  const std::string bias_error =
      "bias must be float32 with 2 elements (weight (2, 3)), got float32 (3,)";
  CHECK_THROWS_WITH(quantized::linear(x, w, ones({3}), 1, 0), "quantized::linear: " + bias_error);
  CHECK_THROWS_WITH(quantized::linear_prepack(w, ones({3})), "quantized::linear: " + bias_error);
  CHECK_THROWS_WITH(quantized::linear_dynamic(f, w, ones({3})),
                    "quantized::linear_dynamic: " + bias_error);
  CHECK_THROWS_WITH(quantized::linear(x, w, ones({2}, float64), 1, 0),
                    ContainsSubstring("got float64 (2,)"));
  const Tensor columns = quantize_per_channel(ones({2, 3}), ones({3}), zeros({3}, int64), 1, qint8);
  CHECK_THROWS_WITH(
      quantized::linear(x, columns, {}, 1, 0),
      "quantized::linear: a per-channel weight must be quantized along axis 0, got axis 1");
  const Tensor rows = quantize_per_channel(ones({2, 3}), ones({2}), zeros({2}), 0, qint8);
  CHECK_THROWS_WITH(quantized::linear(x, rows, {}, 1, 0),
                    ContainsSubstring("the zero points of a weight must be integers"));
}

TEST_CASE("dynamic linear names what does not fit", "[core][quantized][linear][errors]") {
  const Tensor x = bytes({1, 2, 3}, {1, 3}, 1, 0), w = weight({1, 2, 3, 4, 5, 6}, {2, 3}, .1);
  const Tensor half = ones({2, 3}, float16);
  CHECK_THROWS_WITH(
      quantized::linear_dynamic(x, w, {}),
      "quantized::linear_dynamic: expected a float32 input, got quint8; dequantize() it first");
  CHECK_THROWS_WITH(
      quantized::linear_relu_dynamic(ones({1, 3}, float64), w, {}),
      "quantized::linear_relu_dynamic: expected a float32 input, got float64; convert it with "
      "to(float32)");
  CHECK_THROWS_WITH(
      quantized::linear_dynamic(tensor({1, std::numeric_limits<float>::infinity(), 3}), w, {}),
      "quantized::linear_dynamic: the input must be finite, but 1 of its 3 elements are not; the "
      "first is inf at index (1,)");
  CHECK_THROWS_WITH(quantized::linear_dynamic(ones({1, 3}), half, {}),
                    "quantized::linear_dynamic: weight must be qint8, got float16");
  CHECK_THROWS_WITH(quantized::linear_dynamic_fp16(ones({1, 3}), w, {}),
                    "quantized::linear_dynamic_fp16: weight must be float16, got qint8");
  CHECK_THROWS_WITH(
      quantized::linear_relu_dynamic_fp16(ones({1, 2}), half, {}),
      "quantized::linear_relu_dynamic_fp16: weight expects 3 input features, input has 2 (input "
      "(1, 2), weight (2, 3))");
  CHECK_THROWS_WITH(
      quantized::linear_dynamic_fp16(x, half, {}),
      "quantized::linear_dynamic_fp16: expected a float32 input, got quint8; dequantize() it "
      "first");
}
