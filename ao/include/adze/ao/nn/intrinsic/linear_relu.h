#pragma once

#include "adze/nn/container.h"

namespace adze::ao::nn::intrinsic {

/// A linear layer and the ReLU behind it, fused: one unit for observers and conversion. Children
/// "0" (Linear) and "1" (ReLU) are the modules that were fused, not copies.
class LinearReLU : public adze::nn::ModuleOf<LinearReLU, adze::nn::Sequential> {
 public:
  /// Throws unless the modules are a linear layer (float, reference or qat) and a ReLU.
  LinearReLU(adze::nn::ModulePtr linear, adze::nn::ModulePtr relu);
  adze::nn::Module& slot_holder() override { return at(0).slot_holder(); }
};

}  // namespace adze::ao::nn::intrinsic
