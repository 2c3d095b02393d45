#include <fstream>
#include <limits>

#include <nlohmann/json.hpp>

#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/quantized/linear.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/nn/sparse/quantized/linear.h"
#include "adze/fx/graph_module.h"

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

TEST_CASE("Quantized linear layers compute what the ops of core do", "[ao][linear]") {
  Generator g(4);
  const Tensor w =
      quantize_per_channel(randn({6, 12}, &g), full({6}, .02), zeros({6}, int64), 0, qint8);
  const Tensor f = randn({2, 5, 12}, &g), x = quantize_per_tensor(f, .03, 120, quint8);
  namespace q = adze::quantized;
  for (const Tensor& bias : {Tensor(), randn({6}, &g)}) {
    for (const DType dtype : {quint8, qint8}) {
      const std::int64_t zp = dtype == quint8 ? 90 : -38;
      CHECK(nnq::Linear(w, bias, .5, zp, dtype)(x).equal(q::linear(x, w, bias, .5, zp, dtype)));
      CHECK(nniq::LinearReLU(w, bias, .5, zp, dtype)(x).equal(
          q::linear_relu(x, w, bias, .5, zp, dtype)));
    }
    for (const bool reduce_range : {false, true}) {
      nnq::dynamic::Linear layer(w, bias, {.reduce_range = reduce_range});
      CHECK(layer(f).equal(q::linear_dynamic(f, w, bias, reduce_range)));
    }
    CHECK(nniq::dynamic::LinearReLU(w, bias)(f).equal(q::linear_relu_dynamic(f, w, bias, true)));
    const Tensor half = w.dequantize().to(float16);
    CHECK(nnq::dynamic::Linear(half, bias)(f).equal(q::linear_dynamic_fp16(f, half, bias)));
    CHECK(
        nniq::dynamic::LinearReLU(half, bias)(f).equal(q::linear_relu_dynamic_fp16(f, half, bias)));
  }
}

TEST_CASE("Quantized linear layers take in a quantize before and a dequantize behind them",
          "[ao][linear]") {
  Generator g(5);
  const Tensor w = quantize_per_tensor(randn({32, 16}, &g), 0.02, 0, qint8);
  const Tensor bias = randn({32}, &g), f = randn({9, 16}, &g);
  const Tensor x = quantize_per_tensor(f, 0.03, 120, quint8);
  const std::vector<Value> quantize_args = {f, 0.03, std::int64_t{120}, quint8};
  namespace sparse = ao::nn::sparse::quantized;
  const std::vector<nn::ModulePtr> layers = {
      nn::make<nnq::Linear>(w, bias, .5, 90), nn::make<nniq::LinearReLU>(w, bias, .5, 90),
      nn::make<sparse::Linear>(w, bias, .5, 90), nn::make<sparse::LinearReLU>(w, bias, .5, 90)};
  for (const nn::ModulePtr& layer : layers) {
    INFO(layer->qualified_type());
    const Tensor y = (*layer)(x);
    const auto in = layer->call_fused(ops::quantize_per_tensor, nn::Fused::before, quantize_args);
    REQUIRE(in.has_value());
    CHECK(in->to_tensor().equal(y));
    const std::vector<Value> args = {x};
    const auto out = layer->call_fused(ops::dequantize, nn::Fused::after, args);
    REQUIRE(out.has_value());
    CHECK(out->to_tensor().equal(dequantize(y)));
    CHECK_FALSE(layer->call_fused(ops::dequantize, nn::Fused::before, args).has_value());
    CHECK_FALSE(layer->call_fused(ops::relu, nn::Fused::after, args).has_value());
    // Too few arguments: the calls one by one say so.
    CHECK_FALSE(layer->call_fused(ops::quantize_per_tensor, nn::Fused::before, args).has_value());
    CHECK_FALSE(layer->call_fused(ops::dequantize, nn::Fused::after, {}).has_value());
  }
  const std::vector<Value> args = {f};
  CHECK_FALSE(nnq::dynamic::Linear(w, bias)
                  .call_fused(ops::dequantize, nn::Fused::after, args)
                  .has_value());
}

TEST_CASE("A graph around an int8 layer gives what its steps give, and names the one that fails",
          "[ao][linear][errors]") {
  Generator g(6);
  const Tensor w = quantize_per_tensor(randn({32, 16}, &g), 0.02, 0, qint8);
  nnq::Linear layer(w, randn({32}, &g), .5, 90);
  auto net = nn::make<nn::Sequential>(layer);
  fx::Graph graph;
  fx::Node& q = graph.call_function(ops::quantize_per_tensor,
                                    {graph.placeholder("x"), 0.03, std::int64_t{120}, quint8});
  graph.output(graph.call_function(ops::dequantize, {graph.call_module("0", {q})}));
  fx::GraphModule gm(*net, std::move(graph));
  Tensor x = randn({9, 16}, &g);
  const Tensor y = dequantize(layer(quantize_per_tensor(x, 0.03, 120, quint8)));
  CHECK(gm(x).equal(y));
  CHECK(gm(x[0].reshape({1, 16})).equal(y[0].reshape({1, 32})));
  CHECK(gm(zeros({0, 16})).sizes() == Shape{0, 32});
  x.mutable_data<float>()[20] = std::numeric_limits<float>::infinity();
  CHECK(error_of([&] { gm(x); }).starts_with("quantize_per_tensor: quantize_per_tensor: "));
  CHECK_THAT(error_of([&] {
               gm(zeros({2, 15}));
             }),
             ContainsSubstring("0: ") && ContainsSubstring("expects 16 input features"));
}

TEST_CASE("Quantized linear names what does not fit", "[ao][linear][errors]") {
  const Tensor w = quantize_per_tensor(ones({2, 3}), 0.01, 0, qint8);
  nnq::Linear layer(w, {}, 0.1, 0);
  CHECK(error_of([&] {
          layer(ones({1, 3}));
        }) ==
        "quantized::linear: expected a quantized input, got float32; insert a QuantStub, or let "
        "prepare_fx/convert_fx quantize the network");
  CHECK(error_of([&] {
          layer(quantize_per_tensor(ones({1, 4}), 0.1, 0, quint8));
        }) ==
        "quantized::linear: weight expects 3 input features, input has 4 (input (1, 4), weight (2, "
        "3))");
  CHECK(error_of([&] {
          nnq::Linear(ones({2, 3}), {}, 0.1, 0);
        }) == "quantized::linear: weight must be qint8, got float32");
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
        }) ==
        "quantized::linear_dynamic: expected a float32 input, got quint8; dequantize() it first");
  const Tensor wrong = quantize_per_channel(ones({2, 3}), tensor({1, 1, 1}),
                                            tensor_of<std::int64_t>({0, 0, 0}), 1, qint8);
  CHECK(error_of([&] { nnq::Linear(wrong, {}, 0.1, 0); }).find("along axis 0, got axis 1") !=
        std::string::npos);
}

TEST_CASE("A float tensor that reaches a quantized layer is an error with the layer's path",
          "[ao][linear][errors]") {
  const Tensor w = quantize_per_tensor(ones({3, 3}), 0.01, 0, qint8);
  const auto inner = nn::make<nn::Sequential>();
  inner->append(nn::make<nn::ReLU>());
  inner->append(nn::make<nniq::LinearReLU>(w, Tensor(), 0.1, 0));
  const auto net = nn::make<nn::Sequential>();
  net->append(nn::make<nn::ReLU>());
  net->append(inner);
  CHECK(error_of([&] {
          (*net)(ones({1, 3}));
        }) ==
        "1.1: quantized::linear_relu: expected a quantized input, got float32; insert a QuantStub, "
        "or let prepare_fx/convert_fx quantize the network");
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
