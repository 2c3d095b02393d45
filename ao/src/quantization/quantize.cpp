#include "adze/ao/quantization/quantize.h"

#include <algorithm>
#include <set>
#include <utility>

#include "adze/nn/swap.h"

#include "quantization/positions.h"

namespace adze::ao::quantization {
namespace {

using adze::nn::Module;
using adze::nn::ModulePtr;
using adze::nn::Submodule;

const BackendConfig& backend_of(const BackendConfig* given) {
  return given ? *given : get_native_backend_config();
}

void propagate(Module& module, const std::optional<QConfig>& inherited,
               std::set<const Module*>& seen) {
  if (!seen.insert(&module).second) return;
  const std::optional<QConfig> own = has_qconfig(module) ? get_qconfig(module) : inherited;
  if (own) module.qconfig = *own;
  for (Submodule* child : module.list().modules)
    if (!dynamic_cast<ObserverOrFakeQuant*>(child->ptr().get())) propagate(**child, own, seen);
}

// True when the row and the qconfig ask for an observer on the output.
bool is_observed(const BackendPatternConfig* row, const std::optional<QConfig>& qconfig) {
  return row && qconfig && row->has_output_observer && row->quantized_module &&
         !activation_is_dynamically_quantized(*qconfig);
}

bool is_dynamic(const BackendPatternConfig* row, const std::optional<QConfig>& qconfig) {
  return row && qconfig && row->dynamic_quantized_module &&
         activation_is_dynamically_quantized(*qconfig);
}

// A layer with weights of its own that no row knows: it cannot be quantized, and that is said.
void warn_if_unknown(const std::string& path, Module& module, const char* where) {
  if (is_layer_with_weights(module))
    warn(where, ": '", shown(path), "' (", module.type(),
         ") has a qconfig but no quantized form; it stays float");
}

void check_has_qconfig(Module& root, const char* where) {
  bool any = false;
  adze::nn::for_each_module(
      root, [&](const std::string&, Module& m) { any |= get_qconfig(m).has_value(); });
  if (!any)
    warn(where,
         ": none of the submodules got a qconfig; assign one to Module::qconfig of the network or "
         "of the modules that are to be quantized");
}

bool allowed(const PrepareOptions& options, const Module& module) {
  return options.allow_list.empty() ||
         std::find(options.allow_list.begin(), options.allow_list.end(), ModuleType::of(module)) !=
             options.allow_list.end();
}

// Attaches observers to the (propagated) network; nothing is changed when building one fails.
void add_observers(Submodule& root, const PrepareOptions& options, const char* where) {
  const BackendConfig& backend = backend_of(options.backend_config);
  std::vector<std::pair<Module*, std::shared_ptr<ObserverOrFakeQuant>>> fresh;
  std::set<const Module*> seen;
  for_each_position(root, [&](const std::string& path, Submodule& at) {
    const BackendPatternConfig* row = backend.find(*at);
    const std::optional<QConfig> qconfig = get_qconfig(*at);
    if (!qconfig) return true;
    if (!row) {
      warn_if_unknown(path, *at, where);
      return true;
    }
    if (is_dynamic(row, qconfig)) return false;
    if (!is_observed(row, qconfig)) return true;
    if (!seen.insert(at.ptr().get()).second || activation_post_process(*at)) return false;
    check(static_cast<bool>(qconfig->activation), where, ": the qconfig of '", shown(path),
          "' has no activation observer");
    fresh.emplace_back(at.ptr().get(), qconfig->activation());
    return false;
  });
  for (auto& [module, observer] : fresh) attach_observer(*module, std::move(observer));
}

void check_allow_list(Module& root, const PrepareOptions& options, const char* where) {
  for (const ModuleType& type : options.allow_list) {
    bool found = false;
    adze::nn::for_each_module(
        root, [&](const std::string&, Module& m) { found |= ModuleType::of(m) == type; });
    check(found, where, ": the allow list has ", type.name(), ", the network has none");
  }
}

// Modules that the allow list leaves out are not to be converted either.
void forget_disallowed(Submodule& root, const PrepareOptions& options) {
  if (options.allow_list.empty()) return;
  for_each_position(root, [&](const std::string&, Submodule& at) {
    const BackendPatternConfig* row = backend_of(options.backend_config).find(*at);
    if (row && row->quantized_module && !allowed(options, *at)) at->qconfig = std::nullopt;
    return true;
  });
}

}  // namespace

void propagate_qconfig_(Module& root) {
  std::set<const Module*> seen;
  propagate(root, std::nullopt, seen);
}

ModulePtr prepare(const ModulePtr& model, PrepareOptions options) {
  check(model != nullptr, "prepare: needs a network, got none");
  check_allow_list(*model, options, "prepare");
  Submodule root = working_copy(model, options.inplace, "prepare");
  propagate_qconfig_(*root);
  check_has_qconfig(*root, "prepare");
  forget_disallowed(root, options);
  add_observers(root, options, "prepare");
  return root.ptr();
}

ModulePtr prepare_qat(const ModulePtr& model, PrepareOptions options) {
  check(model != nullptr, "prepare_qat: needs a network, got none");
  check(model->training(), "prepare_qat only works on models in training mode");
  check_allow_list(*model, options, "prepare_qat");
  Submodule root = working_copy(model, options.inplace, "prepare_qat");
  propagate_qconfig_(*root);
  check_has_qconfig(*root, "prepare_qat");
  forget_disallowed(root, options);
  const BackendConfig& backend = backend_of(options.backend_config);
  Replacements replacements;
  for_each_position(root, [&](const std::string& path, Submodule& at) {
    const BackendPatternConfig* row = backend.find(*at);
    const std::optional<QConfig> qconfig = get_qconfig(*at);
    if (!row || !qconfig || !row->qat_module) return true;
    check(!activation_is_dynamically_quantized(*qconfig), "prepare_qat: the qconfig of '",
          shown(path), "' is dynamic, which has no qat form");
    replacements.add(path, at, row->qat_module);
    return false;
  });
  replacements.apply(adze::nn::Slots::move);
  add_observers(root, options, "prepare_qat");
  return root.ptr();
}

ModulePtr convert(const ModulePtr& model, ConvertOptions options) {
  Submodule root = working_copy(model, options.inplace, "convert");
  const BackendConfig& backend = backend_of(options.backend_config);
  Replacements replacements;
  std::string unprepared, uncalibrated;
  std::vector<std::string> late_masks;
  const auto note = [](std::string& list, const std::string& path) {
    list += (list.empty() ? "'" : ", '") + shown(path) + "'";
  };
  // First pass: what is to be replaced, and whether it can be.
  std::vector<std::tuple<std::string, Submodule*, FromFloat>> todo;
  for_each_position(root, [&](const std::string& path, Submodule& at) {
    const BackendPatternConfig* row = backend.find(*at);
    const std::optional<QConfig> qconfig = get_qconfig(*at);
    if (!row || !qconfig) return true;
    if (is_dynamic(row, qconfig)) {
      todo.emplace_back(path, &at, row->dynamic_quantized_module);
      return false;
    }
    if (!row->quantized_module) return true;
    if (row->has_output_observer) {
      const ObserverOrFakeQuant* observer = activation_post_process(*at);
      if (!observer)
        note(unprepared, path);
      else if (!observer->has_data() && !options.allow_uncalibrated)
        note(uncalibrated, path);
      else if (zeros_changed_since_calibration(*at))
        late_masks.push_back(path);
    }
    if (!options.is_reference) {
      todo.emplace_back(path, &at, row->quantized_module);
    } else if (row->reference_quantized_module) {
      todo.emplace_back(path, &at, row->reference_quantized_module);
    }
    return false;
  });
  check(unprepared.empty(), "convert: ", unprepared,
        " have a qconfig but were never prepared; call prepare (or prepare_qat) first");
  check(uncalibrated.empty(), "convert: the observers of ", uncalibrated,
        " have seen no data; run the prepared network on typical inputs first");
  for (auto& [path, at, form] : todo) replacements.add(path, *at, form);

  for (const std::string& path : late_masks)
    warn("convert: zeros in the weights of '", shown(path),
         "' changed after calibration; calibrate again for ranges that fit");
  replacements.apply(adze::nn::Slots::baked);
  adze::nn::for_each_module(*root, [&](const std::string&, Module& m) {
    detach_observer(m);
    if (options.remove_qconfig) m.qconfig.reset();
  });
  if (options.bake_remaining)
    adze::nn::for_each_parameter(
        *root, [](const std::string&, adze::nn::Parameter& p) { p.slot()->bake_all(); });
  return root.ptr();
}

ModulePtr quantize(const ModulePtr& model, const RunFunction& run, PrepareOptions options) {
  check(model != nullptr, "quantize: needs a network, got none");
  Submodule root = working_copy(model, options.inplace, "quantize");
  root->eval();
  options.inplace = true;
  ModulePtr prepared = prepare(root.ptr(), options);
  run(*prepared);
  return convert(prepared, {.inplace = true, .backend_config = options.backend_config});
}

ModulePtr quantize_qat(const ModulePtr& model, const RunFunction& run, PrepareOptions options) {
  check(model != nullptr, "quantize_qat: needs a network, got none");
  Submodule root = working_copy(model, options.inplace, "quantize_qat");
  root->train();
  options.inplace = true;
  ModulePtr prepared = prepare_qat(root.ptr(), options);
  run(*prepared);
  ModulePtr converted =
      convert(prepared, {.inplace = true, .backend_config = options.backend_config});
  converted->eval();
  return converted;
}

ModulePtr add_quant_dequant(const ModulePtr& model) {
  Submodule root = working_copy(model, /*inplace=*/true, "add_quant_dequant");
  propagate_qconfig_(*root);
  std::vector<Submodule*> leaves;
  for_each_position(root, [&](const std::string&, Submodule& at) {
    if (dynamic_cast<QuantWrapper*>(at.ptr().get())) return false;
    if (at->list().modules.empty() && get_qconfig(*at)) leaves.push_back(&at);
    return true;
  });
  for (Submodule* at : leaves) at->set(adze::nn::make<QuantWrapper>(at->ptr()));
  return root.ptr();
}

}  // namespace adze::ao::quantization
