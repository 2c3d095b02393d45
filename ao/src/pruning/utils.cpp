#include "adze/ao/pruning/utils.h"

#include "adze/core/ops.h"
#include "adze/nn/traversal.h"

#include "fqn.h"

namespace adze::ao::pruning {

std::optional<std::string> module_to_fqn(adze::nn::Module& model, const adze::nn::Module& module,
                                         std::string_view prefix) {
  auto path = adze::nn::fqn_of(model, module);
  if (path && !path->empty()) path->insert(0, prefix);
  return path;
}

adze::nn::Module* fqn_to_module(adze::nn::Module& model, std::string_view path) {
  return adze::nn::find_module(model, path);
}

ArgInfo get_arg_info_from_tensor_fqn(adze::nn::Module& model, std::string_view tensor_fqn) {
  const auto [module_fqn, tensor_name] = split_fqn(tensor_fqn);
  return {std::string(module_fqn), fqn_to_module(model, module_fqn), std::string(tensor_name),
          std::string(tensor_fqn)};
}

double sparsity(const Tensor& tensor) {
  const std::int64_t n = tensor.numel();
  if (n == 0) return 0;
  return static_cast<double>(n - count_nonzero(tensor)) / static_cast<double>(n);
}

}  // namespace adze::ao::pruning
