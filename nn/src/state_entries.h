#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adze/core/serialization.h"
#include "adze/nn/module.h"
#include "adze/nn/state_dict.h"

namespace adze::nn {

// Keys of the metadata.
inline constexpr const char* chain_prefix = "adze.parametrizations.";  // and the name of the tensor
inline constexpr const char* tied_key = "adze.tied";    // names that stand for another tensor
inline constexpr const char* model_key = "adze.model";  // see model_description.h

// One link of a chain of parametrizations, as the metadata has it.
struct ChainLink {
  std::string type, owner, state;
};
// Nothing when the text is broken.
std::optional<std::vector<ChainLink>> chain_from_text(const std::string& text);

enum class Part { stored, link, pinned };

// One tensor of a network that is saved, and where it lives.
struct Entry {
  std::string key;
  Tensor tensor;  // undefined: a place that may be filled (zeros that are not pinned yet)
  Slot* slot = nullptr;
  Part part = Part::stored;
  bool resizable = false;
};

// Every tensor of the network that belongs into a state_dict; calls `each_slot` once per name of a
// slot.
std::vector<Entry> entries(Module& root,
                           const std::function<void(const std::string& fqn, Slot&)>& each_slot);
// The same tensors, and the texts beside them.
struct LiveState {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};
LiveState live_state(Module& root);

// Adds the user's metadata; throws in the name of `where` when a key is reserved.
void add_metadata(std::map<std::string, std::string>& to,
                  const std::map<std::string, std::string>& from, const char* where);
// The content of a file as a state: names that stand for another tensor are filled in.
StateDict state_from(SafeTensors file, const std::string& where);

}  // namespace adze::nn
