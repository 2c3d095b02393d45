#include "adze/fx/interpreter.h"

#include "adze/fx/tracer.h"
#include "adze/nn/container.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using test::error_of;

class Recorder : public fx::Interpreter {
 public:
  using Interpreter::Interpreter;
  std::string seen;

 protected:
  Value run_node(fx::Node& node) override {
    seen += node.name() + " ";
    return Interpreter::run_node(node);
  }
  Value call_function(fx::Node& node, std::vector<Value> args) override {
    if (node.calls(ops::relu)) return args[0];
    return Interpreter::call_function(node, std::move(args));
  }
};

TEST_CASE("An interpreter runs each node once and its handlers may be replaced",
          "[fx][interpreter]") {
  const auto net = nn::make<test::Block>();
  const auto gm = fx::symbolic_trace(net);
  const Tensor x = randn({2, 4});
  const Value args[] = {x};
  CHECK(fx::Interpreter(*gm).run(args).to_tensor().equal((*net)(x)));
  Recorder recorder(*gm);
  const Tensor y = recorder.run(args).to_tensor();
  CHECK(recorder.seen == "x fc_weight fc_bias linear relu gain mul add output ");
  CHECK(y.equal(net->fc(x) * net->gain.value() + x));
}

TEST_CASE("Results that are known are not computed again", "[fx][interpreter]") {
  const auto gm = fx::symbolic_trace(nn::make<test::Block>());
  const Tensor x = randn({2, 4}), given = randn({2, 4});
  Recorder recorder(*gm);
  const Value args[] = {x};
  const Tensor y = recorder.run(args, {{gm->graph().find("mul"), given}}).to_tensor();
  CHECK(y.equal(given + x));
  CHECK(recorder.seen.find("mul") == std::string::npos);
  CHECK(recorder.run(args, {{gm->graph().output_node(), 3}}).to_int() == 3);
}

TEST_CASE("An interpreter names the node that failed, and inputs that are missing",
          "[fx][interpreter]") {
  const auto gm = fx::symbolic_trace(nn::make<nn::Sequential>(test::Block()));
  fx::Interpreter interpreter(*gm);
  const Value wrong[] = {randn({2, 5})};
  CHECK_THAT(error_of([&] { interpreter.run(wrong); }), ContainsSubstring("0.fc.linear"));
  CHECK_THAT(error_of([&] { interpreter.run({}); }), ContainsSubstring("'input' is missing"));
  const Value two[] = {ones({4}), ones({4})};
  CHECK(error_of([&] { interpreter.run(two); }) == "Interpreter: forward takes 1 arguments, got 2");
}

TEST_CASE("A transformer writes down what its handlers call", "[fx][interpreter]") {
  class TanhForRelu : public fx::Transformer {
   public:
    using Transformer::Transformer;

   protected:
    Value call_function(fx::Node& node, std::vector<Value> args) override {
      if (node.calls(ops::relu)) return tanh(args[0].to_tensor());
      return Transformer::call_function(node, std::move(args));
    }
  };
  const auto net = nn::make<test::Block>();
  const auto gm = fx::symbolic_trace(net);
  const std::string before = gm->graph().str();
  const auto other = TanhForRelu(*gm).transform();
  CHECK(gm->graph().str() == before);
  CHECK(other->graph().find("tanh") != nullptr);
  CHECK(other->find_parameter("gain")->slot() == net->gain.slot());
  const Tensor x = randn({2, 4});
  CHECK((*other)(x).equal(tanh(net->fc(x)) * net->gain.value() + x));
  CHECK(fx::Transformer(*gm).transform()->graph().str() == before);
}

}  // namespace
}  // namespace adze
