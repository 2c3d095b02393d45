#include "adze/ao/ns/numeric_suite.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "adze/nn/container.h"
#include "adze/nn/identity.h"

#include "ns/graph_ops.h"
#include "ns/pairs.h"
#include "quantization/watch.h"

namespace adze::ao::ns {
namespace {

using adze::nn::Module;
using quantization::RunFunction;

// ModuleList and ModuleDict: others stand in them, nobody calls them.
bool only_holds(const Module& module) {
  return dynamic_cast<const adze::nn::Container*>(&module) &&
         !dynamic_cast<const adze::nn::Sequential*>(&module);
}

// True when the output of `module` has to go through a ReLU to be compared with that of `partner`.
bool lacks_relu(Module& module, Module& partner) {
  return quantization::ends_in_relu(partner) && !quantization::ends_in_relu(module);
}

// One pair whose modules are watched.
struct Watched {
  Pair pair;
  bool relu_a, relu_b;
  Tally tally = {};
  bool called = false;
  std::vector<Value> outputs_a = {}, outputs_b = {};  // since the last comparison

  explicit Watched(const Pair& p)
      : pair(p), relu_a(lacks_relu(*p.a, *p.b)), relu_b(lacks_relu(*p.b, *p.a)) {}

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
  Session(Module& a, Module& b, ComparisonKind kind, const std::function<bool(const Pair&)>& takes)
      : a_(a), b_(b), kind_(kind), guard_a_(a), guard_b_(b) {
    for (const Pair& pair : find_pairs(a, b)) {
      if (!pair.a || !pair.b) {
        result_.unpaired.push_back(unpaired(pair));
      } else if (takes(pair)) {
        watched_.emplace_back(pair);
      }
    }
  }

  void run_both(const RunFunction& run) {
    watch(a_, &Pair::a, run,
          [](Watched& w, const auto&, const Value& output) { w.outputs_a.push_back(output); });
    watch(b_, &Pair::b, run, [this](Watched& w, const auto&, const Value& output) {
      w.outputs_b.push_back(output);
      note_call(w);
    });
    for (Watched& w : watched_) w.compare_outputs();
  }

  void run_with_shadows(const RunFunction& run) {
    watch(b_, &Pair::b, run,
          [this](Watched& w, const std::vector<Value>& args, const Value& output) {
            std::vector<Value> inputs = args;
            for (Value& v : inputs)
              if (v.is_tensor()) v = quantization::comparable(v.to_tensor(), /*relu=*/false);
            w.compare(w.pair.a->call(std::move(inputs)), output);
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
  void watch(Module& network, Module* Pair::*side, const RunFunction& run, Note note) {
    quantization::TemporaryHooks hooks;
    for (Watched& w : watched_)
      hooks.add(*(w.pair.*side), [&w, note](Module&, const std::vector<Value>& args,
                                            Value& output) { note(w, args, output); });
    run(network);
  }
  void note_call(Watched& w) {
    if (!std::exchange(w.called, true)) order_.push_back(&w);
  }

  Module &a_, &b_;
  ComparisonKind kind_;
  quantization::Undisturbed guard_a_, guard_b_;
  std::vector<Watched> watched_;  // all there before hooks refer to them
  std::vector<Watched*> order_;   // as they were called
  Comparison result_;
};

bool runs(const Pair& pair) {
  return !only_holds(*pair.b);
}

// Identity is what fusing leaves behind: it loses nothing.
bool has_another_form(const Pair& pair) {
  return is_layer(*pair.b) && !dynamic_cast<const adze::nn::Identity*>(pair.b) &&
         (typeid(*pair.a) != typeid(*pair.b) ||
          typeid(pair.a->slot_holder()) != typeid(pair.b->slot_holder()));
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

Comparison compare_outputs(Module& a, Module& b, const std::vector<RunFunction>& steps) {
  Session session(a, b, ComparisonKind::output, runs);
  for (const RunFunction& step : steps) session.run_both(step);
  return session.finish();
}

Comparison compare_stub(Module& a, Module& b, const std::vector<RunFunction>& steps) {
  Session session(a, b, ComparisonKind::shadow, has_another_form);
  for (const RunFunction& step : steps) session.run_with_shadows(step);
  return session.finish();
}

}  // namespace

Comparison compare_weights(Module& float_model, Module& q_model) {
  Comparison result;
  std::vector<Pair> only_a;
  std::set<const Module*> compared;
  for (const Pair& pair : find_pairs(float_model, q_model)) {
    const Tensor a = pair.a ? computed_weight(*pair.a) : Tensor();
    const Tensor b = pair.b ? computed_weight(*pair.b) : Tensor();
    if (a.defined() && b.defined()) {
      compared.insert(&pair.a->slot_holder());
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
    if (!compared.contains(&pair.a->slot_holder()))
      result.unpaired.push_back(unpaired(pair, pair.b ? "no weight in b" : ""));
  GraphOps(float_model, q_model, nullptr).compare_weights(result);
  return result;
}

Comparison compare_model_outputs(Module& float_model, Module& q_model, const TensorList& inputs) {
  Comparison result = compare_outputs(float_model, q_model, runs_of(inputs));
  GraphOps ops(float_model, q_model, &inputs.front());
  if (ops.any()) {
    const quantization::Undisturbed guard_a(float_model), guard_b(q_model);
    for (const Tensor& input : inputs) ops.compare_outputs(input);
    ops.finish_outputs(result);
  }
  return result;
}
Comparison compare_model_outputs(Module& float_model, Module& q_model, const RunFunction& run) {
  check_run(run);
  return compare_outputs(float_model, q_model, {run});
}

Comparison compare_model_stub(Module& float_model, Module& q_model, const TensorList& inputs) {
  return compare_stub(float_model, q_model, runs_of(inputs));
}
Comparison compare_model_stub(Module& float_model, Module& q_model, const RunFunction& run) {
  check_run(run);
  return compare_stub(float_model, q_model, {run});
}

}  // namespace adze::ao::ns
