#pragma once

#include "adze/ao/quantization/observer_base.h"
#include "adze/ao/quantization/qconfig.h"

namespace adze::ao::quantization {

/// The qconfig of a module that is about to change its form; throws, naming `where`, without one.
QConfig required_qconfig(const adze::nn::Module& module, const char* where);

/// The effective weight of `module` (masks applied; of a fused container: of the layer inside).
Tensor effective_weight(adze::nn::Module& module);
/// Its bias, or an undefined tensor.
Tensor effective_bias(adze::nn::Module& module);

/// An observer that has seen the current effective weight: a fresh one of the qconfig, or for qat
/// modules their fake-quantize, which looks again unless it was frozen or keeps a running range.
std::shared_ptr<ObserverOrFakeQuant> observed_weight(adze::nn::Module& module);

/// Lets an observer of weights see the current value: it forgets others first. A fake-quantize
/// looks again unless it was frozen or keeps a running range.
void observe_now(ObserverOrFakeQuant& observer, const Tensor& weight);

/// `weight` as integers with the qparams of `observer`, clamped to its quant_min and quant_max.
Tensor quantize_weight(const Tensor& weight, const ObserverOrFakeQuant& observer);

/// qparams of the module's output observer; scale 1, zero point 0 when it has seen no data.
struct OutputQParams {
  double scale = 1;
  std::int64_t zero_point = 0;
  DType dtype = quint8;
};
OutputQParams output_qparams(adze::nn::Module& module);

}  // namespace adze::ao::quantization
