#pragma once

#include <map>
#include <string>

#include "adze/nn/model_file.h"

namespace adze::ao {

/// All classes of the library that files may contain: those of nn, stubs, observers,
/// fake-quantizes, fused, qat, quantized, dynamic and reference layers, and masks of pruning; with
/// qconfigs made of the library's own observers.
const adze::nn::ModuleTypes& module_types();

/// Writes a network at any stage, float, pruned, prepared or int8, with its description; see
/// nn::save_model.
void save_model(adze::nn::Module& root, const std::string& path,
                const std::map<std::string, std::string>& metadata = {});
/// The network in a file, and its metadata; see nn::load_model. A prepared one goes on being
/// calibrated, trained or converted.
adze::nn::ModulePtr load_model(const std::string& path,
                               std::map<std::string, std::string>* metadata = nullptr);

}  // namespace adze::ao
