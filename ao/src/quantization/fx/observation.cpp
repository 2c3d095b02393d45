#include "quantization/fx/observation.h"

#include <algorithm>
#include <iterator>

#include "adze/ao/quantization/fake_quantize.h"
#include "adze/core/ops.h"
#include "adze/fx/hook_point.h"

namespace adze::ao::quantization::graph_mode {
namespace {

bool quantizes_statically(const ObserverOrFakeQuant& observer) {
  return is_quantized(observer.dtype()) && !observer.is_dynamic();
}

bool has_fixed_range(const ObserverOrFakeQuant& observer) {
  return dynamic_cast<const FixedQParamsObserver*>(&observer) ||
         dynamic_cast<const FixedQParamsFakeQuantize*>(&observer);
}

bool same_fixed_range(const ObserverOrFakeQuant& a, const ObserverOrFakeQuant& b) {
  const TensorQParams p = a.calculate_qparams(), q = b.calculate_qparams();
  return a.spec() == b.spec() && p.scale.equal(q.scale) && p.zero_point.equal(q.zero_point);
}

}  // namespace

DType Observation::dtype_of(const Node& node) const {
  if (const auto observer = observer_at(module_, node))
    return quantizes_statically(*observer) ? observer->dtype() : float32;
  const auto it = dtypes_.find(&node);
  return it == dtypes_.end() ? float32 : it->second;
}

Node& Observation::insert(Node& behind, std::shared_ptr<ObserverOrFakeQuant> observer) {
  const std::string name = free_member(module_, "activation_post_process_");
  observer->train(module_.training());
  module_.add_submodule(name, std::move(observer));
  const auto at = module_.graph().inserting_after(behind);
  Node& node = module_.graph().call_module(name, {behind});
  node.meta = behind.meta;
  return node;
}

void Observation::observe_input(Node& user, Node& input, const ObserverFactory& factory,
                                bool is_weight) {
  auto observer = factory();
  // The value of an observed node is seen by other observers before this one.
  for (Node* other : input.users()) {
    const auto present = observer_at(module_, *other);
    if (present && typeid(*present) == typeid(*observer) && present->dtype() == observer->dtype() &&
        (!is_weight || present->spec() == observer->spec())) {
      user.replace_input_with(input, *other);
      return;
    }
  }
  Node& node = insert(input, std::move(observer));
  user.replace_input_with(input, node);
}

Node& Observation::observe_output(Node& node, const ObserverFactory& factory) {
  Node& observer = insert(node, factory());
  node.replace_all_uses_with(observer);
  return observer;
}

Node* Observation::source_of(Node& node) const {
  if (observer_at(module_, node)) return &node;
  if (!dtypes_.contains(&node)) return nullptr;
  const std::vector<Node*> inputs = tensor_args(node);
  for (Node* input : inputs)
    if (Node* source = source_of(*input)) return source;
  return nullptr;
}

void Observation::merge(const Node& observer, const Node& into) {
  const auto from = module_.submodule(observer).ptr(), to = module_.submodule(into).ptr();
  if (from == to) return;
  for (adze::nn::Submodule* child : module_.list().modules)
    if (child->ptr() == from) child->set(to);
}

std::shared_ptr<ObserverOrFakeQuant> Observation::shared_by(const std::vector<Node*>& sources,
                                                            const ObserverFactory& factory) {
  std::vector<Node*> learned;
  std::copy_if(sources.begin(), sources.end(), std::back_inserter(learned),
               [&](const Node* s) { return !has_fixed_range(*observer_at(module_, *s)); });
  for (const Node* source : learned) merge(*source, *learned.front());
  if (!learned.empty()) return observer_at(module_, *learned.front());
  const auto first = observer_at(module_, *sources.front());
  const bool same = std::all_of(sources.begin(), sources.end(), [&](const Node* s) {
    return same_fixed_range(*observer_at(module_, *s), *first);
  });
  return same || !factory ? first : factory();
}

bool Observation::share_with_inputs(Node& node, const ObserverFactory& factory) {
  std::vector<Node*> sources;
  for (Node* input : tensor_args(node)) {
    Node* source = source_of(*input);
    if (!source) return false;
    sources.push_back(source);
  }
  if (sources.empty()) return false;
  Node& observer = insert(node, shared_by(sources, factory));
  node.replace_all_uses_with(observer);
  return true;
}

}  // namespace adze::ao::quantization::graph_mode
