#include "quantization/positions.h"

#include <algorithm>

#include "adze/ao/quantization/attach.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/swap.h"

namespace adze::ao::quantization {

adze::nn::Submodule working_copy(const adze::nn::ModulePtr& model, bool inplace,
                                 const char* where) {
  check(model != nullptr, where, ": needs a network, got none");
  return adze::nn::Submodule("", inplace ? model : adze::nn::deepcopy(model));
}

void for_each_position(adze::nn::Submodule& root,
                       const std::function<bool(const std::string&, adze::nn::Submodule&)>& f) {
  if (!f("", root)) return;
  adze::nn::for_each_child(*root, [&](const std::string& path, adze::nn::Submodule& at) {
    return !dynamic_cast<ObserverOrFakeQuant*>(at.ptr().get()) && f(path, at);
  });
}

void Replacements::add(const std::string& path, adze::nn::Submodule& at,
                       const std::function<adze::nn::ModulePtr(adze::nn::Module&)>& make) {
  const auto same =
      std::find_if(items_.begin(), items_.end(), [&](const Item& i) { return i.from == at.ptr(); });
  if (same != items_.end()) {
    items_.push_back({&at, at.ptr(), same->to, /*first=*/false});
    return;
  }
  try {
    items_.push_back({&at, at.ptr(), make(*at), /*first=*/true});
  } catch (Error& e) {
    e.enter(shown(path));
    throw;
  }
}

void Replacements::apply(adze::nn::Slots slots) {
  for (Item& item : items_) {
    if (item.first) {
      detach_observer(*item.from);
      adze::nn::swap(*item.at, *item.from, *item.from, item.to, slots);
    } else {
      item.at->set(item.to);
    }
  }
}

bool is_layer_with_weights(adze::nn::Module& module) {
  const auto fields = module.list();
  return fields.modules.empty() &&
         std::any_of(fields.parameters.begin(), fields.parameters.end(),
                     [](const adze::nn::Parameter* p) { return p->defined() && !p->is_buffer(); });
}

std::string shown(const std::string& path) {
  return path.empty() ? "(root)" : path;
}

}  // namespace adze::ao::quantization
