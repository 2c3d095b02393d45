#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adze/nn/module.h"

namespace adze::nn {

/// "a.b", or the part that is not empty.
std::string join_path(std::string_view prefix, std::string_view name);

/// Calls `f(path, module)` for the root (path "") and everything below it, parents first, in the
/// order of `fields()`. A module met twice is visited at its first position only. Every query over
/// a network is built on this walk.
void for_each_module(Module& root, const std::function<void(const std::string&, Module&)>& f);
/// Calls `f(path, handle)` for each position of each child below the root, parents first; goes down
/// where `f` returns true. A module that stands at two positions is met at both.
void for_each_child(Module& root,
                    const std::function<bool(const std::string& path, Submodule&)>& f);
/// Calls `f(path of the module, handle)` for each parameter and buffer that is defined.
void for_each_parameter(Module& root, const std::function<void(const std::string&, Parameter&)>& f);

std::vector<std::pair<std::string, Module*>> named_modules(Module& root);
std::vector<std::pair<std::string, ModulePtr>> named_children(Module& module);
/// Names and stored tensors of what is trained; a parametrized tensor has the field's name,
/// "fc.parametrizations.weight.original". Tied ones are listed once.
std::vector<std::pair<std::string, Tensor>> named_parameters(Module& root);
/// Names and tensors of buffers and of what parametrizations store ("...weight.0.mask").
std::vector<std::pair<std::string, Tensor>> named_buffers(Module& root);
/// Slots of what is trained, each once: what an optimiser takes.
std::vector<SlotPtr> parameters(Module& root);
void zero_grad(Module& root);

/// The module at that path, or nullptr; "" is the root. The exact path comes first; then "0" right
/// below a fused piece that has no such child is taken as the piece itself, so that the name a
/// layer had inside a fused pair still finds it.
Module* find_module(Module& root, std::string_view path);
/// The handle that holds the module at that exact path, or nullptr.
Submodule* find_submodule(Module& root, std::string_view path);
/// The parameter or buffer with that fully qualified name, or nullptr: exact first, then the names
/// that fusing gives ("5.weight" of a fused pair is "5.0.weight", and the other way round).
Parameter* find_parameter(Module& root, std::string_view fqn);
/// Path of `module` below `root`, "" for the root; nothing when it is not there.
std::optional<std::string> fqn_of(Module& root, const Module& module);
/// First fully qualified name under which the slot is found, "" when it is not there.
std::string fqn_of(Module& root, const Slot& slot);

}  // namespace adze::nn
