#include "adze/ao/quantization/equalize_fx.h"

#include <algorithm>
#include <cmath>

#include "adze/ao/ns/numeric_suite.h"
#include "adze/core/ops.h"

namespace adze::ao::quantization {
namespace {

using LayerSqnr = std::vector<std::pair<std::string, double>>;

template <class Key>
void set(std::vector<std::pair<Key, EqualizationMapping::Config>>& list, const Key& key,
         EqualizationMapping::Config q) {
  const auto same =
      std::find_if(list.begin(), list.end(), [&](const auto& entry) { return entry.first == key; });
  if (same == list.end()) {
    list.emplace_back(key, std::move(q));
  } else {
    same->second = std::move(q);
  }
}

// A layer that gives no numbers is the worst of all.
LayerSqnr worst_first(LayerSqnr all) {
  const auto rank = [](double v) { return std::isnan(v) ? -HUGE_VAL : v; };
  std::stable_sort(all.begin(), all.end(),
                   [&](const auto& a, const auto& b) { return rank(a.second) < rank(b.second); });
  return all;
}

}  // namespace

EqualizationMapping& EqualizationMapping::set_global(Config q) {
  global_ = std::move(q);
  return *this;
}
EqualizationMapping& EqualizationMapping::set_object_type(const ObjectType& type, Config q) {
  set(types_, type, std::move(q));
  return *this;
}
EqualizationMapping& EqualizationMapping::set_module_name(const std::string& name, Config q) {
  set(names_, name, std::move(q));
  return *this;
}

InputEqualizationObserver::InputEqualizationObserver(adze::nn::ModulePtr observer)
    : input_obs("input_obs", std::move(observer)) {
  const auto* per_channel = dynamic_cast<const PerChannelMinMaxObserver*>(input_obs.ptr().get());
  check(per_channel && per_channel->ch_axis() == 1,
        "InputEqualizationObserver: needs a PerChannelMinMaxObserver along axis 1, got a ",
        input_obs->type());
}

Tensor InputEqualizationObserver::forward(const Tensor& x) {
  const NoGrad guard;
  if (x.dim() > 0) input_obs(x.detach().reshape({-1, x.size(-1)}));
  return x;
}

bool InputEqualizationObserver::has_data() const {
  return input_obs.as<PerChannelMinMaxObserver>().has_data();
}

std::pair<Tensor, Tensor> InputEqualizationObserver::ranges() const {
  const auto& observer = input_obs.as<PerChannelMinMaxObserver>();
  return {observer.min_val.value(), observer.max_val.value()};
}

LayerSqnr get_layer_sqnr_dict(adze::nn::Module& float_model, adze::nn::Module& quantized,
                              const Tensor& x) {
  LayerSqnr all;
  for (const ns::ComparisonRow& row : ns::compare_model_stub(float_model, quantized, {x}).rows)
    all.emplace_back(row.name, row.sqnr);
  return worst_first(std::move(all));
}

EqualizationMapping get_equalization_qconfig_dict(const LayerSqnr& layer_sqnr,
                                                  std::size_t num_layers) {
  const LayerSqnr sorted = worst_first(layer_sqnr);
  EqualizationMapping mapping;
  for (std::size_t i = 0; i < std::min(num_layers, sorted.size()); ++i)
    mapping.set_module_name(sorted[i].first, default_equalization_qconfig);
  return mapping;
}

}  // namespace adze::ao::quantization
