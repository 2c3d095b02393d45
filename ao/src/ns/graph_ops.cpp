#include "ns/graph_ops.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "adze/core/ops.h"
#include "adze/fx/interpreter.h"
#include "adze/fx/tracer.h"
#include "adze/nn/activation.h"

#include "quantization/fx/graph_state.h"
#include "quantization/watch.h"

namespace adze::ao::ns {
namespace {

using adze::fx::GraphModule;
using adze::fx::Node;
namespace graph_mode = quantization::graph_mode;

// The graph of a module: itself, or what tracing gives; nullptr where it cannot be traced.
std::shared_ptr<GraphModule> graph_of(adze::nn::Module& module, const Tensor* example) {
  const adze::nn::ModulePtr alias(&module, [](adze::nn::Module*) {});
  if (auto graph = std::dynamic_pointer_cast<GraphModule>(alias)) return graph;
  try {
    adze::fx::TraceOptions options{.any_batch_size = false};
    if (example) options.example_inputs = {*example};
    return adze::fx::symbolic_trace(alias, options);
  } catch (const Error&) {
    return nullptr;
  }
}

bool is_relu(GraphModule& module, const Node& n) {
  return n.calls(ops::relu) || (n.is_module_call() && dynamic_cast<const adze::nn::ReLU*>(
                                                          module.submodule(n).ptr().get()));
}

// "quantized::add_scalar_relu" is "add".
std::string base_op(std::string_view name) {
  if (name.starts_with("quantized::")) name.remove_prefix(std::string_view("quantized::").size());
  for (const std::string_view base : {"add", "mul", "linear"})
    if (name == base || name.starts_with(std::string(base) + "_")) return std::string(base);
  return std::string(name);
}

bool takes_relu_along(const std::string& op) {
  return op == "add" || op == "mul" || op == "linear";
}

// Behind a ReLU already.
bool ends_in_relu(const Node& n) {
  return n.target().find("_relu") != std::string::npos;
}

std::vector<OpCall> calls_of(GraphModule& module) {
  std::vector<OpCall> calls;
  std::map<std::pair<std::string, std::string>, std::size_t> counts;
  std::vector<const Node*> absorbed;
  for (Node& n : module.graph().nodes()) {
    if (!n.function() || !graph_mode::computes(module, n) || n.calls(ops::to) ||
        std::find(absorbed.begin(), absorbed.end(), &n) != absorbed.end())
      continue;
    // The ReLU of a layer is compared with the layer.
    if (n.calls(ops::relu) && n.arg(0).is_node() && n.arg(0).node()->is_module_call() &&
        n.arg(0).node()->users().size() == 1 &&
        computed_weight(*module.submodule(*n.arg(0).node())).defined())
      continue;
    OpCall call{n.meta.module_path, base_op(n.target()), 0, &n, &n};
    call.index = counts[{call.scope, call.op}]++;
    if (takes_relu_along(call.op) && !ends_in_relu(n) && n.users().size() == 1 &&
        is_relu(module, *n.users().front())) {
      call.result = n.users().front();
      absorbed.push_back(call.result);
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

// Runs a graph and keeps the results of some of its nodes.
class Recorder : public adze::fx::Interpreter {
 public:
  Recorder(GraphModule& module, const std::vector<OpCall>& calls) : Interpreter(module) {
    for (const OpCall& c : calls) wanted_[c.result] = Value();
  }
  const Value& of(const Node& node) const { return wanted_.at(&node); }

 protected:
  Value run_node(Node& node) override {
    Value result = Interpreter::run_node(node);
    if (const auto it = wanted_.find(&node); it != wanted_.end()) it->second = result;
    return result;
  }

 private:
  std::unordered_map<const Node*, Value> wanted_;
};

Tensor weight_of(GraphModule& module, const OpCall& call) {
  if (call.op != "linear" || call.node->args().size() < 2 || !call.node->arg(1).is_node())
    return {};
  const auto value = graph_mode::constant_value(module, *call.node->arg(1).node());
  return value && value->is_tensor() ? quantization::comparable(value->to_tensor(), /*relu=*/false)
                                     : Tensor();
}

}  // namespace

GraphOps::GraphOps(adze::nn::Module& a, adze::nn::Module& b, const Tensor* example) {
  if (!dynamic_cast<GraphModule*>(&a) && !dynamic_cast<GraphModule*>(&b)) return;
  a_ = graph_of(a, example);
  b_ = graph_of(b, example);
  if (a_) calls_a_ = calls_of(*a_);
  if (b_) calls_b_ = calls_of(*b_);
  const auto partner = [](const OpCall& call, const std::vector<OpCall>& others) {
    const auto it = std::find_if(others.begin(), others.end(), [&](const OpCall& o) {
      return o.scope == call.scope && o.op == call.op && o.index == call.index;
    });
    return it == others.end() ? nullptr : &*it;
  };
  for (const OpCall& call : calls_b_) {
    if (const OpCall* other = partner(call, calls_a_))
      pairs_.push_back({other, &call});
    else
      unpaired_.push_back({call.node->name(), "", call.node->target(), "not in a"});
  }
  for (const OpCall& call : calls_a_)
    if (!partner(call, calls_b_))
      unpaired_.push_back({call.node->name(), call.node->target(), "", "not in b"});
}

void GraphOps::compare_weights(Comparison& to) {
  const NoGrad guard;
  for (const OpPair& pair : pairs_) {
    const Tensor a = weight_of(*a_, *pair.a), b = weight_of(*b_, *pair.b);
    if (!a.defined() || !b.defined()) continue;
    Tally tally;
    tally.add(a, b);
    tally.finish(pair.b->node->name(), pair.a->node->target(), pair.b->node->target(),
                 ComparisonKind::weight, to);
  }
}

void GraphOps::compare_outputs(const Tensor& input) {
  Recorder a(*a_, calls_a_), b(*b_, calls_b_);
  const Value arg(input);
  a.run(std::span(&arg, 1));
  b.run(std::span(&arg, 1));
  for (OpPair& pair : pairs_) {
    const Value &va = a.of(*pair.a->result), &vb = b.of(*pair.b->result);
    if (va.is_tensor() && vb.is_tensor())
      pair.tally.add(quantization::comparable(va.to_tensor(), /*relu=*/false),
                     quantization::comparable(vb.to_tensor(), /*relu=*/false));
    else
      pair.tally.give_up("the output is not one tensor");
  }
}

void GraphOps::finish_outputs(Comparison& to) {
  for (const OpPair& pair : pairs_)
    pair.tally.finish(pair.b->node->name(), pair.a->node->target(), pair.b->node->target(),
                      ComparisonKind::output, to);
  to.unpaired.insert(to.unpaired.end(), unpaired_.begin(), unpaired_.end());
}

}  // namespace adze::ao::ns
