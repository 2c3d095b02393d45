#include "adze/ao/quantization/attach.h"

#include <utility>

#include "adze/ao/quantization/fake_quantize.h"

#include "quantization/zeros.h"

namespace adze::ao::quantization {
namespace {

constexpr const char* child_name = "activation_post_process";

template <class F>
void each_weight(adze::nn::Module& module, F&& f) {
  for (adze::nn::Parameter* p : module.slot_holder().list().parameters)
    if (p->defined() && !p->is_buffer()) f(*p);
}

// Stateless: it finds its observer through the module, so that a deepcopy needs no repair.
void observe_output(adze::nn::Module& module, const std::vector<Value>&, Value& output) {
  ObserverOrFakeQuant& observer = *activation_post_process(module);
  output = observer(output.to_tensor());
  if (dynamic_cast<FakeQuantizeBase*>(&observer)) return;
  each_weight(module, [&](const adze::nn::Parameter& p) {
    auto& noted = observer.weight_zeros[p.name()];
    const std::uint64_t version = p.slot()->version();
    if (noted.fingerprint == 0 || noted.version != version)
      noted = {version, zeros_fingerprint(p.value())};
  });
}

}  // namespace

// FNV-1a over the positions of zeros.
std::uint64_t zeros_fingerprint(const Tensor& t) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const Tensor values = t.detach().contiguous();
  if (values.dtype() != float32) return hash;
  std::uint64_t position = 0;
  for (float v : values.span<float>()) {
    ++position;
    if (v == 0.0f) hash = (hash ^ position) * 0x100000001b3u;
  }
  return hash;
}

ObserverOrFakeQuant* activation_post_process(adze::nn::Module& module) {
  adze::nn::Submodule* child = module.find_child(child_name);
  return child ? dynamic_cast<ObserverOrFakeQuant*>(child->ptr().get()) : nullptr;
}

void attach_observer(adze::nn::Module& module, std::shared_ptr<ObserverOrFakeQuant> observer) {
  detach_observer(module);
  observer->train(module.training());
  module.add_module(child_name, std::move(observer));
  module.set_internal_hook(observe_output);
}

void resume_observer(adze::nn::Module& module) {
  check(activation_post_process(module) != nullptr, "resume_observer: ", module.type(),
        " has no observer");
  module.set_internal_hook(observe_output);
}

void detach_observer(adze::nn::Module& module) {
  if (!activation_post_process(module)) return;
  module.remove_module(child_name);
  module.drop_internal_hooks();
}

bool zeros_changed_since_calibration(adze::nn::Module& module) {
  const ObserverOrFakeQuant* observer = activation_post_process(module);
  if (!observer) return false;
  bool changed = false;
  each_weight(module, [&](const adze::nn::Parameter& p) {
    const auto noted = observer->weight_zeros.find(p.name());
    // Versions say nothing here: those of a copy count from their own start.
    if (noted == observer->weight_zeros.end()) return;
    changed |= noted->second.fingerprint != zeros_fingerprint(p.value());
  });
  return changed;
}

}  // namespace adze::ao::quantization
