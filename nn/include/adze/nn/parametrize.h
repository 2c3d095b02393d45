#pragma once

#include <string_view>

#include "adze/nn/module.h"

namespace adze::nn {

/// True when the module has a parametrized tensor, or when that one is.
bool is_parametrized(Module& module);
bool is_parametrized(Module& module, std::string_view tensor_name);
/// Puts a parametrization at the end of the chain of one of the module's own tensors. Throws when
/// there is no such tensor, or when the parametrization changes shape or dtype.
void register_parametrization(Module& module, std::string_view tensor_name,
                              ParametrizationPtr parametrization);
/// Removes the whole chain: the effective value becomes the stored one, or (`leave_parametrized`
/// false) the stored one shows again. Throws when the tensor is not parametrized.
void remove_parametrizations(Module& module, std::string_view tensor_name,
                             bool leave_parametrized = true);

}  // namespace adze::nn
