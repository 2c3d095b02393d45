#pragma once

#include <functional>
#include <string>
#include <vector>

#include "adze/nn/traversal.h"

namespace adze::ao::quantization {

/// A network under construction: the copy (or with `inplace` the network itself) in a handle, so
/// that the root can be replaced like every other module.
adze::nn::Submodule working_copy(const adze::nn::ModulePtr& model, bool inplace, const char* where);

/// Calls `f(path, handle)` for the root (path "") and each position below it, parents first; goes
/// down where `f` returns true. Observers are skipped.
void for_each_position(adze::nn::Submodule& root,
                       const std::function<bool(const std::string&, adze::nn::Submodule&)>& f);

/// Modules that are to be replaced, collected first and replaced together, so that an error on the
/// way leaves the network as it was.
class Replacements {
 public:
  /// Notes that `make` builds what replaces the module at `at`. A module that stands at several
  /// positions is built once.
  void add(const std::string& path, adze::nn::Submodule& at,
           const std::function<adze::nn::ModulePtr(adze::nn::Module&)>& make);
  /// Replaces all, through nn::swap. Observers of the old modules end.
  void apply(adze::nn::Slots slots);
  bool empty() const { return items_.empty(); }

 private:
  struct Item {
    adze::nn::Submodule* at;
    adze::nn::ModulePtr from, to;
    bool first;  // first position of this module
  };
  std::vector<Item> items_;
};

/// True for a module without children that has trained parameters.
bool is_layer_with_weights(adze::nn::Module& module);

/// `path` for messages: the root has no name of its own.
std::string shown(const std::string& path);

}  // namespace adze::ao::quantization
