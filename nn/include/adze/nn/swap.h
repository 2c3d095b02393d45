#pragma once

#include "adze/nn/module.h"

namespace adze::nn {

/// What happens to the slots of a replaced module.
enum class Slots : std::uint8_t {
  inside,  // the new module contains the old ones (fusing into a container)
  move,    // parameters of the new module take over the slots of the same names: stored tensor,
           // masks, pins, identity
  baked,   // the new module was built from effective values
};

/// Replaces the module in `at` by `to`: the one way in which any module is ever replaced.
///
/// `first` .. `last` are the modules that `to` stands for, in the order in which data passes them
/// (often the same one). Pre-hooks of the first and hooks of the last move to the new module, the
/// library's own hooks and observers' do not. Hooks that sit between modules that become one piece
/// end with a warning that names them. Mode and qconfig come from the first.
void swap(Submodule& at, Module& first, Module& last, ModulePtr to, Slots policy);

}  // namespace adze::nn
