#include <cmath>

#include "adze/ao/ns/numeric_suite.h"
#include "adze/ao/pruning/weight_norm_sparsifier.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

namespace ns = ao::ns;
namespace tq = ao::quantization;

// A layer, a functional layer, a residual sum, a joint.
class Step : public nn::ModuleOf<Step> {
 public:
  nn::Submodule fc{"fc", nn::Linear(8, 8)};
  nn::Parameter w{"w", randn({8, 8}) * 0.3};
  Tensor forward(const Tensor& x) {
    const Tensor y = relu(linear(relu(fc(x)), w));
    return cat({relu(y + x), y}, 1);
  }

 protected:
  void fields(nn::FieldList& f) override { f(fc, w); }
};

nn::ModulePtr network() {
  manual_seed(11);
  auto net = nn::make<nn::Sequential>(Step(), nn::Linear(16, 8), Step(), nn::Linear(16, 4));
  net->eval();
  return net;
}

TEST_CASE("The ops of a float and an int8 graph are compared one by one", "[ao][ns][fx]") {
  const auto net = network();
  const Tensor x = randn({32, 8});
  const auto prepared = tq::prepare_fx(net, tq::get_default_qconfig_mapping(), {x});
  (*prepared)(x);
  const auto int8 = tq::convert_fx(prepared);
  const auto before = nn::state_dict(*int8).tensors.size();

  for (const nn::ModulePtr& a : {net, nn::ModulePtr(fx::symbolic_trace(net))}) {
    const ns::Comparison outputs = ns::compare_model_outputs(*a, *int8, {x});
    for (const char* name : {"0.fc", "1", "2.fc", "3", "linear", "add_relu", "cat", "add_relu_1"}) {
      CAPTURE(name);
      const ns::ComparisonRow* row = outputs.find(name);
      REQUIRE(row != nullptr);
      CHECK(row->sqnr > 20);
      CHECK(std::isfinite(row->sqnr));
    }
    CHECK(outputs.find("add_relu")->type_a == "add");
    CHECK(outputs.find("add_relu")->type_b == "quantized::add_relu");
    const ns::Comparison weights = ns::compare_weights(*a, *int8);
    REQUIRE(weights.find("linear") != nullptr);
    CHECK(weights.find("linear")->shape == Shape{8, 8});
    CHECK(weights.find("linear")->sqnr > 35);
  }
  CHECK(nn::state_dict(*int8).tensors.size() == before);
  CHECK((*int8)(x).equal((*tq::convert_fx(prepared))(x)));
}

TEST_CASE("Equal graphs agree everywhere, masks in force", "[ao][ns][fx]") {
  const auto net = network();
  ao::pruning::WeightNormSparsifier sparsifier({.sparsity_level = 0.5});
  sparsifier.prepare(*net, {{.tensor_fqn = "0.w"}, {.tensor_fqn = "0.fc.weight"}});
  sparsifier.step();
  const auto a = fx::symbolic_trace(net), b = fx::symbolic_trace(net);
  const Tensor x = randn({4, 8});
  for (const auto& comparison :
       {ns::compare_model_outputs(*a, *b, {x}), ns::compare_weights(*a, *b)})
    for (const ns::ComparisonRow& row : comparison.rows) {
      CAPTURE(row.name);
      CHECK(std::isinf(row.sqnr));
    }
}

TEST_CASE("Ops without a partner are listed", "[ao][ns][fx]") {
  const auto a = fx::symbolic_trace(network());
  const auto b = fx::symbolic_trace(network());
  fx::Node& cat = *b->graph().find("cat");
  {
    const auto at = b->graph().inserting_after(cat);
    fx::Node& extra = b->graph().call_function(ops::tanh, {cat});
    cat.replace_all_uses_with(extra);
  }
  const ns::Comparison outputs = ns::compare_model_outputs(*a, *b, {randn({4, 8})});
  const auto listed = std::find_if(outputs.unpaired.begin(), outputs.unpaired.end(),
                                   [](const ns::Unpaired& u) { return u.name == "tanh"; });
  REQUIRE(listed != outputs.unpaired.end());
  CHECK(listed->reason == "not in a");
}

}  // namespace
}  // namespace adze
