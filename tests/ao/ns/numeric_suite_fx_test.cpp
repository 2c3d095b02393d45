#include <cmath>

// The numeric suite on graphs: what has no module is compared too.
#include "adze/ao/ns/numeric_suite.h"
#include "adze/ao/ns/utils.h"
#include "adze/ao/pruning/weight_norm_sparsifier.h"
#include "adze/ao/quantization/fuse_modules.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/fx/interpreter.h"
#include "adze/fx/tracer.h"
#include "adze/nn/container.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "ao/graph_network.h"
#include "support/catch.h"

using namespace adze;
using namespace adze::test;
namespace ns = ao::ns;
namespace tq = ao::quantization;

namespace {

using Names = std::vector<std::string>;

Names names(const ns::Comparison& c) {
  Names all;
  for (const auto& row : c.rows) all.push_back(row.name);
  return all;
}
Names unpaired(const ns::Comparison& c) {
  Names all;
  for (const auto& u : c.unpaired) all.push_back(u.name);
  return all;
}
const ns::ComparisonRow& row(const ns::Comparison& c, const std::string& name) {
  const ns::ComparisonRow* found = c.find(name);
  INFO(name << '\n' << c.table());
  REQUIRE(found != nullptr);
  return *found;
}

// The value of one node of a graph.
class Recorder : public fx::Interpreter {
 public:
  Recorder(fx::GraphModule& module, std::string name)
      : Interpreter(module), name_(std::move(name)) {}
  Value seen;

 protected:
  Value run_node(fx::Node& node) override {
    Value v = Interpreter::run_node(node);
    if (node.name() == name_) seen = v;
    return v;
  }

 private:
  std::string name_;
};
Tensor value_of(const tq::GraphModulePtr& net, const std::string& node, const Tensor& x) {
  const NoGrad guard;
  Recorder recorder(*net, node);
  recorder.run(std::vector<Value>{Value(x)});
  const Tensor t = recorder.seen.to_tensor();
  return t.is_quantized() ? dequantize(t) : t;
}

// Of the only node with that target.
std::string name_of(const tq::GraphModulePtr& net, const std::string& target) {
  const auto nodes = net->graph().find_nodes(fx::Opcode::call_function, target);
  REQUIRE(nodes.size() == 1);
  return nodes.front()->name();
}

void check_row(const ns::ComparisonRow& r, const Tensor& x, const Tensor& y) {
  CAPTURE(r.name);
  CHECK(r.sqnr == Approx(ns::compute_sqnr(x, y)));
  CHECK(r.cosine_similarity == Approx(ns::compute_cosine_similarity(x, y)));
  CHECK(r.shape == x.sizes());
}

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

nn::ModulePtr two_steps() {
  manual_seed(11);
  auto net = nn::make<nn::Sequential>(Step(), nn::Linear(16, 8), Step(), nn::Linear(16, 4));
  net->eval();
  return net;
}

}  // namespace

TEST_CASE("Outputs of modules and of ops of two graphs are compared under one name",
          "[ao][ns][fx]") {
  const auto traced = fx::symbolic_trace(mixed_network());
  const auto int8 = tq::convert_fx(calibrated());
  const Tensor x = rows_of_8(16, 5);
  const auto c = ns::compare_model_outputs(*traced, *int8, {x});
  INFO(c.table());
  CHECK(names(c) == Names{"a", "b", "add", "linear", "mul", "exp", "last", ""});
  CHECK(unpaired(c).empty());
  // A layer that is fused in one network only is compared behind the ReLU.
  check_row(row(c, "a"), value_of(traced, "act", x), value_of(int8, "a", x));
  CHECK(row(c, "a").type_b == "nn::intrinsic::quantized::LinearReLU");
  check_row(row(c, "add"), value_of(traced, "relu", x), value_of(int8, "add_relu", x));
  CHECK(row(c, "add").type_a == "add");
  CHECK(row(c, "add").type_b == "quantized::add_relu");
  check_row(row(c, "linear"), value_of(traced, "linear", x), value_of(int8, "linear", x));
  check_row(row(c, "exp"), value_of(traced, "exp", x), value_of(int8, "exp", x));
  CHECK(row(c, "").sqnr > 25);
}

TEST_CASE("A network is compared with its graph at each stage", "[ao][ns][fx]") {
  const auto eager = mixed_network();
  const auto observed = calibrated();
  const auto reference = tq::convert_to_reference_fx(observed);
  const auto int8 = tq::convert_fx(observed);
  for (const auto& q : {observed, reference, int8}) {
    const auto c = ns::compare_model_outputs(*eager, *q, {rows_of_8()});
    INFO(c.table());
    CHECK(unpaired(c).empty());
    for (const char* name : {"a", "b", "add", "linear", "mul", "exp", "last", ""})
      CHECK(row(c, name).sqnr > 25);
  }
  // Observers change nothing.
  CHECK(std::isinf(row(ns::compare_model_outputs(*eager, *observed, {rows_of_8()}), "add").sqnr));
  // The other way round, and stage against stage.
  CHECK(row(ns::compare_model_outputs(*int8, *eager, {rows_of_8()}), "add").sqnr > 25);
  const auto stages = ns::compare_model_outputs(*reference, *int8, {rows_of_8()});
  CHECK(row(stages, "").sqnr > 25);
  CHECK(row(stages, "add").sqnr > 35);
}

TEST_CASE("An eager network that was fused by hand is compared with a graph", "[ao][ns][fx]") {
  const auto fused = tq::fuse_modules(mixed_network(), {{"a", "act"}});
  const auto c = ns::compare_model_outputs(*fused, *tq::convert_fx(calibrated()), {rows_of_8()});
  INFO(c.table());
  CHECK(row(c, "a").type_a == "nn::intrinsic::LinearReLU");
  CHECK(row(c, "a").sqnr > 25);
  CHECK(row(c, "add").sqnr > 25);
}

TEST_CASE("Weights of functional layers are compared as they compute", "[ao][ns][fx]") {
  const auto eager = mixed_network();
  const auto observed = calibrated();
  for (const auto& q : {tq::convert_to_reference_fx(observed), tq::convert_fx(observed)}) {
    const auto c = ns::compare_weights(*eager, *q);
    INFO(c.table());
    CHECK(names(c) == Names{"a", "b", "last", "linear"});
    CHECK(unpaired(c).empty());
    CHECK(row(c, "linear").sqnr > 30);
    CHECK(row(c, "linear").shape == Shape{4, 8});
    CHECK_FALSE(std::isinf(row(c, "linear").sqnr));
  }
  CHECK(std::isinf(row(ns::compare_weights(*eager, *observed), "linear").sqnr));
}

TEST_CASE("A shadow shows what one op loses, without the errors before it", "[ao][ns][fx]") {
  const auto traced = fx::symbolic_trace(mixed_network());
  const auto int8 = tq::convert_fx(calibrated());
  const Tensor x = rows_of_8(16, 5);
  const auto c = ns::compare_model_stub(*traced, *int8, {x});
  INFO(c.table());
  CHECK(names(c) == Names{"a", "b", "add", "linear", "mul", "last"});
  const Tensor h = value_of(int8, "a", x), b = value_of(int8, "b", x);
  check_row(row(c, "add"), relu(h + b), value_of(int8, "add_relu", x));
  CHECK(row(c, "add").kind == ns::ComparisonKind::shadow);
  // The float layer with its own weight, on what reached the int8 layer.
  const Tensor w = *traced->find_parameter("w"), v = *traced->find_parameter("v");
  check_row(row(c, "linear"), linear(value_of(int8, "add_relu", x), w, v),
            value_of(int8, "linear", x));
  check_row(row(c, "mul"), value_of(int8, "linear", x) * 0.1,
            value_of(int8, name_of(int8, "quantized::mul_scalar"), x));
}

TEST_CASE("A broken op stands out in the comparison of graphs", "[ao][ns][fx]") {
  const auto traced = fx::symbolic_trace(mixed_network());
  const auto int8 = tq::convert_fx(calibrated());
  for (fx::Node& n : int8->graph().nodes())
    if (n.target() == "quantized::mul_scalar") n.update_arg(1, 0.05);
  const auto c = ns::compare_model_stub(*traced, *int8, {rows_of_8()});
  CHECK(row(c, "mul").sqnr < 10);
  CHECK(row(c, "add").sqnr > 30);
  CHECK(row(c, "linear").sqnr > 30);
}

TEST_CASE("Two graphs with different steps are compared where they agree", "[ao][ns][fx]") {
  const auto traced = fx::symbolic_trace(mixed_network());
  const auto other = nn::make<Net>(std::vector<Part>{fc("a", 8, 8)},
                                   [](Net& n, const Tensor& x) { return tanh(n("a", x)); });
  const auto c = ns::compare_model_outputs(*traced, *fx::symbolic_trace(other), {rows_of_8()});
  CHECK(c.find("a") != nullptr);
  for (const auto& u : c.unpaired) {
    CAPTURE(u.name);
    if (u.name == "tanh") {
      CHECK(u.reason == "not in a");
      CHECK(u.type_b == "tanh");
    } else if (u.name == "add") {
      CHECK(u.reason == "not in b");
    }
  }
  CHECK(unpaired(c).size() >= 6);
}

TEST_CASE("Comparing leaves graphs, notes, modes and observers as they were", "[ao][ns][fx]") {
  const auto eager = mixed_network();
  const auto observed = calibrated();
  const auto int8 = tq::convert_fx(observed);
  for (const auto& q : {observed, int8}) {
    const std::string graph = q->graph().str();
    const auto notes = q->notes;
    const nn::StateDict before = nn::state_dict(*q);
    ns::compare_model_outputs(*eager, *q, {rows_of_8() * 3.0});
    ns::compare_model_stub(*eager, *q, {rows_of_8() * 3.0});
    ns::compare_weights(*eager, *q);
    CHECK_THROWS(ns::compare_model_outputs(*eager, *q, {ones({2, 5})}));
    CHECK(q->graph().str() == graph);
    REQUIRE(q->notes.size() == notes.size());
    for (const auto& [key, note] : notes) CHECK(q->notes.at(key).str() == note.str());
    const nn::StateDict after = nn::state_dict(*q);
    REQUIRE(after.tensors.size() == before.tensors.size());
    for (const auto& [name, tensor] : after.tensors) CHECK(tensor.equal(before.at(name)));
  }
  CHECK_FALSE(eager->training());
  CHECK((*int8)(rows_of_8()).sizes() == Shape{32, 3});
}

TEST_CASE("An eager network that cannot be traced is compared by its modules", "[ao][ns][fx]") {
  const auto branching =
      nn::make<Net>(std::vector<Part>{fc("a", 8, 8)}, [](Net& n, const Tensor& x) {
        const Tensor y = n("a", x);
        return sum(y).item() > 1e9 ? y : relu(y);
      });
  branching->eval();
  const auto straight = nn::make<Net>(std::vector<Part>{fc("a", 8, 8)},
                                      [](Net& n, const Tensor& x) { return relu(n("a", x)); });
  nn::load_state_dict(*straight, nn::state_dict(*branching));
  const auto c =
      ns::compare_model_outputs(*branching, *tq::convert_fx(calibrated(straight)), {rows_of_8()});
  INFO(c.table());
  CHECK(row(c, "a").sqnr > 25);
  CHECK(row(c, "").sqnr > 25);
}

TEST_CASE("The ops of a float and an int8 graph are compared one by one", "[ao][ns][fx]") {
  const auto net = two_steps();
  const Tensor x = randn({32, 8});
  const auto prepared = tq::prepare_fx(net, tq::get_default_qconfig_mapping(), {x});
  (*prepared)(x);
  const auto int8 = tq::convert_fx(prepared);
  const auto before = nn::state_dict(*int8).tensors.size();

  for (const nn::ModulePtr& a : {net, nn::ModulePtr(fx::symbolic_trace(net))}) {
    const ns::Comparison outputs = ns::compare_model_outputs(*a, *int8, {x});
    for (const char* name : {"0.fc", "1", "2.fc", "3", "linear", "add", "cat", "add_1"}) {
      CAPTURE(name);
      const ns::ComparisonRow* row = outputs.find(name);
      REQUIRE(row != nullptr);
      CHECK(row->sqnr > 20);
      CHECK(std::isfinite(row->sqnr));
    }
    CHECK(outputs.find("add")->type_a == "add");
    CHECK(outputs.find("add")->type_b == "quantized::add_relu");
    const ns::Comparison weights = ns::compare_weights(*a, *int8);
    REQUIRE(weights.find("linear") != nullptr);
    CHECK(weights.find("linear")->shape == Shape{8, 8});
    CHECK(weights.find("linear")->sqnr > 35);
  }
  CHECK(nn::state_dict(*int8).tensors.size() == before);
  CHECK((*int8)(x).equal((*tq::convert_fx(prepared))(x)));
}

TEST_CASE("Equal graphs agree everywhere, masks in force", "[ao][ns][fx]") {
  const auto net = two_steps();
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
  const auto a = fx::symbolic_trace(two_steps());
  const auto b = fx::symbolic_trace(two_steps());
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
