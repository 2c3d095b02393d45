#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "adze/nn/module.h"

namespace adze::ao::pruning {

/// Path of `module` below `model` with `prefix` in front; "" for the model itself, nothing when it
/// is not there. A module that stands at several positions has the first of them.
std::optional<std::string> module_to_fqn(adze::nn::Module& model, const adze::nn::Module& module,
                                         std::string_view prefix = {});
/// The module at that path, nullptr when there is none; "" is the model.
adze::nn::Module* fqn_to_module(adze::nn::Module& model, std::string_view path);

/// The parts of the name of a tensor.
struct ArgInfo {
  std::string module_fqn;
  adze::nn::Module* module = nullptr;  // nullptr when there is no such module
  std::string tensor_name;
  std::string tensor_fqn;
};
/// "a.b.weight" taken apart: module "a.b", tensor "weight". Never throws: the names are filled in
/// whether there is such a tensor or not.
ArgInfo get_arg_info_from_tensor_fqn(adze::nn::Module& model, std::string_view tensor_fqn);

/// Fraction of elements that are zero, in real units for a quantized tensor; 0 for no elements.
double sparsity(const Tensor& tensor);

}  // namespace adze::ao::pruning
