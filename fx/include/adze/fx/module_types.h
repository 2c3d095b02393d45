#pragma once

#include "adze/nn/model_file.h"

namespace adze::fx {

/// The classes of nn, and graph modules with what is in them: `nn::load_model(path,
/// module_types())` gives a network back with its graph.
///
/// Ops are found by name among those of the library. Hooks of users are not in the file: where they
/// stood in the graph, values are passed on.
const nn::ModuleTypes& module_types();
/// Adds graph modules to other types; `find` finds the ops of their graphs.
void add_module_types(nn::ModuleTypes& types,
                      std::function<const OpBase*(std::string_view)> find = find_op);

}  // namespace adze::fx
