#pragma once

#include <string>
#include <vector>

#include "adze/ao/quantization/quantize_fx.h"
#include "adze/nn/linear.h"

// What golden/fx_networks.py defines, under the same names.
namespace adze::test {

/// Its forward branches on a tensor, so nothing can trace it.
class Gate : public nn::ModuleOf<Gate> {
 public:
  nn::Submodule inner{"inner", nn::Linear(6, 6)};
  Tensor forward(const Tensor& x);

 protected:
  void fields(nn::FieldList& f) override { f(inner); }
};

/// relu(a(x)).
class Inner : public nn::ModuleOf<Inner> {
 public:
  nn::Submodule a{"a", nn::Linear(6, 6)};
  Tensor forward(const Tensor& x);

 protected:
  void fields(nn::FieldList& f) override { f(a); }
};

/// A fresh network in eval mode. Throws for a name that is not there.
nn::ModulePtr fx_network(const std::string& name);
std::vector<std::string> fx_network_names();

/// The mapping for prepare, and that for convert where there is one. `"qat"` and its kin are for
/// prepare_qat_fx.
struct NamedMapping {
  ao::quantization::QConfigMapping prepare;
  std::optional<ao::quantization::QConfigMapping> convert;
};
NamedMapping fx_mapping(const std::string& name);
ao::quantization::PrepareCustomConfig fx_custom(const std::string& name);

}  // namespace adze::test
