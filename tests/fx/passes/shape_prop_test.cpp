#include "adze/fx/passes/shape_prop.h"

#include "adze/fx/tracer.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using test::error_of;

class Parts : public nn::ModuleOf<Parts> {
 public:
  nn::Submodule fc{"fc", test::Affine(4, 6)};
  Tensor forward(const Tensor& x) {
    const TensorList halves = chunk(fc(x), 2, 1);
    return halves[0].to(float64) + halves[1];
  }

 protected:
  void fields(nn::FieldList& f) override { f(fc); }
};

TEST_CASE("Every node gets the shape, dtype and gradient flag of its tensor", "[fx][passes]") {
  const auto net = nn::make<Parts>();
  const auto gm = fx::symbolic_trace(net, {.example_inputs = {randn({5, 4})}});
  const Tensor x = randn({5, 4});
  const Value result = fx::ShapeProp(*gm).propagate({x});
  CHECK(result.to_tensor().equal((*net)(x)));

  const auto& meta = [&](const char* name) { return *gm->graph().find(name)->meta.tensor; };
  CHECK(meta("x").shape == Shape{5, 4});
  CHECK_FALSE(meta("x").requires_grad);
  CHECK(meta("fc_weight").shape == Shape{6, 4});
  CHECK(meta("fc_weight").requires_grad);
  CHECK(meta("linear").requires_grad);
  CHECK(meta("getitem").shape == Shape{5, 3});
  CHECK(meta("getitem").dtype == float32);
  CHECK(meta("to").dtype == float64);
  CHECK(meta("add").dtype == float64);
  CHECK(meta("output").shape == Shape{5, 3});
  CHECK_FALSE(gm->graph().find("chunk")->meta.tensor.has_value());
}

TEST_CASE("Shapes of a second run take the place of the first", "[fx][passes]") {
  const auto gm = fx::symbolic_trace(nn::make<test::Block>());
  fx::ShapeProp prop(*gm);
  prop.propagate({randn({2, 4})});
  {
    const NoGrad no_grad;
    prop.propagate({randn({3, 1, 4})});
  }
  CHECK(gm->graph().find("relu")->meta.tensor->shape == Shape{3, 1, 4});
  CHECK_FALSE(gm->graph().find("relu")->meta.tensor->requires_grad);
}

TEST_CASE("Quantizers are noted", "[fx][passes]") {
  fx::Graph graph;
  fx::Node& x = graph.placeholder("x");
  fx::Node& q = graph.call_function(ops::quantize_per_tensor, {x, 0.5, 3, quint8});
  graph.output(graph.call_function(ops::dequantize, {q}));
  fx::GraphModule gm(std::move(graph));
  fx::ShapeProp(gm).propagate({ones({2})});
  const fx::TensorMetadata& meta = *gm.graph().find("quantize_per_tensor")->meta.tensor;
  CHECK(meta.dtype == quint8);
  REQUIRE(meta.quantizer != nullptr);
  CHECK(meta.quantizer->scales.at(0) == 0.5);
  CHECK(gm.graph().find("dequantize")->meta.tensor->quantizer == nullptr);
}

TEST_CASE("An input that does not fit names its node and leaves what was known", "[fx][passes]") {
  const auto gm = fx::symbolic_trace(nn::make<test::Block>());
  fx::ShapeProp prop(*gm);
  prop.propagate({randn({2, 4})});
  CHECK_THAT(error_of([&] { prop.propagate({randn({2, 5})}); }), ContainsSubstring("linear"));
  CHECK(gm->graph().find("x")->meta.tensor->shape == Shape{2, 4});
  CHECK_THAT(error_of([&] { prop.propagate({}); }), ContainsSubstring("'x' is missing"));
}

}  // namespace
}  // namespace adze
