#include "quantization/watch.h"

#include <set>

#include "adze/ao/nn/intrinsic/linear_relu.h"
#include "adze/ao/nn/intrinsic/qat/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/intrinsic/quantized/linear_relu.h"
#include "adze/ao/quantization/observer_base.h"
#include "adze/core/ops.h"
#include "adze/nn/deepcopy.h"
#include "adze/nn/traversal.h"

namespace adze::ao::quantization {
namespace {

using adze::nn::Module;
using adze::nn::Submodule;

template <class M>
bool is(const Module& module) {
  return dynamic_cast<const M*>(&module) != nullptr;
}

}  // namespace

std::vector<std::pair<std::string, Module*>> counterparts(Module& root) {
  std::vector<std::pair<std::string, Module*>> found;
  std::set<const Module*> seen;
  const auto visit = [&](const std::string& path, Module& module) {
    if (is<ObserverOrFakeQuant>(module) || !seen.insert(&module).second) return false;
    found.emplace_back(path, &module);
    return &module.slot_holder() == &module;
  };
  if (visit("", root))
    adze::nn::for_each_child(
        root, [&](const std::string& path, Submodule& at) { return visit(path, *at); });
  return found;
}

bool ends_in_relu(Module& module) {
  namespace nni = ao::nn::intrinsic;
  return is<nni::LinearReLU>(module) || is<nni::qat::LinearReLU>(module) ||
         is<nni::quantized::LinearReLU>(module) || is<nni::quantized::dynamic::LinearReLU>(module);
}

Tensor comparable(const Tensor& output, bool relu) {
  const Tensor value = output.is_quantized() ? dequantize(output) : output.detach();
  return relu ? adze::relu(value) : value;
}

Undisturbed::Undisturbed(Module& root) {
  adze::nn::Memo memo;
  std::vector<adze::nn::ModulePtr> copies;
  adze::nn::for_each_child(root, [&](const std::string&, Submodule& at) {
    if (!is<ObserverOrFakeQuant>(*at)) return true;
    copies.push_back(adze::nn::deepcopy(*at, memo));
    observers_.emplace_back(&at, at.ptr());
    return false;
  });
  adze::nn::for_each_module(
      root, [&](const std::string&, Module& m) { modes_.emplace_back(&m, m.training()); });
  try {
    for (std::size_t i = 0; i < copies.size(); ++i) observers_[i].first->set(copies[i]);
    root.eval();
  } catch (...) {
    restore();
    throw;
  }
}

void Undisturbed::restore() {
  for (auto at = observers_.rbegin(); at != observers_.rend(); ++at) at->first->set(at->second);
  // train() reaches everything below, also modules that are shared with another parent: each round
  // puts one more level right.
  for (std::size_t rounds = modes_.size(); rounds > 0; --rounds) {
    bool right = true;
    for (const auto& [module, mode] : modes_) {
      if (module->training() == mode) continue;
      module->train(mode);
      right = false;
    }
    if (right) return;
  }
}

TemporaryHooks::~TemporaryHooks() {
  for (const adze::nn::HookHandle& handle : handles_) handle.remove();
}

void TemporaryHooks::add(Module& module, adze::nn::ForwardHook hook) {
  handles_.push_back(module.register_forward_hook(std::move(hook)));
}

}  // namespace adze::ao::quantization
