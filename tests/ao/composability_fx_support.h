#pragma once

#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/quantized/reference/linear.h"
#include "adze/ao/quantization/quantize_fx.h"

#include "ao/composability_support.h"
#include "support/fx_golden.h"

// What composability tests in graph mode share.
namespace adze::test {

namespace nnqr = ao::nn::quantized::reference;

/// The qconfig for the QuantStub "4" and the layer "5".
inline tq::QConfigMapping names_4_and_5(const tq::QConfig& qconfig) {
  return tq::QConfigMapping().set_module_name("4", qconfig).set_module_name("5", qconfig);
}

/// Whether the value of the module at that path goes through an observer at once.
inline bool is_observed(fx::GraphModule& module, const std::string& path) {
  for (const fx::Node* call : module.graph().find_nodes(fx::Opcode::call_module, path))
    for (const fx::Node* user : call->users())
      if (user->is_module_call() && user->name().starts_with("activation_post_process"))
        return true;
  return false;
}

/// The lines of one part, sorted unless they are nodes.
inline Lines lines_of(const tq::GraphModulePtr& module, const std::string& part) {
  Lines lines = parts_of(module)[part];
  if (part != "nodes") std::sort(lines.begin(), lines.end());
  return lines;
}

inline nn::Module& at(const tq::GraphModulePtr& module, const std::string& path) {
  nn::Module* m = nn::find_module(*module, path);
  check(m != nullptr, "no module at ", path);
  return *m;
}

}  // namespace adze::test
