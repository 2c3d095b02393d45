#include "adze/ao/ns/numeric_suite.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "adze/nn/container.h"
#include "adze/nn/identity.h"

#include "ns/pairs.h"
#include "quantization/fx/function_steps.h"
#include "quantization/watch.h"

namespace adze::ao::ns {
namespace {

using adze::nn::Module;
using quantization::RunFunction;
using quantization::graph_mode::constant_value;
using quantization::graph_mode::is_constant;

// ModuleList and ModuleDict: others stand in them, nobody calls them.
bool only_holds(const Module& module) {
  return dynamic_cast<const adze::nn::Container*>(&module) &&
         !dynamic_cast<const adze::nn::Sequential*>(&module);
}

// True when the output at a place has to go through a ReLU to be compared with its partner's.
bool lacks_relu(const Place& place, const Place& partner) {
  return partner.ends_in_relu() && !place.ends_in_relu();
}

// What is left of an int8 op's arguments for its float form: tensors that come from the network's
// inputs, in order; all else is the float step's own. Nothing when their numbers differ.
std::optional<std::vector<Value>> float_arguments(const Place& a, const Place& b,
                                                  const std::vector<Value>& given) {
  std::vector<Value> data;
  const std::function<void(const adze::fx::Argument&, const Value&)> collect =
      [&](const adze::fx::Argument& argument, const Value& value) {
        if (argument.is_node() && !is_constant(*argument.node())) {
          data.push_back(value);
        } else if (argument.is_list()) {
          for (std::size_t i = 0; i < argument.list().size(); ++i)
            collect(argument.list()[i], value.to_list()[i]);
        }
      };
  for (std::size_t i = 0; i < given.size(); ++i) collect(b.node->arg(i), given[i]);
  std::size_t next = 0;
  const std::function<std::optional<Value>(const adze::fx::Argument&)> own =
      [&](const adze::fx::Argument& argument) -> std::optional<Value> {
    if (argument.is_constant()) return argument.constant();
    if (argument.is_node()) {
      if (is_constant(*argument.node())) return constant_value(*a.graph, *argument.node());
      if (next == data.size()) return std::nullopt;
      const Value& v = data[next++];
      return v.is_tensor() ? Value(quantization::comparable(v.to_tensor(), false)) : v;
    }
    Value::List list;
    for (const adze::fx::Argument& e : argument.list()) {
      std::optional<Value> v = own(e);
      if (!v) return std::nullopt;
      list.push_back(std::move(*v));
    }
    return Value(std::move(list));
  };
  std::vector<Value> args;
  for (const adze::fx::Argument& argument : a.node->args()) {
    std::optional<Value> v = own(argument);
    if (!v) return std::nullopt;
    args.push_back(std::move(*v));
  }
  if (next != data.size()) return std::nullopt;
  return args;
}

// One pair whose modules are watched.
struct Watched {
  Pair pair;
  bool relu_a, relu_b;
  Tally tally = {};
  bool called = false;
  std::vector<Value> outputs_a = {}, outputs_b = {};  // since the last comparison

  explicit Watched(const Pair& p)
      : pair(p), relu_a(lacks_relu(p.a, p.b)), relu_b(lacks_relu(p.b, p.a)) {}

  void compare(const Value& a, const Value& b) {
    if (a.is_tensor() && b.is_tensor()) {
      tally.add(quantization::comparable(a.to_tensor(), relu_a),
                quantization::comparable(b.to_tensor(), relu_b));
    } else {
      tally.give_up("the output is not one tensor");
    }
  }
  void compare_outputs() {
    if (outputs_a.size() != outputs_b.size())
      tally.give_up(adze::detail::concat("the numbers of calls differ: ", outputs_a.size(), " and ",
                                         outputs_b.size()));
    for (std::size_t i = 0; i < std::min(outputs_a.size(), outputs_b.size()); ++i)
      compare(outputs_a[i], outputs_b[i]);
    outputs_a.clear();
    outputs_b.clear();
  }
};

// Both networks, undisturbed, and the pairs that are watched while they run.
class Session {
 public:
  Session(Module& a, Module& b, const TensorList& inputs, ComparisonKind kind,
          const std::function<bool(const Pair&)>& takes)
      : kind_(kind),
        guard_a_(a),
        guard_b_(b),
        a_(comparable_form(a, b, inputs)),
        b_(comparable_form(b, a, inputs)) {
    for (const Pair& pair : find_pairs(*a_, *b_)) {
      if (!pair.a || !pair.b) {
        result_.unpaired.push_back(unpaired(pair));
      } else if (takes(pair)) {
        watched_.emplace_back(pair);
      }
    }
  }

  void run_both(const RunFunction& run) {
    watch(*a_, &Pair::a, run,
          [](Watched& w, const auto&, const Value& output) { w.outputs_a.push_back(output); });
    watch(*b_, &Pair::b, run, [this](Watched& w, const auto&, const Value& output) {
      w.outputs_b.push_back(output);
      note_call(w);
    });
    for (Watched& w : watched_) w.compare_outputs();
  }

  void run_with_shadows(const RunFunction& run) {
    watch(*b_, &Pair::b, run,
          [this](Watched& w, const std::vector<Value>& args, const Value& output) {
            if (const auto shadow = shadow_output(w.pair, args)) {
              w.compare(*shadow, output);
            } else {
              w.tally.give_up("the arguments differ");
            }
            note_call(w);
          });
  }

  Comparison finish() {
    for (Watched& w : watched_) note_call(w);
    for (const Watched* w : order_) w->tally.finish(w->pair, kind_, result_);
    return std::move(result_);
  }

 private:
  template <class Note>
  void watch(Module& network, Place Pair::*side, const RunFunction& run, Note note) {
    quantization::TemporaryHooks hooks;
    for (Watched& w : watched_) {
      const Place& place = w.pair.*side;
      const auto hook = [&w, note](Module&, const std::vector<Value>& args, Value& output) {
        note(w, args, output);
      };
      if (place.module) {
        hooks.add(*place.module, hook);
      } else {
        hooks.add(*place.graph, *place.node, hook);
      }
    }
    run(network);
  }
  // What the float partner makes of the same input.
  static std::optional<Value> shadow_output(const Pair& pair, const std::vector<Value>& args) {
    if (!pair.a.module) {
      const auto own = float_arguments(pair.a, pair.b, args);
      if (!own) return std::nullopt;
      return pair.a.node->function()->call_boxed(*own);
    }
    std::vector<Value> inputs = args;
    for (Value& v : inputs)
      if (v.is_tensor()) v = quantization::comparable(v.to_tensor(), /*relu=*/false);
    return pair.a.module->call(std::move(inputs));
  }
  void note_call(Watched& w) {
    if (!std::exchange(w.called, true)) order_.push_back(&w);
  }

  ComparisonKind kind_;
  quantization::Undisturbed guard_a_, guard_b_;
  adze::nn::ModulePtr a_, b_;
  std::vector<Watched> watched_;  // all there before hooks refer to them
  std::vector<Watched*> order_;   // as they were called
  Comparison result_;
};

bool runs(const Pair& pair) {
  return !pair.b.module || !only_holds(*pair.b.module);
}

// Identity is what fusing leaves behind: it loses nothing.
bool has_another_form(const Pair& pair) {
  const auto& [name, a, b] = pair;
  if (b.node) return a.node->function() != b.node->function();
  return quantization::is_layer(*b.module) && !dynamic_cast<const adze::nn::Identity*>(b.module) &&
         (typeid(*a.module) != typeid(*b.module) ||
          typeid(a.module->slot_holder()) != typeid(b.module->slot_holder()));
}

void check_run(const RunFunction& run) {
  check(static_cast<bool>(run), "numeric suite: the run function is empty");
}

std::vector<RunFunction> runs_of(const TensorList& inputs) {
  check(!inputs.empty(), "numeric suite: needs inputs, got none");
  std::vector<RunFunction> runs;
  for (const Tensor& input : inputs) runs.emplace_back([&input](Module& model) { model(input); });
  return runs;
}

Comparison compare_outputs(Module& a, Module& b, const TensorList& inputs,
                           const std::vector<RunFunction>& steps) {
  Session session(a, b, inputs, ComparisonKind::output, runs);
  for (const RunFunction& step : steps) session.run_both(step);
  return session.finish();
}

Comparison compare_stub(Module& a, Module& b, const TensorList& inputs,
                        const std::vector<RunFunction>& steps) {
  Session session(a, b, inputs, ComparisonKind::shadow, has_another_form);
  for (const RunFunction& step : steps) session.run_with_shadows(step);
  return session.finish();
}

}  // namespace

Comparison compare_weights(Module& float_model, Module& q_model) {
  const quantization::Undisturbed guard_a(float_model), guard_b(q_model);
  const adze::nn::ModulePtr root_a = comparable_form(float_model, q_model, {});
  const adze::nn::ModulePtr root_b = comparable_form(q_model, float_model, {});
  Comparison result;
  std::vector<Pair> only_a;
  std::set<const void*> compared;
  for (const Pair& pair : find_pairs(*root_a, *root_b)) {
    const Tensor a = pair.a.weight(), b = pair.b.weight();
    if (a.defined() && b.defined()) {
      compared.insert(pair.a.weight_owner());
      Tally tally;
      tally.add(a, b);
      tally.finish(pair, ComparisonKind::weight, result);
    } else if (b.defined()) {
      result.unpaired.push_back(unpaired(pair, pair.a ? "no weight in a" : ""));
    } else if (a.defined()) {
      only_a.push_back(pair);
    }
  }
  for (const Pair& pair : only_a)
    if (!compared.contains(pair.a.weight_owner()))
      result.unpaired.push_back(unpaired(pair, pair.b ? "no weight in b" : ""));
  return result;
}

Comparison compare_model_outputs(Module& float_model, Module& q_model, const TensorList& inputs) {
  return compare_outputs(float_model, q_model, inputs, runs_of(inputs));
}
Comparison compare_model_outputs(Module& float_model, Module& q_model, const RunFunction& run) {
  check_run(run);
  return compare_outputs(float_model, q_model, {}, {run});
}

Comparison compare_model_stub(Module& float_model, Module& q_model, const TensorList& inputs) {
  return compare_stub(float_model, q_model, inputs, runs_of(inputs));
}
Comparison compare_model_stub(Module& float_model, Module& q_model, const RunFunction& run) {
  check_run(run);
  return compare_stub(float_model, q_model, {}, {run});
}

}  // namespace adze::ao::ns
