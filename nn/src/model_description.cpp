#include "model_description.h"

#include <algorithm>
#include <cstdint>
#include <functional>

#include "adze/core/error.h"
#include "adze/nn/traversal.h"

#include "values_json.h"

namespace adze::nn {
namespace {

using adze::detail::concat;
using adze::detail::in_quotes;
using nlohmann::json;

constexpr int format_version = 1;

json children_to_json(const std::vector<std::pair<std::string, std::size_t>>& children) {
  json out = json::array();
  for (const auto& [name, index] : children) out.push_back({name, index});
  return out;
}

json to_json(const ModuleDescription& m, const std::string& where) {
  json out = {{"type", m.type}};
  if (!m.config.empty()) out["config"] = values_to_json(m.config, where + m.type);
  if (!m.training) out["training"] = false;
  if (!m.tensors.empty()) out["tensors"] = m.tensors;
  if (!m.frozen.empty()) out["frozen"] = m.frozen;
  for (const TiedTensor& t : m.tied) out["tied"].push_back({t.name, t.module, t.other, t.slot});
  if (!m.children.empty()) out["children"] = children_to_json(m.children);
  if (!m.added.empty()) out["added"] = children_to_json(m.added);
  if (m.qconfig) out["qconfig"] = *m.qconfig;
  return out;
}

// Reads one module of a description; `where` names it.
class ModuleReader {
 public:
  ModuleReader(const json& j, std::size_t index, std::size_t qconfigs, std::string where)
      : json_(j), index_(index), qconfigs_(qconfigs), where_(std::move(where)) {}

  ModuleDescription read() {
    check(json_.is_object(), where_, "must be an object, got ", in_quotes(json_.dump()));
    for (const auto& [key, value] : json_.items()) read_member(key, value);
    check(!out_.type.empty(), where_, "'type' is missing");
    return std::move(out_);
  }

 private:
  void read_member(const std::string& key, const json& value) {
    if (key == "type") {
      out_.type = text(key, value);
    } else if (key == "config") {
      out_.config = values_from_json(value, where_ + "'config'");
    } else if (key == "training") {
      out_.training = boolean(key, value);
    } else if (key == "tensors") {
      for (const json& v : list(key, value)) out_.tensors.push_back(text(key, v));
    } else if (key == "frozen") {
      for (const json& v : list(key, value)) out_.frozen.push_back(text(key, v));
    } else if (key == "tied") {
      for (const json& v : list(key, value)) read_tied(key, v);
    } else if (key == "children") {
      read_children(key, value, out_.children);
    } else if (key == "added") {
      read_children(key, value, out_.added);
    } else if (key == "qconfig") {
      out_.qconfig = below(key, value, qconfigs_);
    } else {
      fail(where_, "unknown key ", in_quotes(key));
    }
  }

  void read_tied(const std::string& key, const json& v) {
    check(v.is_array() && v.size() == 4, where_, "'", key, "' must hold lists of four");
    out_.tied.push_back({.name = text(key, v[0]),
                         .module = below(key, v[1], index_ + 1),
                         .other = text(key, v[2]),
                         .slot = boolean(key, v[3])});
  }

  void read_children(const std::string& key, const json& value,
                     std::vector<std::pair<std::string, std::size_t>>& out) {
    for (const json& v : list(key, value)) {
      check(v.is_array() && v.size() == 2, where_, "'", key, "' must hold pairs");
      out.emplace_back(text(key, v[0]), below(key, v[1], index_));
    }
  }

  const json& list(const std::string& key, const json& v) const {
    check(v.is_array(), where_, "'", key, "' must be a list");
    return v;
  }
  std::string text(const std::string& key, const json& v) const {
    check(v.is_string(), where_, "'", key, "' must hold strings, got ", in_quotes(v.dump()));
    return v.get<std::string>();
  }
  bool boolean(const std::string& key, const json& v) const {
    check(v.is_boolean(), where_, "'", key, "' must hold true or false, got ", in_quotes(v.dump()));
    return v.get<bool>();
  }
  // An index of something that stands before `end`.
  std::size_t below(const std::string& key, const json& v, std::size_t end) const {
    check(v.is_number_unsigned() && v.get<std::uint64_t>() < end, where_, "'", key,
          "' must refer to one of the ", end, " that stand before, got ", in_quotes(v.dump()));
    return v.get<std::size_t>();
  }

  const json& json_;
  std::size_t index_, qconfigs_;
  std::string where_;
  ModuleDescription out_;
};

}  // namespace

std::string description_to_text(const ModelDescription& description, const std::string& where) {
  json modules = json::array(), qconfigs = json::array();
  for (const ModuleDescription& m : description.modules) modules.push_back(to_json(m, where));
  for (const Value& q : description.qconfigs)
    qconfigs.push_back(value_to_json(q, where + "a qconfig"));
  json out = {{"version", format_version}, {"modules", std::move(modules)}};
  if (!qconfigs.empty()) out["qconfigs"] = std::move(qconfigs);
  return json_to_text(out, where + "the description");
}

ModelDescription description_from_text(const std::string& text, const std::string& where) {
  const json parsed = json_from_text(text, where + "the description");
  check(parsed.is_object() && parsed.contains("version") && parsed.contains("modules"), where,
        "the description must be an object with 'version' and 'modules'");
  check(parsed["version"] == format_version, where, "the description has version ",
        in_quotes(parsed["version"].dump()), ", this library reads ", format_version);
  ModelDescription out;
  if (const auto it = parsed.find("qconfigs"); it != parsed.end()) {
    check(it->is_array(), where, "'qconfigs' must be a list");
    for (const json& q : *it) out.qconfigs.push_back(value_from_json(q, where + "a qconfig"));
  }
  const json& modules = parsed["modules"];
  check(modules.is_array() && !modules.empty(), where, "'modules' must be a list of modules");
  check(modules.size() <= max_positions, where, modules.size(), " modules are too many, at most ",
        max_positions, " are allowed");
  for (std::size_t i = 0; i < modules.size(); ++i)
    out.modules.push_back(ModuleReader(modules[i], i, out.qconfigs.size(),
                                       concat(where, "module ", i, " of the description: "))
                              .read());
  check_extent(out, where);
  return out;
}

void check_extent(const ModelDescription& description, const std::string& where) {
  std::vector<std::size_t> depth, positions;
  for (const ModuleDescription& m : description.modules) {
    depth.push_back(1);
    positions.push_back(1);
    for (const auto* children : {&m.children, &m.added})
      for (const auto& [name, index] : *children) {
        depth.back() = std::max(depth.back(), depth[index] + 1);
        positions.back() = std::min(positions.back() + positions[index], max_positions + 1);
      }
    check(depth.back() <= max_nesting, where, "modules stand inside each other deeper than ",
          max_nesting);
    check(positions.back() <= max_positions, where, "modules stand at more than ", max_positions,
          " positions");
  }
}

std::vector<std::string> module_paths(const ModelDescription& description,
                                      const std::string& where) {
  std::vector<std::optional<std::string>> found(description.modules.size());
  const std::function<void(std::size_t, const std::string&)> visit = [&](std::size_t i,
                                                                         const std::string& path) {
    if (found[i]) return;
    found[i] = path;
    const ModuleDescription& m = description.modules[i];
    for (const auto* children : {&m.children, &m.added})
      for (const auto& [name, index] : *children) visit(index, join_path(path, name));
  };
  visit(description.modules.size() - 1, "");
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < found.size(); ++i) {
    check(found[i].has_value(), where, "module ", i, " of the description belongs to no other");
    paths.push_back(*found[i]);
  }
  return paths;
}

}  // namespace adze::nn
