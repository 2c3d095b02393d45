#pragma once

#include <vector>

namespace adze {

class OpBase;

// The ops that each file of this folder defines.
std::vector<const OpBase*> elementwise_ops();
std::vector<const OpBase*> reduction_ops();
std::vector<const OpBase*> linalg_ops();
std::vector<const OpBase*> functional_ops();
std::vector<const OpBase*> shape_ops();
std::vector<const OpBase*> quantize_ops();
std::vector<const OpBase*> quantized_ops();

}  // namespace adze
