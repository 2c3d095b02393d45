#include "adze/fx/tracer.h"

#include "adze/fx/interpreter.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/dropout.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using test::error_of;
using test::Warnings;

class Residual : public nn::ModuleOf<Residual> {
 public:
  explicit Residual(std::int64_t n = 4) : fc("fc", nn::Linear(n, n)), gain("gain", ones({n})) {}
  nn::Submodule fc, act{"act", nn::ReLU()};
  nn::Parameter gain;
  Tensor forward(const Tensor& x) { return act(fc(x)) * gain + x; }

 protected:
  void fields(nn::FieldList& f) override { f(fc, act, gain); }
};

std::string ops_of(fx::GraphModule& m) {
  std::string text;
  for (const fx::Node& n : m.graph().nodes()) text += (text.empty() ? "" : " ") + n.name();
  return text;
}

TEST_CASE("A Sequential is traced into one call per layer", "[fx][tracer]") {
  auto net = nn::make<nn::Sequential>(nn::Linear(4, 8), nn::ReLU(), nn::Linear(8, 2));
  auto gm = fx::symbolic_trace(net);
  CHECK(ops_of(*gm) == "input_1 _0 _1 _2 output");
  const Tensor x = randn({3, 4});
  CHECK((*gm)(x).equal((*net)(x)));
  CHECK(gm->class_name() == "Sequential");
}

TEST_CASE("A hand-written module is traced through", "[fx][tracer]") {
  auto net = nn::make<nn::Sequential>(Residual(), Residual());
  auto gm = fx::symbolic_trace(net);
  CHECK(ops_of(*gm) ==
        "input_1 _0_fc _0_act _0_gain mul add _1_fc _1_act _1_gain mul_1 add_1 output");
  const Tensor x = randn({3, 4});
  CHECK((*gm)(x).equal((*net)(x)));
  auto copy = nn::deepcopy(gm);
  CHECK((*copy)(x).equal((*net)(x)));
  const auto text = gm->graph().to_text();
  CHECK(fx::Graph::from_text(text).str() == gm->graph().str());
}

class Reshaped : public nn::ModuleOf<Reshaped> {
 public:
  nn::Submodule fc{"fc", nn::Linear(6, 2)};
  Tensor forward(const Tensor& x) { return fc(x.reshape({x.size(0), -1})); }

 protected:
  void fields(nn::FieldList& f) override { f(fc); }
};

TEST_CASE("Sizes that follow the batch are steps of the graph", "[fx][tracer]") {
  auto net = nn::make<Reshaped>();
  auto gm = fx::symbolic_trace(net, {.example_inputs = {randn({2, 2, 3})}});
  CHECK(ops_of(*gm) == "x size reshape fc output");
  for (std::int64_t rows : {1, 2, 5}) {
    const Tensor x = randn({rows, 2, 3});
    CHECK((*gm)(x).equal((*net)(x)));
  }
  CHECK_THAT(error_of([&] { fx::symbolic_trace(net); }), ContainsSubstring("example inputs"));
}

}  // namespace
}  // namespace adze
