#include "adze/ao/quantization/stubs.h"

#include <utility>

namespace adze::ao::quantization {

QuantStub::QuantStub(const std::optional<QConfig>& config) {
  if (config) qconfig = *config;
}

DeQuantStub::DeQuantStub(const std::optional<QConfig>& config) {
  if (config) qconfig = *config;
}

QuantWrapper::QuantWrapper(adze::nn::ModulePtr wrapped)
    : quant("quant", QuantStub()), dequant("dequant", DeQuantStub()), module("module", wrapped) {
  qconfig = wrapped->qconfig;
  train(wrapped->training());
}

}  // namespace adze::ao::quantization
