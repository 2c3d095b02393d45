#pragma once

#include <optional>

#include "adze/ao/quantization/qconfig.h"
#include "adze/core/ops/quantize.h"
#include "adze/nn/module.h"

namespace adze::ao::quantization {

/// Marks where floats become quantized: passes its input on until `convert` replaces it.
class QuantStub : public adze::nn::ModuleOf<QuantStub> {
 public:
  explicit QuantStub(const std::optional<QConfig>& config = {});
  Tensor forward(const Tensor& x) { return x; }
};

/// Marks where quantized values become floats; `convert` replaces it when it has a qconfig. Floats
/// pass as they are, and what is quantized comes out as float even when it was never replaced.
class DeQuantStub : public adze::nn::ModuleOf<DeQuantStub> {
 public:
  explicit DeQuantStub(const std::optional<QConfig>& config = {});
  Tensor forward(const Tensor& x) { return dequantize(x); }
};

/// A module between a QuantStub and a DeQuantStub; takes over its qconfig.
class QuantWrapper : public adze::nn::ModuleOf<QuantWrapper> {
 public:
  explicit QuantWrapper(adze::nn::ModulePtr wrapped);
  adze::nn::Submodule quant, dequant, module;
  Tensor forward(const Tensor& x) { return dequant(module(quant(x))); }

 protected:
  void fields(adze::nn::FieldList& f) override { f(quant, dequant, module); }
};

}  // namespace adze::ao::quantization
