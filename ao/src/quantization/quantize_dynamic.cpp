#include <algorithm>
#include <any>
#include <utility>

#include "adze/ao/quantization/quantize.h"
#include "adze/nn/swap.h"

#include "quantization/positions.h"

namespace adze::ao::quantization {
namespace {

QConfig default_for(DType dtype) {
  if (dtype == qint8) return default_dynamic_qconfig;
  check(dtype == float16, "quantize_dynamic: don't know how to quantize with default settings for ",
        dtype, "; provide a full qconfig");
  return float16_dynamic_qconfig;
}

// A name of the spec: everything at or below that path.
struct NamedRule {
  std::string name;
  QConfig qconfig;
  bool matched = false;

  bool covers(const std::string& path) const {
    return path == name || name.empty() ||
           (path.size() > name.size() && path.starts_with(name) && path[name.size()] == '.');
  }
};

// Gives a module its own qconfig back at the end of a scope.
class Restore {
 public:
  Restore(adze::nn::Module& module, std::any qconfig)
      : module_(module), qconfig_(std::move(qconfig)) {}
  ~Restore() { module_.qconfig = std::move(qconfig_); }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  adze::nn::Module& module_;
  std::any qconfig_;
};

}  // namespace

adze::nn::ModulePtr quantize_dynamic(const adze::nn::ModulePtr& model, DynamicOptions options) {
  adze::nn::Submodule root = working_copy(model, options.inplace, "quantize_dynamic");
  const BackendConfig& backend =
      options.backend_config ? *options.backend_config : get_native_backend_config();

  std::vector<NamedRule> names;
  std::vector<std::pair<ObjectType, QConfig>> types;
  if (!options.qconfig_spec) {
    const QConfig qconfig = default_for(options.dtype);
    for (const BackendPatternConfig& row : backend.configs())
      if (row.dynamic_quantized_module) types.emplace_back(row.pattern[0], qconfig);
  } else {
    const DynamicSpec& spec = *options.qconfig_spec;
    for (const ModuleType& type : spec.types) types.emplace_back(type, default_for(options.dtype));
    for (const auto& item : spec.type_qconfigs) types.push_back(item);
    for (const std::string& name : spec.names) names.push_back({name, default_for(options.dtype)});
    for (const auto& [name, qconfig] : spec.name_qconfigs) names.push_back({name, qconfig});
  }
  for (const auto& [type, qconfig] : types) {
    const BackendPatternConfig* row = backend.find(std::span(&type, 1));
    check(row && row->dynamic_quantized_module, "quantize_dynamic: ", type.name(),
          " has no dynamic form");
  }

  // A name goes before a type, the longest name before others.
  const auto qconfig_for = [&](const std::string& path,
                               const adze::nn::Module& m) -> std::optional<QConfig> {
    NamedRule* best = nullptr;
    for (NamedRule& rule : names)
      if (rule.covers(path) && (!best || rule.name.size() > best->name.size())) best = &rule;
    if (best) {
      best->matched = true;
      return best->qconfig;
    }
    for (const auto& [type, qconfig] : types)
      if (type == ObjectType::of(m)) return qconfig;
    return std::nullopt;
  };

  Replacements replacements;
  std::vector<adze::nn::ModulePtr> converted;
  std::vector<ObjectType> met;
  std::string unknown;
  for_each_position(root, [&](const std::string& path, adze::nn::Submodule& at) {
    const BackendPatternConfig* row = backend.find(*at);
    met.push_back(ObjectType::of(*at));
    if (!row || !row->dynamic_quantized_module) {
      if (!row && !options.qconfig_spec && is_layer_with_weights(*at))
        unknown += "\n  '" + shown(path) + "' (" + at->type() +
                   ") has weights but no dynamic form; it stays float";
      return true;
    }
    const auto qconfig = qconfig_for(path, *at);
    if (!qconfig) return true;
    replacements.add(path, at, [&](adze::nn::Module& m) {
      const Restore restore(m, std::exchange(m.qconfig, *qconfig));
      converted.push_back(row->dynamic_quantized_module(m));
      return converted.back();
    });
    return false;
  });
  for (const NamedRule& rule : names)
    check(rule.matched, "quantize_dynamic: the name '", rule.name,
          "' matches no module with a dynamic form");
  if (options.qconfig_spec)
    for (const auto& [type, qconfig] : types)
      check(std::find(met.begin(), met.end(), type) != met.end(),
            "quantize_dynamic: the network has no ", type.name());
  if (!unknown.empty()) warn("quantize_dynamic:", unknown);
  replacements.apply(adze::nn::Slots::baked);
  for (const auto& m : converted) m->qconfig.reset();
  adze::nn::for_each_parameter(
      *root, [](const std::string&, adze::nn::Parameter& p) { p.slot()->bake_all(); });
  root->eval();
  return root.ptr();
}

}  // namespace adze::ao::quantization
