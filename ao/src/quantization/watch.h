#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "adze/core/autograd.h"
#include "adze/fx/graph_module.h"
#include "adze/nn/module.h"

// Looking at a network while it runs, without leaving a trace.
namespace adze::ao::quantization {

/// Path and module of everything in a network that has a counterpart in other forms of the same
/// network: all but observers, fake-quantizes, the insides of fused pairs, and what graphs have in
/// place of modules (scopes, hook points). Parents first; a module that stands at several positions
/// comes once.
std::vector<std::pair<std::string, adze::nn::Module*>> counterparts(adze::nn::Module& root);

/// Class name with namespaces, without those that all modules of the library share:
/// "nn::quantized::Linear".
std::string shown_type(const adze::nn::Module& module);

/// The weight that a layer computes with, in float: effective, on its grid when it has one (int8,
/// reference, qat). Undefined for modules without weight.
Tensor computed_weight(adze::nn::Module& module);

/// True for what computes itself: a module without children (observers aside), or a fused pair.
bool is_layer(adze::nn::Module& module);

/// True for the float, qat, quantized and dynamic forms of a layer fused with the ReLU behind it.
bool ends_in_relu(adze::nn::Module& module);

/// The float value of `output`, or of its ReLU: what compares a fused with an unfused layer.
Tensor comparable(const Tensor& output, bool relu);

/// For the length of a scope a network is in eval mode, records no gradients, and copies stand in
/// for its observers and fake-quantizes. Afterwards modes, observers and the notes of graph modules
/// are what they were.
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
  std::vector<std::pair<adze::fx::GraphModule*, std::map<std::string, Value>>> notes_;
};

/// Forward hooks that end with the scope, on modules and on steps of graphs.
class TemporaryHooks {
 public:
  TemporaryHooks() = default;
  ~TemporaryHooks();
  TemporaryHooks(const TemporaryHooks&) = delete;
  TemporaryHooks& operator=(const TemporaryHooks&) = delete;
  void add(adze::nn::Module& module, adze::nn::ForwardHook hook);
  /// The hook sees arguments and result of a node; what it makes of the result is dropped.
  void add(adze::fx::GraphModule& graph, adze::fx::Node& node, adze::nn::ForwardHook hook);

 private:
  struct Probe {
    adze::fx::GraphModule* graph;
    adze::fx::Node* node;
  };
  std::vector<adze::nn::HookHandle> handles_;
  std::vector<Probe> probes_;
};

}  // namespace adze::ao::quantization
