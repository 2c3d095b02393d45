#include <fstream>

#include <nlohmann/json.hpp>

#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/quantized/linear.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/kernels/isa.h"

#include "ao/composability_support.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;
using nlohmann::json;

namespace {

const json& golden() {
  static const json j = [] {
    std::ifstream in(ADZE_TEST_DATA_DIR "/quantized_linear.json");
    REQUIRE(in);
    return json::parse(in);
  }();
  return j;
}

Tensor float_tensor(const json& values, const Shape& shape) {
  return from_vector(values.get<std::vector<float>>(), shape);
}

// The layer of a golden case, with its input.
struct Case {
  const json& j;
  std::int64_t n, k, m;
  Tensor x, weight, bias;

  explicit Case(const json& c)
      : j(c),
        n(c["n"]),
        k(c["k"]),
        m(c["m"]),
        x(float_tensor(c["x"], {m, k})),
        weight(float_tensor(c["weight"], {n, k})),
        bias(c["bias"].empty() ? Tensor() : float_tensor(c["bias"], {n})) {}
  Tensor ints(const char* name) const {
    const auto values = j[name].get<std::vector<std::int64_t>>();
    return from_vector(values, {static_cast<std::int64_t>(values.size())});
  }
};

Tensor flat_ints(const Tensor& q) {
  return q.int_repr().to(int64).flatten();
}

// out[i][c] by the formula of the documentation, element by element.
Tensor linear_by_formula(const Tensor& xq, const Tensor& wq, const Tensor& bias, float out_scale,
                         std::int64_t out_zp, bool relu) {
  const std::int64_t m = xq.size(0), k = xq.size(1), n = wq.size(0);
  const auto* x = xq.data<std::uint8_t>();
  const auto* w = wq.data<std::int8_t>();
  const auto& q = *wq.quantizer();
  const float xs = static_cast<float>(xq.q_scale());
  std::vector<std::uint8_t> out(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t c = 0; c < n; ++c) {
      const std::size_t ch = q.scales.size() > 1 ? static_cast<std::size_t>(c) : 0;
      std::int32_t acc = 0;
      for (std::int64_t p = 0; p < k; ++p)
        acc += (x[i * k + p] - static_cast<std::int32_t>(xq.q_zero_point())) *
               (w[c * k + p] - static_cast<std::int32_t>(q.zero_points[ch]));
      const float ws = static_cast<float>(q.scales[ch]);
      float v = static_cast<float>(acc);
      if (bias.defined()) v += bias.data<float>()[c] / (xs * ws);
      v = std::nearbyint(v * (xs * ws / out_scale)) + static_cast<float>(out_zp);
      out[static_cast<std::size_t>(i * n + c)] = static_cast<std::uint8_t>(
          std::clamp(v, relu ? static_cast<float>(out_zp) : 0.0f, 255.0f));
    }
  }
  return from_vector(out, {m, n});
}

}  // namespace

TEST_CASE("Statically quantized linear networks have PyTorch's integers", "[ao][linear][golden]") {
  for (const json& j : golden()["static"]) {
    const Case c(j);
    INFO(j["qconfig"] << ", n " << c.n << ", k " << c.k << ", relu " << j["relu"]);
    const bool relu = j["relu"];
    auto net = nn::make<nn::Sequential>();
    net->append(nn::make<tq::QuantStub>());
    net->append(nn::make<nn::Linear>(c.weight.clone(), c.bias));
    if (relu) net->append(nn::make<nn::ReLU>());
    net->append(nn::make<tq::DeQuantStub>());
    net->eval();
    if (relu) tq::fuse_modules(net, {{"1", "2"}}, {.inplace = true});
    const std::string name = j["qconfig"];
    net->qconfig = name == "fbgemm"    ? tq::get_default_qconfig("fbgemm")
                   : name == "default" ? tq::default_qconfig
                                       : tq::default_per_channel_qconfig;
    tq::prepare(net, {.inplace = true});
    (*net)(c.x);
    tq::convert(net, {.inplace = true});
    const Tensor xq = net->at(0)(c.x);
    CHECK(flat_ints(xq).equal(c.ints("x_ints")));
    CHECK(xq.q_scale() == j["x_qparams"]["scales"][0]);
    CHECK(xq.q_zero_point() == j["x_qparams"]["zero_points"][0]);
    const Tensor wq = effective(*net, "1.weight");
    CHECK(flat_ints(wq).equal(c.ints("w_ints")));
    CHECK(wq.quantizer()->scales == j["w_qparams"]["scales"].get<std::vector<double>>());
    const Tensor yq = net->at(1)(xq);
    // The range comes from float sums, whose order is each library's own.
    CHECK(yq.q_scale() == Approx(j["y_qparams"]["scales"][0].get<double>()).epsilon(1e-6));
    CHECK(yq.q_zero_point() == j["y_qparams"]["zero_points"][0]);
    CHECK(flat_ints(yq).equal(c.ints("y_ints")));
  }
}

TEST_CASE("Dynamically quantized linear layers compute what PyTorch's do", "[ao][linear][golden]") {
  for (const json& j : golden()["dynamic"]) {
    const Case c(j);
    INFO("n " << c.n << ", k " << c.k << ", per channel " << j["per_channel"]);
    const bool per_channel = j["per_channel"];
    const tq::QConfig qconfig =
        per_channel ? tq::per_channel_dynamic_qconfig : tq::default_dynamic_qconfig;
    nn::ModulePtr net = nn::make<nn::Linear>(c.weight.clone(), c.bias);
    net = tq::quantize_dynamic(
        net, {.qconfig_spec =
                  tq::DynamicSpec{.type_qconfigs = {{tq::ModuleType::of<nn::Linear>(), qconfig}}}});
    REQUIRE(is_exactly<nnq::dynamic::Linear>(*net));
    CHECK(flat_ints(effective(*net, "weight")).equal(c.ints("w_ints")));
    CHECK((*net)(c.x).allclose(float_tensor(j["y"], {c.m, c.n}), 1e-5, 1e-5));
  }
}

TEST_CASE("Quantized linear follows the documented formula at full range on every ISA",
          "[ao][linear]") {
  Generator g(3);
  const auto restore = kernels::active();
  for (kernels::Isa isa : kernels::all_isas()) {
    if (!kernels::supported(isa)) continue;
    kernels::set_active(isa);
    for (auto [m, n, k] :
         {std::array<std::int64_t, 3>{1, 1, 1}, {3, 5, 7}, {4, 33, 64}, {9, 16, 65}}) {
      INFO(kernels::name(isa) << " " << m << " " << n << " " << k);
      const Tensor xi = randint(0, 256, {m, k}, &g).to(uint8);
      const Tensor wi = (randint(0, 256, {n, k}, &g) - 128).to(int8);
      const Tensor x = make_per_tensor_quantized_tensor(xi, 0.02, 113);
      std::vector<float> scales;
      std::vector<std::int64_t> zps;
      for (std::int64_t c = 0; c < n; ++c) {
        scales.push_back(0.001f * static_cast<float>(c + 1));
        zps.push_back(c % 5 - 2);
      }
      const Tensor w =
          make_per_channel_quantized_tensor(wi, from_vector(scales, {n}), from_vector(zps, {n}), 0);
      for (const Tensor& bias : {Tensor(), randn({n}, &g)}) {
        nnq::Linear layer(w, bias, 0.11, 101);
        CHECK(layer(x).int_repr().equal(linear_by_formula(x, w, bias, 0.11f, 101, false)));
        nniq::LinearReLU fused(w, bias, 0.11, 101);
        CHECK(fused(x).int_repr().equal(linear_by_formula(x, w, bias, 0.11f, 101, true)));
      }
    }
  }
  kernels::set_active(restore);
}

TEST_CASE("A qint8 activation gives the result of the same values as quint8", "[ao][linear]") {
  Generator g(4);
  const Tensor xi = randint(0, 256, {5, 12}, &g);
  const Tensor w = quantize_per_tensor(randn({6, 12}, &g), 0.02, 0, qint8);
  const Tensor bias = randn({6}, &g);
  nnq::Linear layer(w, bias, 0.07, 90), signed_layer(w, bias, 0.07, 90 - 128, qint8);
  const Tensor u = make_per_tensor_quantized_tensor(xi.to(uint8), 0.03, 140);
  const Tensor s = make_per_tensor_quantized_tensor((xi - 128).to(int8), 0.03, 140 - 128);
  const Tensor expected = layer(u);
  CHECK(layer(s).equal(expected));
  CHECK(signed_layer(u).dequantize().equal(expected.dequantize()));
}

TEST_CASE("Leading dimensions are kept and an empty batch is fine", "[ao][linear]") {
  const Tensor w = quantize_per_tensor(ones({2, 3}), 0.01, 0, qint8);
  nnq::Linear layer(w, {}, 0.1, 0);
  const Tensor x = quantize_per_tensor(ones({2, 4, 3}), 0.1, 0, quint8);
  CHECK(layer(x).sizes() == Shape{2, 4, 2});
  CHECK(layer(quantize_per_tensor(ones({0, 3}), 0.1, 0, quint8)).sizes() == Shape{0, 2});
  nnq::dynamic::Linear dynamic(w, {});
  CHECK(dynamic(ones({2, 4, 3})).sizes() == Shape{2, 4, 2});
  CHECK(dynamic(zeros({0, 3})).sizes() == Shape{0, 2});
}

TEST_CASE("Quantized linear names what does not fit", "[ao][linear][errors]") {
  const Tensor w = quantize_per_tensor(ones({2, 3}), 0.01, 0, qint8);
  nnq::Linear layer(w, {}, 0.1, 0);
  CHECK(
      error_of([&] {
        layer(ones({1, 3}));
      }) ==
      "quantized linear: expected a quantized input, got float32; quantize it first (a QuantStub, "
      "or a qconfig for the layer before)");
  CHECK(error_of([&] {
          layer(quantize_per_tensor(ones({1, 4}), 0.1, 0, quint8));
        }) ==
        "quantized linear: weight expects 3 input features, input has 4 (input (1, 4), weight (2, "
        "3))");
  CHECK(error_of([&] {
          nnq::Linear(ones({2, 3}), {}, 0.1, 0);
        }) == "quantized linear: weight must be qint8, got float32");
  CHECK(error_of([&] {
          nnq::Linear(w, ones({3}), 0.1, 0);
        }).find("bias must be float32 with 2 elements") != std::string::npos);
  CHECK(error_of([&] { nnq::dynamic::Linear(ones({3}).to(float16), {}); }) ==
        "quantized linear: weight must be a matrix, got (3,)");
  CHECK(error_of([&] {
          nnq::dynamic::Linear(ones({2, 3}).to(float16), ones({3}));
        }) == "dynamic quantized linear: bias must have 2 elements, got shape (3,)");
  CHECK_FALSE(error_of([&] { nnq::Linear(w, {}, 0.0, 0); }).empty());
  CHECK_FALSE(error_of([&] { nnq::Linear(w, {}, 0.1, 300); }).empty());
  nnq::dynamic::Linear dynamic(w, {});
  CHECK(error_of([&] {
          dynamic(quantize_per_tensor(ones({1, 3}), 0.1, 0, quint8));
        }) == "dynamic quantized linear: expected a float32 input, got quint8");
  const Tensor wrong = quantize_per_channel(ones({2, 3}), tensor({1, 1, 1}),
                                            tensor_of<std::int64_t>({0, 0, 0}), 1, qint8);
  CHECK(error_of([&] { nnq::Linear(wrong, {}, 0.1, 0); }).find("along axis 0, got axis 1") !=
        std::string::npos);
}

TEST_CASE("Loading or setting weights is seen by the next call", "[ao][linear]") {
  const Tensor w1 = quantize_per_tensor(ones({2, 3}), 0.01, 0, qint8);
  const Tensor w2 = quantize_per_tensor(ones({2, 3}) * -0.5, 0.02, 0, qint8);
  const Tensor x = quantize_per_tensor(ones({1, 3}), 0.1, 0, quint8);
  nnq::Linear a(w1, {}, 0.1, 128), b(w2, ones({2}), 0.2, 3);
  const Tensor before = a(x);
  CHECK_FALSE(error_of([&] { nn::load_state_dict(a, nn::state_dict(b)); }).empty());  // a: no bias
  nnq::Linear c(w1, zeros({2}), 0.1, 128);
  c(x);
  nn::load_state_dict(c, nn::state_dict(b));
  CHECK(c(x).equal(b(x)));
  a.set_weight_bias(w2, {});
  CHECK_FALSE(a(x).equal(before));
  CHECK_FALSE(error_of([&] {
                a.set_weight_bias(quantize_per_tensor(ones({3, 3}), 1, 0, qint8), {});
              }).empty());
}

TEST_CASE("A reference layer computes with the weight on its grid", "[ao][linear][reference]") {
  Generator g(6);
  for (const tq::QConfig& qconfig : {tq::default_qconfig, tq::default_per_channel_qconfig}) {
    nn::ModulePtr net = nn::make<nn::Sequential>(nn::Linear(7, 5), nn::ReLU());
    net->qconfig = qconfig;
    auto fused = tq::fuse_modules(net, {{"0", "1"}});
    auto prepared = tq::prepare(fused);
    const Tensor x = randn({4, 7}, &g);
    (*prepared)(x);
    auto reference = tq::convert(prepared, {.is_reference = true});
    auto int8 = tq::convert(prepared);
    auto& layer = reference->as<nn::Sequential>()[0].as<nni::LinearReLU>()[0];
    REQUIRE(is_exactly<nnq::reference::Linear>(layer));
    auto& ref = layer.as<nnq::reference::Linear>();
    const Tensor wq = effective(*int8, "0.weight");
    CHECK(ref.quantized_weight().equal(wq));
    CHECK((*reference)(x).allclose(relu(linear(x, wq.dequantize(), effective(*int8, "0.bias"))),
                                   1e-6, 1e-6));
    CHECK(nn::state_dict(*reference).contains("0.0.weight_scale"));
  }
}

TEST_CASE("float16 weights are stored small and computed in float32", "[ao][linear][dynamic]") {
  Generator g(8);
  nn::ModulePtr net = nn::make<nn::Sequential>(nn::Linear(16, 4), nn::ReLU());
  auto half = tq::quantize_dynamic(net, {.dtype = float16});
  CHECK(effective(*half, "0.weight").dtype() == float16);
  const Tensor x = randn({3, 16}, &g);
  NoGrad guard;
  CHECK((*half)(x).allclose((*net)(x), 1e-2, 1e-3));
}
