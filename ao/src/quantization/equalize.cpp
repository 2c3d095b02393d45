#include "adze/ao/quantization/equalize.h"

#include <algorithm>

#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/quantization/attach.h"
#include "adze/core/autograd.h"
#include "adze/core/ops.h"
#include "adze/nn/linear.h"

#include "quantization/fx/graph_state.h"
#include "quantization/positions.h"

namespace adze::ao::quantization {
namespace {

using adze::nn::Module;
using adze::nn::Parameter;

constexpr int max_rounds = 1000;

struct Layer {
  std::string name;  // for messages
  Module* module;
};
struct Pair {
  Layer first, second;
};

adze::nn::Linear* linear_in(Module& module) {
  Module& holder = module.slot_holder();
  if (dynamic_cast<ao::nn::quantized::reference::Linear*>(&holder)) return nullptr;
  return dynamic_cast<adze::nn::Linear*>(&holder);
}

void check_scalable(const Layer& layer, const Parameter& p, const char* where) {
  for (const auto& link : p.slot()->chain())
    check(link->is_mask(), where, ": ", layer.name, " has the parametrization ", link->type(),
          " on its ", p.name(), "; only masks are known to keep their zeros when it is scaled");
}

void check_pair(const Pair& pair, const char* where) {
  for (const Layer& layer : {pair.first, pair.second})
    check(linear_in(*layer.module) != nullptr, where, ": ", layer.name,
          " must be a float or qat Linear, or one fused with a ReLU, got ",
          layer.module->qualified_type());
  const adze::nn::Linear& first = *linear_in(*pair.first.module);
  const adze::nn::Linear& second = *linear_in(*pair.second.module);
  check(first.out_features() == second.in_features(), where,
        ": the layers must follow each other: ", pair.second.name, " expects ",
        second.in_features(), " features, ", pair.first.name, " gives ", first.out_features());
  check(first.weight.slot() != second.weight.slot(), where, ": ", pair.first.name, " and ",
        pair.second.name, " share one weight");
  check_scalable(pair.first, first.weight, where);
  check_scalable(pair.first, first.bias, where);
  check_scalable(pair.second, second.weight, where);
  const ObserverOrFakeQuant* observer = activation_post_process(*pair.first.module);
  check(!observer || !observer->has_data(), where, ": ", pair.first.name,
        " is calibrated already, with the range it has before; equalize first, then calibrate");
}

Tensor effective(const Parameter& p) {
  return p.slot()->value().detach();
}

// max - min of each channel.
Tensor ranges(const Parameter& p, std::int64_t axis) {
  const auto [low, high] = aminmax(effective(p), axis);
  return high - low;
}

// Goes to the stored tensor: a positive factor keeps what masks and pins hold at zero.
void scale(const Parameter& p, const Tensor& factors) {
  p.slot()->write(p.slot()->original().detach() * factors);
}

void equalize_pair(const Pair& pair) {
  const adze::nn::Linear& first = *linear_in(*pair.first.module);
  const adze::nn::Linear& second = *linear_in(*pair.second.module);
  if (first.weight.slot()->original().numel() == 0 || second.out_features() == 0) return;
  const Tensor range1 = ranges(first.weight, 0), range2 = ranges(second.weight, 1);
  const Tensor wanted = sqrt(range1 / (range2 + 1e-9));
  const Tensor usable = logical_and(logical_and(gt(range1, 0), gt(range2, 0)),
                                    logical_and(gt(wanted, 0), isfinite(wanted)));
  const Tensor s = where(usable, wanted, 1.0f), inverse = reciprocal(s);
  scale(first.weight, inverse.unsqueeze(1));
  if (first.bias.defined()) scale(first.bias, inverse);
  scale(second.weight, s);
}

// In a graph, observers are steps behind a layer.
void check_uncalibrated(Module& root, const Layer& layer) {
  adze::nn::for_each_module(root, [&](const std::string&, Module& m) {
    auto* graph = dynamic_cast<adze::fx::GraphModule*>(&m);
    if (!graph) return;
    for (const adze::fx::Node& n : graph->graph().nodes()) {
      const auto observer = graph_mode::observer_at(*graph, n);
      if (!observer || !observer->has_data() || !n.arg(0).is_node()) continue;
      const adze::fx::Node& observed = *n.arg(0).node();
      check(!observed.is_module_call() || graph->submodule(observed).ptr().get() != layer.module,
            "equalize: ", layer.name,
            " is calibrated already, with the range it has before; equalize first, then calibrate");
    }
  });
}

// A weight that is used at another place too would change there what it computes.
void check_used_once(Module& root, const Layer& layer) {
  const adze::nn::Linear& linear = *linear_in(*layer.module);
  int places = 0;
  const auto count = [&](Module& m) {
    for (const Parameter* p : m.list().parameters)
      places += p->defined() && p->slot()->original().id() == linear.weight.slot()->original().id();
    return true;
  };
  count(root);
  adze::nn::for_each_child(root,
                           [&](const std::string&, adze::nn::Submodule& at) { return count(*at); });
  check(places == 1, "equalize: the weight of ", layer.name, " is used at ", places,
        " places of the network");
}

}  // namespace

void cross_layer_equalization(Module& module1, Module& module2) {
  const NoGrad guard;
  const Pair pair{{"module1", &module1}, {"module2", &module2}};
  check_pair(pair, "cross_layer_equalization");
  equalize_pair(pair);
}

adze::nn::ModulePtr equalize(const adze::nn::ModulePtr& model,
                             const std::vector<std::pair<std::string, std::string>>& pairs,
                             EqualizeOptions options) {
  check(options.threshold > 0, "equalize: threshold must be > 0, got ", options.threshold);
  const NoGrad guard;
  const adze::nn::ModulePtr root = working_copy(model, options.inplace, "equalize").ptr();
  const auto layer = [&](const std::string& name) {
    Module* module = adze::nn::find_module(*root, name);
    check(module != nullptr, "equalize: there is no module '", name, "'");
    return Layer{"'" + name + "'", module};
  };
  std::vector<Pair> found;
  std::vector<const Parameter*> weights;
  for (const auto& [name1, name2] : pairs) {
    found.push_back({layer(name1), layer(name2)});
    check_pair(found.back(), "equalize");
    check_uncalibrated(*root, found.back().first);
    for (const Layer& l : {found.back().first, found.back().second}) {
      check_used_once(*root, l);
      const Parameter* weight = &linear_in(*l.module)->weight;
      if (std::find(weights.begin(), weights.end(), weight) == weights.end())
        weights.push_back(weight);
    }
  }

  for (int round = 0; round < max_rounds; ++round) {
    std::vector<std::pair<const Parameter*, Tensor>> before;
    for (const Parameter* p : weights) before.emplace_back(p, effective(*p).clone());
    for (const Pair& pair : found) equalize_pair(pair);
    double change = 0;
    for (const auto& [p, value] : before) change += norm(effective(*p) - value).item();
    if (change < options.threshold) return root;
  }
  warn("equalize: the weights still move after ", max_rounds,
       " rounds; a larger threshold ends earlier");
  return root;
}

}  // namespace adze::ao::quantization
