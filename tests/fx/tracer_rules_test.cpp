// What stays live in a graph, what becomes a constant, what runs when, and what is refused.
#include "adze/core/autograd.h"
#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/dropout.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"
#include "support/modules.h"

namespace adze {
namespace {

using fx::GraphModule;
using fx::symbolic_trace;
using test::error_of;
using test::Warnings;
using Args = std::vector<Value>;

std::string names(GraphModule& m) {
  std::string text;
  for (const fx::Node& n : m.graph().nodes()) text += (text.empty() ? "" : " ") + n.name();
  return text;
}

/// A module two levels down whose forward is that function.
class Inner : public nn::ModuleOf<Inner> {
 public:
  explicit Inner(std::function<Tensor(const Tensor&)> f) : f_(std::move(f)) {}
  Tensor forward(const Tensor& x) { return f_(x); }

 private:
  std::function<Tensor(const Tensor&)> f_;
};
class Outer : public nn::ModuleOf<Outer> {
 public:
  explicit Outer(std::function<Tensor(const Tensor&)> f) : inner("inner", Inner(std::move(f))) {}
  nn::Submodule fc{"fc", nn::Linear(4, 4)}, inner;
  Tensor forward(const Tensor& x) { return inner(fc(x)); }

 protected:
  void fields(nn::FieldList& f) override { f(fc, inner); }
};
nn::ModulePtr network(std::function<Tensor(const Tensor&)> f) {
  return nn::make<nn::Sequential>(nn::ReLU(), Outer(std::move(f)));
}

/// The message of the TraceError with which that forward is refused.
std::string refused(std::function<Tensor(const Tensor&)> f, const fx::TraceOptions& options = {}) {
  try {
    symbolic_trace(network(std::move(f)), options);
  } catch (const TraceError& e) {
    CHECK(e.path() == "1.inner");
    return e.message();
  }
  return "it was traced";
}

// ---- what is refused ----------------------------------------------------------------------------

TEST_CASE("What asks for values is refused, with the module and a way out", "[fx][tracer][error]") {
  for (const bool with_example : {false, true}) {
    fx::TraceOptions options;
    if (with_example) options.example_inputs = {ones({2, 4})};
    const auto told = ContainsSubstring("leaf");
    CHECK_THAT(refused([](const Tensor& x) { return x.item() > 0 ? x : neg(x); }, options), told);
    CHECK_THAT(refused([](const Tensor& x) { return x * x.item<std::int64_t>(); }, options), told);
    CHECK_THAT(refused([](const Tensor& x) { return any(x).item<bool>() ? x : neg(x); }, options),
               told);
    CHECK_THAT(refused([](const Tensor& x) { return x + double{*x.data<float>()}; }, options),
               told);
    CHECK_THAT(refused([](const Tensor& x) { return x * x.to_vector<double>().at(0); }, options),
               told);
    CHECK_THAT(refused([](const Tensor& x) { return x.equal(x) ? x : neg(x); }, options), told);
  }
}

TEST_CASE("What asks for shapes needs example inputs", "[fx][tracer][error]") {
  const auto told = ContainsSubstring("example inputs");
  CHECK_THAT(refused([](const Tensor& x) { return x.reshape({x.size(0), -1}); }), told);
  CHECK_THAT(refused([](const Tensor& x) { return x + static_cast<double>(x.numel()); }), told);
  CHECK_THAT(refused([](const Tensor& x) { return x.dim() == 2 ? x : neg(x); }), told);
  CHECK_THAT(refused([](const Tensor& x) { return chunk(x, 2, 0)[0]; }), told);
}

TEST_CASE("Writing in place is refused", "[fx][tracer][error]") {
  const fx::TraceOptions options{.example_inputs = {ones({2, 4})}};
  const auto told = ContainsSubstring("writing in place cannot be traced");
  CHECK_THAT(refused([](const Tensor& x) { return x.add_(x); }, options), told);
  CHECK_THAT(refused([](const Tensor& x) { return x.mul_(2); }, options), told);
  CHECK_THAT(refused([](const Tensor& x) { return x.zero_(); }, options), told);
  CHECK_THAT(refused([](const Tensor& x) { return x[0].fill_(1); }, options), told);
  CHECK_THAT(refused([](const Tensor& x) { return zeros({2, 4}).copy_(x); }, options), told);
}

TEST_CASE("An op that fails on the examples is told with the module", "[fx][tracer][error]") {
  const fx::TraceOptions options{.example_inputs = {ones({2, 4})}};
  const auto net = network([](const Tensor& x) { return x.reshape({3, 3}); });
  CHECK_THAT(error_of([&] { symbolic_trace(net, options); }),
             ContainsSubstring("1.inner: reshape"));
  const auto leaf = nn::make<nn::Sequential>(nn::ReLU(), nn::Linear(3, 3));
  CHECK_THAT(error_of([&] { symbolic_trace(leaf, options); }), ContainsSubstring("1: linear"));
}

TEST_CASE("The way out of what cannot be traced is a leaf", "[fx][tracer]") {
  class Leaves : public fx::Tracer {
   protected:
    bool is_leaf_module(nn::Module& m, const std::string& name) const override {
      return (m.type() == "Inner" && name == "1.inner") || Tracer::is_leaf_module(m, name);
    }
  };
  auto net = network([](const Tensor& x) { return x.sum().item() > 0 ? x : neg(x); });
  auto gm = Leaves().trace(net);
  CHECK(names(*gm) == "input_1 _0 _1_fc _1_inner output");
  for (const double sign : {1.0, -1.0}) {
    const Tensor x = ones({2, 4}) * sign;
    CHECK((*gm)(x).equal((*net)(x)));
  }
}

// ---- constants ----------------------------------------------------------------------------------

class Constants : public nn::ModuleOf<Constants> {
 public:
  Tensor kept = tensor({1, 2, 3});
  bool random = false;
  Tensor forward(const Tensor& x) {
    const Tensor noise = random ? randn({3}) : zeros({3});
    return x * kept + kept + noise;
  }
};

TEST_CASE("Tracing takes no random numbers", "[fx][tracer]") {
  const Tensor x = randn({2, 3});
  const auto offset = default_generator().offset();
  auto net = nn::make<nn::Sequential>(nn::Linear(3, 3), nn::Dropout(0.5));
  symbolic_trace(nn::ModulePtr(net), {.example_inputs = {x}});
  CHECK(default_generator().offset() != 0);
  const auto after = default_generator().offset();
  symbolic_trace(nn::ModulePtr(net), {.example_inputs = {x}});
  CHECK(default_generator().offset() == after);
  CHECK(after >= offset);

  auto constants = nn::make<Constants>();
  constants->random = true;
  const Warnings warnings;
  auto gm = symbolic_trace(constants, {.example_inputs = {x}});
  CHECK(warnings.mention("draws random numbers that are no op of the graph"));
  CHECK(default_generator().offset() == after);
  CHECK((*gm)(x).equal((*gm)(x)));
  const auto broken =
      nn::make<Inner>([](const Tensor& t) { return t * randn({3}).item() * t.item(); });
  CHECK_THROWS_AS(symbolic_trace(broken), Error);
  CHECK(default_generator().offset() == after);
}

TEST_CASE("A constant that wants a gradient is warned of", "[fx][tracer]") {
  auto net = nn::make<Constants>();
  {
    const Warnings warnings;
    CHECK(names(*symbolic_trace(net)) ==
          "x _tensor_constant0 mul add _tensor_constant1 add_1 output");
    CHECK(warnings.all.empty());
  }
  net->kept.requires_grad_();
  const Warnings warnings;
  symbolic_trace(net);
  CHECK(warnings.mention("a tensor that requires a gradient, but is no Parameter"));
}

/// Calls layers with a tensor that does not depend on the input.
class OnConstant : public nn::ModuleOf<OnConstant> {
 public:
  nn::Submodule fc{"fc", nn::Linear(2, 4)}, drop{"drop", nn::Dropout(0.5)};
  Tensor table = ones({1, 2});
  Tensor forward(const Tensor& x) { return x + fc(drop(table)); }

 protected:
  void fields(nn::FieldList& f) override { f(fc, drop); }
};

TEST_CASE("A layer that is called with a constant is a step too", "[fx][tracer]") {
  auto net = nn::make<OnConstant>();
  auto gm = symbolic_trace(net);
  CHECK(names(*gm) == "x _tensor_constant0 drop fc add output");
  const Tensor x = randn({2, 4});
  manual_seed(4);
  const Tensor expected = (*net)(x);
  manual_seed(4);
  CHECK((*gm)(x).equal(expected));
}

// ---- modes --------------------------------------------------------------------------------------

TEST_CASE("Dropout stays a module and follows the mode", "[fx][tracer]") {
  auto net = nn::make<nn::Sequential>(nn::Dropout(0.5), test::Block(4));
  auto gm = symbolic_trace(net);
  CHECK(gm->training());
  const Tensor x = ones({50, 4});
  manual_seed(5);
  const Tensor expected = (*net)(x);
  manual_seed(5);
  CHECK((*gm)(x).equal(expected));
  gm->eval();
  net->eval();
  CHECK((*gm)(x).equal((*net)(x)));
  CHECK_FALSE(symbolic_trace(net)->training());
}

class FunctionalDropout : public nn::ModuleOf<FunctionalDropout> {
 public:
  Tensor forward(const Tensor& x) { return dropout(x, 0.5, training()); }
};

TEST_CASE("Dropout as a function is traced in the mode of the network, with a warning",
          "[fx][tracer]") {
  auto net = nn::make<FunctionalDropout>();
  {
    const Warnings warnings;
    auto gm = symbolic_trace(net);
    CHECK(warnings.mention("'native_dropout' was traced in training mode and stays active"));
    CHECK(gm->graph().find_nodes(fx::Opcode::call_function, "native_dropout").size() == 1);
  }
  net->eval();
  const Warnings warnings;
  CHECK(names(*symbolic_trace(net)) == "x output");
  CHECK(warnings.all.empty());
}

TEST_CASE("A buffer that a graph reads is saved with it", "[fx][tracer]") {
  class Shifted : public nn::ModuleOf<Shifted> {
   public:
    nn::Buffer shift{"shift", randn({4}), {.persistent = false}};
    Tensor forward(const Tensor& x) { return x + shift; }

   protected:
    void fields(nn::FieldList& f) override { f(shift); }
  };
  auto net = nn::make<Shifted>();
  CHECK(nn::state_dict(*net).tensors.empty());
  CHECK(nn::state_dict(*symbolic_trace(net)).contains("shift"));
}

// ---- scopes and hooks ---------------------------------------------------------------------------

TEST_CASE("Nodes know whose forward made them, also in graphs inside", "[fx][tracer]") {
  auto gm = symbolic_trace(network([](const Tensor& x) { return neg(x); }));
  const auto path = [](GraphModule& m, const char* node) {
    return m.graph().find(node)->meta.module_path;
  };
  CHECK(path(*gm, "neg") == "1.inner");
  CHECK(gm->graph().find("neg")->meta.module_type == "Inner");
  CHECK(path(*gm, "_1_fc") == "1");
  CHECK(path(*gm, "_0").empty());
  CHECK(gm->graph().find("_0")->meta.module_type == "Sequential");
  auto nested = symbolic_trace(nn::make<nn::Sequential>(std::vector<nn::ModulePtr>{gm}));
  CHECK(path(*nested, "neg") == "0.1.inner");
}

/// Notes, in order, which hooks ran.
struct Log {
  std::string text;
  nn::ForwardPreHook before(std::string name) {
    return [this, name](nn::Module&, Args&) { text += name + " "; };
  }
  nn::ForwardHook after(std::string name) {
    return [this, name](nn::Module&, const Args&, Value&) { text += name + " "; };
  }
  std::string take() { return std::exchange(text, {}); }
};

TEST_CASE("Hooks run once per call, in the order of the network, and not while tracing",
          "[fx][tracer]") {
  auto net = nn::make<nn::Sequential>(test::Block(4), nn::Linear(4, 4));
  nn::Module& block = (*net)[0];
  Log log;
  net->register_forward_pre_hook(log.before("root<"));
  net->register_forward_hook(log.after("root>"));
  block.register_forward_pre_hook(log.before("block<"));
  block.register_forward_pre_hook(log.before("block<<"));
  block.register_forward_hook(log.after("block>"));
  block.find_child("fc")->ptr()->register_forward_hook(log.after("fc>"));
  (*net)[1].register_forward_pre_hook(log.before("leaf<"));
  (*net)[1].register_forward_hook(log.after("leaf>"));
  const Tensor x = randn({2, 4}), expected = (*net)(x);
  const std::string order = log.take();
  CHECK(order == "root< block< block<< fc> block> leaf< leaf> root> ");
  auto gm = symbolic_trace(net, {.example_inputs = {x}});
  CHECK(log.take().empty());
  CHECK((*gm)(x).equal(expected));
  CHECK(log.take() == order);
  (*gm)(x);
  (*gm)(x);
  CHECK(log.take() == order + order);
}

class TwoInputs : public nn::ModuleOf<TwoInputs> {
 public:
  std::tuple<Tensor, Tensor> forward(const Tensor& x, const Tensor& y) { return {x + y, x - y}; }
};
class CallsTwo : public nn::ModuleOf<CallsTwo> {
 public:
  nn::Submodule two{"two", TwoInputs()};
  Tensor forward(const Tensor& x) {
    const auto [a, b] = two.call({x, x * 2.0}).as<std::tuple<Tensor, Tensor>>();
    return a * b;
  }

 protected:
  void fields(nn::FieldList& f) override { f(two); }
};

TEST_CASE("Hooks see, and may replace, all arguments and all results", "[fx][tracer]") {
  auto net = nn::make<CallsTwo>();
  std::size_t arguments = 0, results = 0;
  net->two->register_forward_pre_hook([&](nn::Module&, Args& args) {
    arguments = args.size();
    std::swap(args[0], args[1]);
  });
  net->two->register_forward_hook([&](nn::Module&, const Args&, Value& out) {
    results = out.to_list().size();
    out = Value::List{out.to_list()[1], out.to_list()[1]};
  });
  for (const bool example : {false, true}) {
    fx::TraceOptions options;
    if (example) options.example_inputs = {randn({2, 3})};
    auto gm = symbolic_trace(net, options);
    arguments = results = 0;
    const Tensor x = randn({4, 3});
    CHECK((*gm)(x).equal((*net)(x)));
    CHECK(arguments == 2);
    CHECK(results == 2);
  }
}

// ---- members of a graph module ------------------------------------------------------------------

TEST_CASE("Members that are taken away are missed, not remembered", "[fx][graph_module]") {
  auto gm = symbolic_trace(nn::make<nn::Sequential>(Outer(neg), nn::Linear(4, 4)));
  const Tensor x = randn({2, 4});
  (*gm)(x);
  auto& scope = gm->find_child("0")->as<fx::Scope>();
  scope.remove("fc");
  CHECK_THAT(error_of([&] { (*gm)(x); }), ContainsSubstring("calls module '0.fc'"));
  auto other = nn::make<nn::Linear>(4, 4);
  scope.set_child("fc", other);
  CHECK((*gm)(x).equal((*gm->find_child("1")->ptr())(neg((*other)(x)))));
  gm->remove("1");
  CHECK_THAT(error_of([&] { (*gm)(x); }), ContainsSubstring("calls module '1'"));

  auto reads = symbolic_trace(nn::make<test::Affine>(4, 4));
  (*reads)(x);
  reads->remove("weight");
  CHECK_THAT(error_of([&] { (*reads)(x); }), ContainsSubstring("reads 'weight'"));
  const nn::Parameter zero("weight", zeros({4, 4}));
  reads->set_parameter(zero);
  reads->find_parameter("bias")->set(zeros({4}));
  CHECK((*reads)(x).equal(zeros({2, 4})));
}

TEST_CASE("Members that cannot be added change nothing", "[fx][graph_module][error]") {
  auto gm = symbolic_trace(nn::make<nn::Sequential>(test::Block(4), nn::Linear(4, 4)));
  const std::string before = nn::to_string(*gm);
  auto relu = nn::make<nn::ReLU>();
  CHECK(error_of([&] { gm->add_submodule("1.more", relu); }) ==
        "GraphModule: '1.more' cannot be added, '1' on the way is a Linear");
  CHECK(error_of([&] { gm->add_submodule("0.gain", relu); }) == "Scope: 'gain' is a tensor");
  CHECK(error_of([&] { gm->add_parameter("0.fc", nn::Parameter("fc", ones({1}))); }) ==
        "Scope: 'fc' is a module");
  CHECK(error_of([&] { gm->add_parameter("new.scope.w", nn::Parameter("v", ones({1}))); }) ==
        "GraphModule: 'new.scope.w' does not end with 'v', the name of the tensor");
  CHECK(error_of([&] { gm->add_submodule("new.scope", nullptr); }) ==
        "GraphModule: 'new.scope' needs a module, got none");
  for (const std::string path : {"", ".", ".a", "a.", "new..scope"}) {
    CAPTURE(path);
    CHECK(error_of([&] { gm->add_submodule(path, relu); }) ==
          "GraphModule: '" + path + "' is no path");
  }
  CHECK(nn::to_string(*gm) == before);
}

TEST_CASE("Inputs may stand anywhere before their use, and be returned", "[fx][graph_module]") {
  fx::Graph g;
  fx::Node& x = g.placeholder("x");
  fx::Node& a = g.call_function(ops::neg, {x});
  fx::Node& y = g.placeholder("y", {2.0});
  fx::Node& b = g.call_function(ops::sub, {a, y});
  g.output(fx::Argument::List{b, y, fx::Argument::List{x, b}});
  GraphModule gm(g);
  const Tensor one = tensor({1});
  const Value out = gm.call({one});
  CHECK(out.to_list()[0].to_tensor().item() == -3);
  CHECK(out.to_list()[1].to_double() == 2);
  CHECK(out.to_list()[2].to_list()[0].to_tensor().is_same(one));
  CHECK(gm.call({one, tensor({5})}).to_list()[0].to_tensor().item() == -6);
  CHECK(error_of([&] { gm.call({}); }) == "forward: argument 'x' is missing and has no default");
  fx::Graph constant;
  constant.output(7);
  CHECK(GraphModule(constant).call({}).to_int() == 7);
}

}  // namespace
}  // namespace adze
