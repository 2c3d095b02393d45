// Networks as graphs: traced, looked at, changed, run step by step, and in files.
#include <cstdio>
#include <iostream>
#include <map>

#include <adze/adze.h>

using namespace adze;

// ---- a network, traced --------------------------------------------------------------------------
class Residual final : public nn::ModuleOf<Residual> {
 public:
  explicit Residual(std::int64_t n) : fc("fc", nn::Linear(n, n)), gain("gain", ones({n})) {}
  nn::Submodule fc, act{"act", nn::ReLU()};
  nn::Parameter gain;
  Tensor forward(const Tensor& x) { return act(fc(x)) * gain + x; }

 protected:
  void fields(nn::FieldList& f) override { f(fc, act, gain); }
};

// ---- what cannot be traced ----------------------------------------------------------------------
class Gate final : public nn::ModuleOf<Gate> {
 public:
  Tensor forward(const Tensor& x) { return x.mean().item() > 0 ? x : x * 0.5; }
};

class Gated final : public nn::ModuleOf<Gated> {
 public:
  nn::Submodule fc{"fc", nn::Linear(4, 4)}, gate{"gate", Gate()};
  Tensor forward(const Tensor& x) { return gate(fc(x)); }

 protected:
  void fields(nn::FieldList& f) override { f(fc, gate); }
};

class LeafTracer : public fx::Tracer {
 protected:
  bool is_leaf_module(nn::Module& module, const std::string& path) const override {
    return module.type() == "Gate" || Tracer::is_leaf_module(module, path);
  }
};

class Rows final : public nn::ModuleOf<Rows> {
 public:
  static std::vector<nn::ForwardArg> arguments() { return {{"x"}, {"negate"}}; }
  Tensor forward(const Tensor& x, bool negate) {
    const Tensor rows = x.reshape({x.size(0), -1});
    return negate ? rows * -1.0 : rows;
  }
};

// ---- steps seen and changed while they run ------------------------------------------------------
class Counter : public fx::Interpreter {
 public:
  using Interpreter::Interpreter;
  std::map<std::string, int> calls;

 protected:
  Value run_node(fx::Node& node) override {
    ++calls[node.target()];
    return Interpreter::run_node(node);
  }
};

class SigmoidForReLU : public fx::Transformer {
 public:
  using Transformer::Transformer;

 protected:
  Value call_module(fx::Node& node, std::vector<Value> args) override {
    if (module().submodule(node)->type() == "ReLU") return sigmoid(args[0].to_tensor());
    return Transformer::call_module(node, args);
  }
};

int main() {
  const NoGrad guard;
  const Tensor x = randn({3, 4});

  auto net = nn::make<Residual>(4);
  std::shared_ptr<fx::GraphModule> traced = fx::symbolic_trace(net);
  std::cout << traced->graph() << '\n';
  bool ok = (*traced)(x).equal((*net)(x));

  try {
    fx::symbolic_trace(nn::make<Gated>());
    ok = false;
  } catch (const TraceError& e) {
    std::cout << e.what() << '\n';
  }
  auto gated = LeafTracer().trace(nn::make<Gated>());
  ok = ok && gated->graph().find_nodes(fx::Opcode::call_module, "gate").size() == 1;

  auto rows = fx::symbolic_trace(nn::make<Rows>(), {.concrete_args = {{"negate", true}},
                                                    .example_inputs = {zeros({2, 3, 4})}});
  ok = ok && rows->call({ones({5, 3, 4}), true}).to_tensor().equal(full({5, 12}, -1.0));

  fx::Graph& graph = traced->graph();
  for (fx::Node* node : graph.node_list()) {
    if (!node->calls(ops::mul)) continue;
    const auto at = graph.inserting_after(*node);
    fx::Node& bounded = graph.call_function(ops::tanh, {*node});
    node->replace_all_uses_with(bounded);
  }
  traced->recompile();
  ok = ok && (*traced)(x).equal(tanh(relu(net->fc(x)) * net->gain) + x);

  const auto replaced = fx::replace_pattern(
      *traced, [](Tensor a, Tensor b) { return tanh(a) + b; },
      [](Tensor a, Tensor b) { return sigmoid(a + b); });
  std::cout << replaced.size() << " replaced, " << *replaced[0].outputs[0] << '\n';
  ok = ok && (*traced)(x).equal(sigmoid(relu(net->fc(x)) * net->gain + x));

  const auto pattern = fx::symbolic_trace(nn::make<nn::Sequential>(nn::Linear(1, 1), nn::ReLU()));
  const auto of_input = [](const fx::Match& match) { return match.inputs[0]->is_placeholder(); };
  for (const fx::Match& match : fx::find_matches(*traced, *pattern, {.filter = of_input}))
    std::cout << "found " << match.nodes[0]->target() << ", " << match.nodes[1]->target() << '\n';

  Counter counter(*traced);
  const Value input(x);
  counter.run(std::span(&input, 1));
  ok = ok && counter.calls["fc"] == 1;
  std::shared_ptr<fx::GraphModule> smooth = SigmoidForReLU(*traced).transform();
  ok = ok && (*smooth)(x).equal(sigmoid(sigmoid(net->fc(x)) * net->gain + x));

  ao::save_model(*traced, "docs_fx.safetensors");
  nn::ModulePtr loaded = ao::load_model("docs_fx.safetensors");
  ok = ok && (*loaded)(x).equal((*traced)(x));
  std::remove("docs_fx.safetensors");

  std::cout << (ok ? "all as expected" : "something is wrong") << '\n';
  return ok ? 0 : 1;
}
