#include "adze/fx/tracer.h"

#include <thread>

#include "adze/fx/interpreter.h"
#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/dropout.h"
#include "adze/nn/linear.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

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

// ---- arguments ----------------------------------------------------------------------------------

class Optional : public nn::ModuleOf<Optional> {
 public:
  static std::vector<nn::ForwardArg> arguments() {
    return {{"x"}, {"scale", 2.0}, {"mode", "add"}};
  }
  Tensor forward(const Tensor& x, double scale, const std::string& mode) {
    return mode == "add" ? x + scale : x * scale;
  }
};

TEST_CASE("Defaults and concrete arguments are fixed in the graph", "[fx][tracer]") {
  const auto net = nn::make<Optional>();
  const Tensor x = randn({3});
  const auto plain = fx::symbolic_trace(net);
  CHECK((*plain)(x).equal(x + 2.0));
  CHECK(plain->call({x, 2, "add"}).to_tensor().equal(x + 2.0));
  const auto other = fx::symbolic_trace(net, {.concrete_args = {{"mode", "mul"}, {"scale", 3.0}}});
  CHECK((*other)(x).equal(x * 3.0));
  CHECK_THAT(error_of([&] {
               other->call({x, 3.0, "add"});
             }),
             ContainsSubstring("traced with 'mode' = \"mul\"") &&
                 ContainsSubstring("got \"add\"; trace it again with that value"));
  CHECK_THAT(error_of([&] { other->call({x, 4.0}); }), ContainsSubstring("'scale' = 3.0"));
  CHECK_THAT(error_of([&] {
               other->call({x, 3.0, "mul", 1});
             }),
             ContainsSubstring("takes 3 arguments, got 4"));
}

class Needy : public nn::ModuleOf<Needy> {
 public:
  static std::vector<nn::ForwardArg> arguments() { return {{"xs"}, {"k"}}; }
  TensorList forward(const TensorList& xs, std::int64_t k) {
    TensorList all;
    for (const Tensor& x : xs) all.push_back(x * k);
    return all;
  }
};

TEST_CASE("Arguments that do not fit are named, with the way out", "[fx][tracer]") {
  const auto net = nn::make<Needy>();
  const Value pair(Value::List{ones({2}), ones({3})});
  CHECK(error_of([&] { fx::symbolic_trace(net); }) ==
        "trace: the argument 'xs' of forward is a list; give an example input");
  CHECK(error_of([&] { fx::symbolic_trace(net, {.example_inputs = {pair}}); }) ==
        "trace: the argument 'k' of forward is not a tensor; give its value in concrete_args");
  CHECK(error_of([&] {
          fx::symbolic_trace(net, {.concrete_args = {{"q", 1}}});
        }) == "trace: forward has no argument 'q', it takes (xs, k)");
  CHECK(error_of([&] {
          fx::symbolic_trace(net, {.example_inputs = {pair, 1, 2}});
        }) == "trace: forward takes 2 arguments (xs, k), got 3 example inputs");
  CHECK_THAT(
      error_of([&] {
        fx::symbolic_trace(net, {.concrete_args = {{"k", ones({1})}}, .example_inputs = {pair}});
      }),
      ContainsSubstring("'k' is a tensor; give it as an example input"));
  CHECK_THAT(error_of([&] { fx::symbolic_trace(nullptr); }), ContainsSubstring("got none"));

  const auto gm = fx::symbolic_trace(net, {.concrete_args = {{"k", 3}}, .example_inputs = {pair}});
  const Value::List out = gm->call({Value::List{ones({4}), ones({5})}, 3}).to_list();
  REQUIRE(out.size() == 2);
  CHECK(out[1].to_tensor().equal(full({5}, 3.0)));
}

class Nested : public nn::ModuleOf<Nested> {
 public:
  std::tuple<Tensor, TensorList> forward(const Tensor& x, const Tensor& y) {
    return {x + y, {x, y - x, x}};
  }
};

TEST_CASE("Several inputs and nested outputs are traced", "[fx][tracer]") {
  const auto gm = fx::symbolic_trace(nn::make<Nested>());
  CHECK(gm->graph().output_node()->arg(0).str() == "[%add, [%x, %sub, %x]]");
  const Tensor x = randn({2}), y = randn({2});
  const Value::List out = gm->call({x, y}).to_list();
  CHECK(out[0].to_tensor().equal(x + y));
  CHECK(out[1].to_list()[1].to_tensor().equal(y - x));
  CHECK_THAT(error_of([&] { gm->call({x}); }), ContainsSubstring("'y' is missing"));
}

TEST_CASE("Example inputs give shapes and dtypes to nodes", "[fx][tracer]") {
  const auto gm = fx::symbolic_trace(nn::make<Residual>(), {.example_inputs = {randn({3, 4})}});
  CHECK(gm->graph().find("mul")->meta.tensor->shape == Shape{3, 4});
  CHECK(gm->graph().find("fc")->meta.tensor->dtype == float32);
  CHECK_FALSE(
      fx::symbolic_trace(nn::make<Residual>())->graph().find("mul")->meta.tensor.has_value());
}

// ---- what cannot be traced ----------------------------------------------------------------------

// A network of one function, for what needs no members.
class Calls : public nn::ModuleOf<Calls> {
 public:
  explicit Calls(std::function<Tensor(const Tensor&)> f) : f_(std::move(f)) {}
  Tensor forward(const Tensor& x) { return f_(x); }

 private:
  std::function<Tensor(const Tensor&)> f_;
};

std::string trace_error(std::function<Tensor(const Tensor&)> f) {
  const auto net = nn::make<nn::Sequential>(nn::ReLU(), Calls(std::move(f)));
  std::string message = error_of([&] { fx::symbolic_trace(net); });
  CHECK(nn::CallInterceptor::active() == nullptr);
  CHECK(grad_enabled());
  return message;
}

TEST_CASE("Asking a symbol for what is not known is an error with path and way out",
          "[fx][tracer]") {
  CHECK_THAT(trace_error([](const Tensor& x) { return x.sum().item<float>() > 0 ? x : -x; }),
             ContainsSubstring("not known while tracing") &&
                 ContainsSubstring("leaf of the tracer") && ContainsSubstring("1"));
  CHECK_THAT(trace_error([](const Tensor& x) { return x + static_cast<double>(x.size(0)); }),
             ContainsSubstring("trace with example inputs"));
  CHECK_THAT(trace_error([](const Tensor& x) {
               x.fill_(1.0);
               return x;
             }),
             ContainsSubstring("1: fill_: writing in place cannot be traced"));
}

TEST_CASE("A module that no fields() lists is an error with its type", "[fx][tracer]") {
  const auto hidden = nn::make<nn::Linear>(4, 4);
  CHECK_THAT(trace_error([&](const Tensor& x) { return (*hidden)(x); }),
             ContainsSubstring("a Linear is called that is no submodule") &&
                 ContainsSubstring("list it in fields()"));
  const nn::Parameter loose("loose", ones({4}));
  CHECK_THAT(
      trace_error([&](const Tensor& x) { return x + loose.value(); }),
      ContainsSubstring("the parameter 'loose' is read, but fields() of no module lists it"));
}

TEST_CASE("A symbol of a trace that has ended is refused", "[fx][tracer]") {
  Tensor kept;
  const auto net = nn::make<Calls>([&](const Tensor& x) {
    kept = x;
    return relu(x);
  });
  fx::symbolic_trace(net);
  CHECK_THAT(error_of([&] { relu(kept); }),
             ContainsSubstring("relu: got a tensor of a trace that has ended"));
  CHECK_THAT(trace_error([&](const Tensor& x) { return x + kept; }),
             ContainsSubstring("another trace"));
}

// ---- constants ----------------------------------------------------------------------------------

TEST_CASE("Tensors made in forward become constants; random ones are warned of", "[fx][tracer]") {
  Warnings warnings;
  const auto net = nn::make<Calls>([](const Tensor& x) { return x * full({4}, 3.0) + ones({4}); });
  const auto gm = fx::symbolic_trace(net);
  CHECK(gm->find_parameter("_tensor_constant0") != nullptr);
  CHECK(gm->find_parameter("_tensor_constant1")->is_buffer());
  const Tensor x = randn({4});
  CHECK((*gm)(x).equal((*net)(x)));
  CHECK(warnings.all.empty());

  fx::symbolic_trace(nn::make<Calls>([](const Tensor& t) { return t + randn({4}); }));
  CHECK(warnings.mention("draws random numbers"));
  fx::symbolic_trace(nn::make<Calls>([](const Tensor& t) { return dropout(t, 0.5, true); }));
  CHECK(warnings.mention("was traced in training mode"));
}

// ---- parameters and modules ---------------------------------------------------------------------

class Transposed : public nn::ModuleOf<Transposed> {
 public:
  nn::Parameter w{"w", randn({4, 6})};
  Tensor forward(const Tensor& x) {
    return x.matmul(w.value().t()) + x.slice(1, 0, 4) * w.value().select(1, 0);
  }

 protected:
  void fields(nn::FieldList& f) override { f(w); }
};

TEST_CASE("Views of parameters follow masks that change after the trace", "[fx][tracer]") {
  const auto net = nn::make<Transposed>();
  const auto mask = std::make_shared<test::Mask>(ones({4, 6}));
  net->w.slot()->push(mask);
  const auto gm = fx::symbolic_trace(net);
  const Tensor x = randn({3, 6});
  const Tensor before = (*gm)(x);
  CHECK(before.equal((*net)(x)));
  mask->mask().select(1, 0).fill_(0.0);
  CHECK((*gm)(x).equal((*net)(x)));
  CHECK_FALSE((*gm)(x).equal(before));
}

class Shared : public nn::ModuleOf<Shared> {
 public:
  std::shared_ptr<nn::Linear> layer = nn::make<nn::Linear>(4, 4);
  nn::Submodule a{"a", layer}, b{"b", layer};
  nn::Parameter tied{"tied", ones({1})};
  Shared() { tied.rebind(layer->find_parameter("weight")->slot()); }
  Tensor forward(const Tensor& x) {
    return linear(b(a(a(x))), tied) + linear(x, *layer->find_parameter("weight"));
  }

 protected:
  void fields(nn::FieldList& f) override { f(a, b, tied); }
};

TEST_CASE("Shared modules, tied tensors and weights beside their layer stay one", "[fx][tracer]") {
  const auto net = nn::make<Shared>();
  const auto gm = fx::symbolic_trace(net);
  CHECK(gm->graph().find_nodes(fx::Opcode::call_module, "a").size() == 3);
  const Tensor x = randn({2, 4});
  CHECK((*gm)(x).equal((*net)(x)));
  net->tied.set(randn({4, 4}));
  CHECK((*gm)(x).equal((*net)(x)));
  const auto copy = nn::deepcopy(gm);
  CHECK((*copy)(x).equal((*net)(x)));
  CHECK(nn::parameters(*gm).size() == 2);
}

TEST_CASE("Gradients through a graph module are those of the network, to the bit", "[fx][tracer]") {
  const auto net = nn::make<nn::Sequential>(Residual(), nn::Linear(4, 4), Residual());
  const auto gm = fx::symbolic_trace(net);
  const Tensor x = randn({5, 4});
  square((*net)(x)).sum().backward();
  std::vector<Tensor> grads;
  for (const auto& slot : nn::parameters(*net)) grads.push_back(slot->original().grad().clone());
  nn::zero_grad(*net);
  square((*gm)(x)).sum().backward();
  std::size_t i = 0;
  for (const auto& slot : nn::parameters(*net)) CHECK(slot->original().grad().equal(grads[i++]));
  CHECK(i == 8);
}

TEST_CASE("Hooks of users run as often as before, wherever they stand", "[fx][tracer]") {
  const auto net = nn::make<nn::Sequential>(nn::Linear(4, 4), Residual());
  std::string order;
  const auto note = [&](const char* what) {
    return [&order, what](nn::Module&, const std::vector<Value>&, Value& out) {
      order += what;
      out = out.to_tensor() * 2.0;
    };
  };
  net->register_forward_hook(note("r"));
  nn::find_module(*net, "0")->register_forward_hook(note("l"));
  const auto handle = nn::find_module(*net, "1")->register_forward_hook(note("t"));
  nn::find_module(*net, "1")->register_forward_pre_hook([&](nn::Module&, std::vector<Value>& args) {
    order += "p";
    args[0] = args[0].to_tensor() + 1.0;
  });
  const auto gm = fx::symbolic_trace(net);
  CHECK(order.empty());
  const Tensor x = randn({2, 4});
  const Tensor expected = (*net)(x);
  CHECK(std::exchange(order, "") == "lptr");
  CHECK((*gm)(x).equal(expected));
  CHECK(std::exchange(order, "") == "lptr");
  handle.remove();
  CHECK((*gm)(x).equal((*net)(x)));
  CHECK(order == "lprlpr");
}

TEST_CASE("A graph module inside of a network, or at its root, is traced through", "[fx][tracer]") {
  const auto inner = fx::symbolic_trace(nn::make<Residual>());
  const auto net =
      nn::make<nn::Sequential>(std::vector<nn::ModulePtr>{inner, nn::make<nn::ReLU>()});
  const auto gm = fx::symbolic_trace(net);
  CHECK(ops_of(*gm) == "input_1 _0_fc _0_act _0_gain mul add _1 output");
  const Tensor x = randn({2, 4});
  CHECK((*gm)(x).equal((*net)(x)));
  CHECK(fx::symbolic_trace(gm)->graph().str() == gm->graph().str());
}

TEST_CASE("A trace that fails leaves network, thread and tracer as they were", "[fx][tracer]") {
  bool broken = true;
  const auto net = nn::make<Calls>([&](const Tensor& x) {
    if (broken) fail("out of order");
    return relu(x);
  });
  fx::Tracer tracer;
  manual_seed(5);
  const auto offset = default_generator().offset();
  CHECK_THAT(error_of([&] { tracer.trace(net); }), ContainsSubstring("out of order"));
  CHECK(nn::CallInterceptor::active() == nullptr);
  CHECK(default_generator().offset() == offset);
  broken = false;
  const auto gm = tracer.trace(net);
  CHECK(ops_of(*gm) == "x relu output");
}

TEST_CASE("Two threads trace and run one network at once", "[fx][tracer]") {
  const auto net = nn::make<nn::Sequential>(Residual(), Residual());
  const Tensor x = randn({2, 4});
  const Tensor expected = (*net)(x);
  std::atomic<int> right{0};
  const auto work = [&] {
    for (int i = 0; i < 20; ++i)
      if ((*fx::symbolic_trace(net))(x).equal(expected)) ++right;
  };
  std::thread a(work), b(work);
  a.join();
  b.join();
  CHECK(right == 40);
}

}  // namespace
}  // namespace adze
