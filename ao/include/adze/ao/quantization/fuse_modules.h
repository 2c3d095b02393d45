#pragma once

#include <string>
#include <vector>

#include "adze/ao/quantization/backend_config.h"

namespace adze::ao::quantization {

struct FuseOptions {
  bool inplace = false;
  const BackendConfig* backend_config = nullptr;  // null: native
};

/// The network with each listed sequence of modules (dotted names, in data-flow order) fused into
/// one: the fused module stands in the first place, Identity in the others. Works on a copy unless
/// `inplace`. Masks and everything else in the slots stay; an observer that has seen no data moves
/// to the fused module. Pre-hooks of the first and hooks of the last module move to the fused one.
///
/// Throws, and changes nothing, when a name is unknown or listed twice, when no rule fits the
/// modules, and when one of them is calibrated already (its range would be that before the ReLU).
adze::nn::ModulePtr fuse_modules(const adze::nn::ModulePtr& model,
                                 const std::vector<std::vector<std::string>>& modules_to_fuse,
                                 FuseOptions options = {});
/// Fusing before quantization-aware training: throws unless the network is in training mode.
adze::nn::ModulePtr fuse_modules_qat(const adze::nn::ModulePtr& model,
                                     const std::vector<std::vector<std::string>>& modules_to_fuse,
                                     FuseOptions options = {});

}  // namespace adze::ao::quantization
