#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adze/core/value.h"

namespace adze::nn {

// A tensor that another module, or the same under another name, has too.
struct TiedTensor {
  std::string name;
  std::size_t module = 0;  // that stands before, or the same
  std::string other;
  bool slot = true;  // the whole slot is shared, not only the stored tensor
};

struct ModuleDescription {
  std::string type;
  std::map<std::string, Value> config;
  bool training = true;
  std::vector<std::string> tensors;  // parameters and persistent buffers
  std::vector<std::string> frozen;   // parameters that want no gradient
  std::vector<TiedTensor> tied;
  std::vector<std::pair<std::string, std::size_t>> children, added;  // by name and index
  std::optional<std::size_t> qconfig;
};

// What a model file says about its network. Children stand before their parents, so that no
// description has a cycle; the root is the last.
struct ModelDescription {
  std::vector<Value> qconfigs;  // each once
  std::vector<ModuleDescription> modules;
};

// Bounds for networks in files: walks over modules are recursive, and some visit each position.
inline constexpr std::size_t max_nesting = 256, max_positions = std::size_t{1} << 18;

std::string description_to_text(const ModelDescription& description, const std::string& where);
// Every index, the depth and the number of positions are checked.
ModelDescription description_from_text(const std::string& text, const std::string& where);
// Throws when modules stand deeper, or at more positions, than a file may describe.
void check_extent(const ModelDescription& description, const std::string& where);
// The path of each module: the first position in the order in which networks are walked.
std::vector<std::string> module_paths(const ModelDescription& description,
                                      const std::string& where);

}  // namespace adze::nn
