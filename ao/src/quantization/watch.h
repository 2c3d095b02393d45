#pragma once

#include <string>
#include <utility>
#include <vector>

#include "adze/core/autograd.h"
#include "adze/nn/module.h"

// Looking at a network while it runs, without leaving a trace.
namespace adze::ao::quantization {

/// Path and module of everything in a network that has a counterpart in other forms of the same
/// network: all but observers, fake-quantizes and the insides of fused pairs. Parents first; a
/// module that stands at several positions comes once.
std::vector<std::pair<std::string, adze::nn::Module*>> counterparts(adze::nn::Module& root);

/// True for the float, qat, quantized and dynamic forms of a layer fused with the ReLU behind it.
bool ends_in_relu(adze::nn::Module& module);

/// The float value of `output`, or of its ReLU: what compares a fused with an unfused layer.
Tensor comparable(const Tensor& output, bool relu);

/// For the length of a scope a network is in eval mode, records no gradients, and copies stand in
/// for its observers and fake-quantizes. Afterwards modes and observers are what they were.
class Undisturbed {
 public:
  explicit Undisturbed(adze::nn::Module& root);
  ~Undisturbed() { restore(); }
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;

 private:
  void restore();

  NoGrad no_grad_;
  std::vector<std::pair<adze::nn::Module*, bool>> modes_;
  std::vector<std::pair<adze::nn::Submodule*, adze::nn::ModulePtr>> observers_;
};

/// Forward hooks that end with the scope.
class TemporaryHooks {
 public:
  TemporaryHooks() = default;
  ~TemporaryHooks();
  TemporaryHooks(const TemporaryHooks&) = delete;
  TemporaryHooks& operator=(const TemporaryHooks&) = delete;
  void add(adze::nn::Module& module, adze::nn::ForwardHook hook);

 private:
  std::vector<adze::nn::HookHandle> handles_;
};

}  // namespace adze::ao::quantization
