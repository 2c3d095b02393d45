#include "ns/pairs.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "adze/core/ops.h"
#include "adze/nn/activation.h"
#include "adze/nn/traversal.h"

#include "quantization/fx/function_steps.h"
#include "quantization/fx/fuse.h"
#include "quantization/watch.h"

namespace adze::ao::ns {
namespace {

using adze::nn::Module;
namespace graph_mode = quantization::graph_mode;

// Along dimension 0 when the others agree, else as one row.
Shape concatenated(const Shape& a, const Shape& b) {
  if (!a.empty() && a.size() == b.size()) {
    Shape sum = a;
    sum[0] = b[0];
    if (sum == b) {
      sum[0] = a[0] + b[0];
      return sum;
    }
  }
  return {numel(a) + numel(b)};
}

// The step of a graph that is one of the network's own modules or an op.
struct Call {
  adze::fx::GraphModule* graph;
  const adze::fx::Node* node;
};
std::vector<Call> calls(Module& root) {
  std::vector<Call> all;
  adze::nn::for_each_module(root, [&](const std::string&, Module& m) {
    if (auto* graph = dynamic_cast<adze::fx::GraphModule*>(&m))
      for (const adze::fx::Node& n : graph->graph().nodes()) all.push_back({graph, &n});
  });
  return all;
}

bool stands_at(const Call& call, const Place& place) {
  if (place.node) return call.node == place.node;
  return place.module && call.node->is_module_call() &&
         call.graph->submodule(*call.node).ptr().get() == place.module;
}

// The step before a place in its graph, observers aside; no node when it is in none.
Call before(const Place& place, const std::vector<Call>& all) {
  for (const Call& call : all) {
    if (!stands_at(call, place)) continue;
    const adze::fx::Node* n = call.node;
    do {
      n = !n->args().empty() && n->arg(0).is_node() ? n->arg(0).node() : nullptr;
    } while (n && graph_mode::observer_at(*call.graph, *n));
    return {call.graph, n};
  }
  return {nullptr, nullptr};
}

bool is_relu(const Place& place) {
  return place.module ? dynamic_cast<const adze::nn::ReLU*>(place.module) != nullptr
                      : place.node && place.node->calls(ops::relu);
}

// A ReLU that one network has as a step, and the other in the layer before it.
void leave_out_built_in_relus(std::vector<Pair>& pairs, Module& a, Module& b) {
  const std::vector<Call> calls_a = calls(a), calls_b = calls(b);
  std::erase_if(pairs, [&](const Pair& pair) {
    if (pair.a && pair.b) return false;
    const Place& relu = pair.a ? pair.a : pair.b;
    if (!is_relu(relu)) return false;
    const Call previous = before(relu, pair.a ? calls_a : calls_b);
    return previous.node && std::any_of(pairs.begin(), pairs.end(), [&](const Pair& p) {
             const Place& own = pair.a ? p.a : p.b;
             const Place& other = pair.a ? p.b : p.a;
             return own && stands_at(previous, own) && other.ends_in_relu() && !own.ends_in_relu();
           });
  });
}

}  // namespace

std::string Place::type() const {
  return module ? quantization::shown_type(*module) : node ? node->target() : "";
}

bool Place::ends_in_relu() const {
  return module ? quantization::ends_in_relu(*module) : node && graph_mode::ends_in_relu(*node);
}

Tensor Place::weight() const {
  if (module) return quantization::computed_weight(*module);
  if (!node) return {};
  const Tensor w = graph_mode::functional_weight(*graph, *node);
  return w.defined() ? quantization::comparable(w, /*relu=*/false) : w;
}

const void* Place::weight_owner() const {
  return module ? static_cast<const void*>(&module->slot_holder()) : node;
}

std::vector<Pair> find_pairs(Module& a, Module& b) {
  std::vector<Pair> found;
  std::set<const void*> met;
  const auto modules_a = quantization::counterparts(a);
  const auto has_counterpart = [&](const Module* m) {
    return std::any_of(modules_a.begin(), modules_a.end(),
                       [m](const auto& entry) { return entry.second == m; });
  };
  for (const auto& [path, module] : quantization::counterparts(b)) {
    Module* partner = adze::nn::find_module(a, path);
    if (partner && !has_counterpart(partner) && &partner->slot_holder() == partner &&
        dynamic_cast<const adze::fx::Scope*>(partner))
      partner = nullptr;
    met.insert(partner);
    found.push_back({path, {.module = partner}, {.module = module}});
  }
  const auto steps_a = graph_mode::function_steps(a);
  for (const auto& step : graph_mode::function_steps(b)) {
    const auto partner = std::find_if(steps_a.begin(), steps_a.end(),
                                      [&](const auto& s) { return s.name == step.name; });
    Place at;
    if (partner != steps_a.end()) {
      at = {.graph = partner->graph, .node = partner->node};
      met.insert(partner->node);
    }
    found.push_back({step.name, at, {.graph = step.graph, .node = step.node}});
  }
  for (const auto& [path, module] : modules_a)
    if (!met.contains(module)) found.push_back({path, {.module = module}, {}});
  for (const auto& step : steps_a)
    if (!met.contains(step.node))
      found.push_back({step.name, {.graph = step.graph, .node = step.node}, {}});
  leave_out_built_in_relus(found, a, b);
  return found;
}

Unpaired unpaired(const Pair& pair, std::string reason) {
  if (reason.empty()) reason = pair.a ? "not in b" : "not in a";
  return {pair.name, pair.a.type(), pair.b.type(), std::move(reason)};
}

adze::nn::ModulePtr comparable_form(Module& network, const Module& other,
                                    const TensorList& inputs) {
  const adze::nn::ModulePtr itself(adze::nn::ModulePtr(), &network);
  if (dynamic_cast<const adze::fx::GraphModule*>(&network) ||
      !dynamic_cast<const adze::fx::GraphModule*>(&other))
    return itself;
  std::vector<Value> examples;
  if (!inputs.empty()) examples.emplace_back(inputs.front());
  try {
    auto traced = graph_mode::trace(itself, examples, {}, {}, "numeric suite");
    traced->eval();
    return traced;
  } catch (const Error&) {
    return itself;
  }
}

void Tally::add(const Tensor& a, const Tensor& b) {
  if (!reason_.empty()) return;
  if (a.sizes() != b.sizes()) {
    give_up(adze::detail::concat("the shapes differ: ", a.sizes(), " and ", b.sizes()));
    return;
  }
  agreement_.add(a, b);
  shape_ = empty_ ? a.sizes() : concatenated(shape_, a.sizes());
  empty_ = false;
}

void Tally::give_up(std::string reason) {
  if (reason_.empty()) reason_ = std::move(reason);
}

void Tally::finish(const Pair& pair, ComparisonKind kind, Comparison& to) const {
  if (!reason_.empty() || empty_) {
    to.unpaired.push_back(unpaired(pair, reason_.empty() ? "does not run" : reason_));
    return;
  }
  to.rows.push_back({.name = pair.name,
                     .type_a = pair.a.type(),
                     .type_b = pair.b.type(),
                     .kind = kind,
                     .sqnr = agreement_.sqnr(),
                     .normalized_l2_error = agreement_.normalized_l2_error(),
                     .cosine_similarity = agreement_.cosine_similarity(),
                     .shape = shape_});
}

}  // namespace adze::ao::ns
