#pragma once

#include <unordered_map>

#include "adze/nn/module.h"

namespace adze::nn {

/// What one deepcopy has copied so far, by the address of the source: sharing inside the source is
/// sharing inside the copy.
struct Memo {
  std::unordered_map<const void*, ModulePtr> modules;
  std::unordered_map<const void*, SlotPtr> slots;
  std::unordered_map<const void*, Tensor> tensors;
};

/// An independent copy: modules, slots with their parametrizations and pinned zeros, and hooks.
/// Tied tensors, tied slots and shared modules stay tied in the copy.
ModulePtr deepcopy(const ModulePtr& module);
/// The same as part of a larger copy.
ModulePtr deepcopy(Module& module, Memo& memo);

}  // namespace adze::nn
