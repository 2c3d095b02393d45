#include "adze/nn/model_file.h"

#include <algorithm>
#include <new>
#include <optional>
#include <unordered_map>

#include "adze/core/serialization.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "model_description.h"
#include "state_entries.h"
#include "values_json.h"

namespace adze::nn {
namespace {

using adze::detail::concat;
using adze::detail::in_quotes;

// Longest chain of parametrizations on one tensor; each added link evaluates those before.
constexpr std::size_t max_chain = 64;

std::string shown(const std::string& path) {
  return path.empty() ? "the root" : in_quotes(path);
}

std::vector<std::string> names_of(const std::vector<std::pair<std::string, ModulePtr>>& children) {
  std::vector<std::string> names;
  for (const auto& [name, module] : children) names.push_back(name);
  return names;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + in_quotes(name);
  return text.empty() ? "none" : text;
}

// ---- saving -------------------------------------------------------------------------------------

class Describer {
 public:
  Describer(const ModuleTypes& types, std::string where)
      : types_(types), where_(std::move(where)) {}

  ModelDescription describe(Module& root) {
    visit("", root, 1);
    check_extent(out_, where_);
    return std::move(out_);
  }

 private:
  std::size_t visit(const std::string& path, Module& module, std::size_t depth) {
    if (const auto it = index_.find(&module); it != index_.end()) return it->second;
    check(depth <= max_nesting, where_, "modules stand inside each other deeper than ",
          max_nesting);
    ModuleDescription m;
    m.type = module.qualified_type();
    const std::string what = where_ + shown(path) + " (" + m.type + ") ";
    const std::string actual = detail::demangle(typeid(module));
    check(actual == m.type, what, "is a ", actual, ", which does not derive from ModuleOf<", actual,
          "> and so has no form in a file");
    check(types_.contains(m.type), what, "is of a class that is not among the given types; say ",
          "how it is built with ModuleTypes::add<", m.type, ">");
    m.config = module.config();
    m.training = module.training();
    const FieldList fields = module.list();
    const std::size_t own = fields.modules.size() - module.added_modules();
    for (std::size_t i = 0; i < fields.modules.size(); ++i) {
      const Submodule& child = *fields.modules[i];
      (i < own ? m.children : m.added)
          .emplace_back(child.name(), visit(join_path(path, child.name()), *child, depth + 1));
    }
    const std::size_t index = out_.modules.size();
    for (Parameter* p : fields.parameters)
      if (p->defined() && p->persistent()) describe_tensor(m, index, *p, what);
    if (module.qconfig.has_value()) m.qconfig = qconfig_index(module.qconfig, what);
    index_[&module] = index;
    out_.modules.push_back(std::move(m));
    return index;
  }

  void describe_tensor(ModuleDescription& m, std::size_t index, const Parameter& p,
                       const std::string& what) {
    m.tensors.push_back(p.name());
    const Slot& slot = *p.slot();
    const Tensor& stored = slot.original();
    if (!p.is_buffer() && stored.is_floating_point() && !stored.requires_grad())
      m.frozen.push_back(p.name());
    for (const ParametrizationPtr& link : slot.chain())
      check(types_.contains_parametrization(link->type()), what, "has the parametrization ",
            link->type(), " on ", in_quotes(p.name()), ", which is not among the given types; say ",
            "how it is built with ModuleTypes::add_parametrization");
    check(slot.chain().size() <= max_chain, what, "has ", slot.chain().size(),
          " parametrizations on ", in_quotes(p.name()), ", at most ", max_chain, " are allowed");
    const Place place{index, p.name()};
    const auto [same_slot, new_slot] = slots_.emplace(&slot, place);
    const auto [same_tensor, new_tensor] = tensors_.emplace(stored.id(), place);
    if (new_slot && new_tensor) return;
    const Place& other = new_slot ? same_tensor->second : same_slot->second;
    m.tied.push_back(
        {.name = p.name(), .module = other.module, .other = other.name, .slot = !new_slot});
  }

  std::size_t qconfig_index(const std::any& qconfig, const std::string& what) {
    check(static_cast<bool>(types_.qconfig_form().write), what,
          "has a qconfig, and the given types do not say how one is written; use those of ",
          "adze::ao::module_types()");
    Value value;
    try {
      value = types_.qconfig_form().write(qconfig);
    } catch (const Error& e) {
      fail(what, "has a qconfig that has no form in a file: ", e.what());
    }
    const auto [it, added] =
        qconfigs_.emplace(json_to_text(value_to_json(value, what), what), out_.qconfigs.size());
    if (added) out_.qconfigs.push_back(std::move(value));
    return it->second;
  }

  struct Place {
    std::size_t module;
    std::string name;
  };
  const ModuleTypes& types_;
  std::string where_;
  ModelDescription out_;
  std::unordered_map<const Module*, std::size_t> index_;
  std::unordered_map<const void*, Place> slots_, tensors_;
  std::map<std::string, std::size_t> qconfigs_;
};

// Entries that are the same tensor under another name, by key: of one slot, or sharing what is
// stored.
std::map<std::string, std::string> tied_keys(const std::vector<Entry>& entries) {
  std::map<std::pair<const void*, const void*>, const std::string*> seen;
  std::map<std::string, std::string> tied;
  for (const Entry& e : entries) {
    const void* scope = e.part == Part::stored ? nullptr : e.slot;
    const auto [it, added] = seen.emplace(std::pair(scope, e.tensor.id()), &e.key);
    if (!added) tied.emplace(e.key, *it->second);
  }
  return tied;
}

SafeTensors model_content(Module& root, const ModuleTypes& types,
                          const std::map<std::string, std::string>& metadata,
                          const std::string& where) {
  const ModelDescription description = Describer(types, where).describe(root);
  LiveState live = live_state(root);
  SafeTensors file;
  file.metadata = std::move(live.metadata);
  add_metadata(file.metadata, metadata, "save_model");
  const std::map<std::string, std::string> tied = tied_keys(live.entries);
  for (const Entry& e : live.entries)
    if (!tied.contains(e.key)) file.tensors[e.key] = e.tensor.detach();
  if (!tied.empty()) file.metadata[tied_key] = json_to_text(tied, where + tied_key);
  file.metadata[model_key] = description_to_text(description, where);
  return file;
}

// ---- loading ------------------------------------------------------------------------------------

class Loader {
 public:
  Loader(const ModuleTypes& types, const StateDict& state, std::string where)
      : types_(types), state_(state), where_(std::move(where)) {
    const auto it = state.metadata.find(model_key);
    check(it != state.metadata.end(), where_, "the file holds tensors, but does not describe a ",
          "network (it was written by save, not by save_model); build the network and use ",
          "nn::load");
    description_ = description_from_text(it->second, where_);
    paths_ = module_paths(description_, where_);
    for (const auto& [name, tensor] : state.tensors) tensors_[name] = tensor;
  }

  ModulePtr load() {
    const std::size_t n = description_.modules.size();
    for (std::size_t i = 0; i < n; ++i) in_module(i, [&] { build(i); });
    for (std::size_t i = 0; i < n; ++i) in_module(i, [&] { connect(i); });
    Module& root = *modules_.back();
    check_ties(root);
    try {
      load_state_dict(root, state_);
    } catch (const Error& e) {
      fail(where_, e.what());
    }
    // From the root down: setting a mode also sets it below.
    for (std::size_t i = n; i-- > 0;) in_module(i, [&] { finish(i); });
    return modules_.back();
  }

 private:
  // Runs one step for a module; what goes wrong in it is told with the module's name.
  template <class F>
  void in_module(std::size_t i, F&& step) {
    const auto failed = [&](const char* text) {
      fail(where_, shown(paths_[i]), " (", in_quotes(description_.modules[i].type), "): ", text);
    };
    try {
      step();
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& e) {
      failed(e.what());
    }
  }

  void build(std::size_t i) {
    const ModuleDescription& m = description_.modules[i];
    ModuleSpec spec{.type = m.type, .config = m.config, .tensors = {}, .children = {}, .added = {}};
    for (const std::string& name : m.tensors) spec.tensors[name] = stored(i, name);
    for (const auto& [name, index] : m.children) spec.children.emplace_back(name, modules_[index]);
    for (const auto& [name, index] : m.added) spec.added.emplace_back(name, modules_[index]);

    const ModulePtr module = types_.build(spec);
    const std::vector<std::string> own = names_of(named_children(*module));
    check(own == names_of(spec.children), "its children are ", listed(own), ", the file has ",
          listed(names_of(spec.children)));
    const FieldList fields = module->list();
    for (std::size_t c = 0; c < spec.children.size(); ++c)
      if (fields.modules[c]->ptr() != spec.children[c].second)
        fields.modules[c]->set(spec.children[c].second);
    for (const auto& [name, child] : spec.added) module->add_module(name, child);
    modules_.push_back(module);
    specs_.push_back(std::move(spec));
  }

  // Tensors that are shared, and parametrizations.
  void connect(std::size_t i) {
    const ModuleDescription& m = description_.modules[i];
    std::map<std::string, bool> shares_slot;
    for (const TiedTensor& tie : m.tied) {
      Parameter& p = parameter(i, tie.name);
      const Parameter& other = parameter(tie.module, tie.other);
      const Tensor &mine = p.slot()->original(), &others = other.slot()->original();
      check(p.resizable() || (mine.sizes() == others.sizes() && mine.dtype() == others.dtype()),
            in_quotes(tie.name), " cannot be the same as ", in_quotes(tie.other), " of ",
            shown(paths_[tie.module]));
      p.rebind(tie.slot ? other.slot() : std::make_shared<Slot>(other.slot()->original()));
      shares_slot[tie.name] = tie.slot;
    }
    for (const std::string& name : m.tensors)
      if (!shares_slot[name]) parametrize(i, name);
  }

  void parametrize(std::size_t i, const std::string& name) {
    const auto text = state_.metadata.find(chain_prefix + join_path(paths_[i], name));
    if (text == state_.metadata.end()) return;
    const auto chain = chain_from_text(text->second);
    check(chain && chain->size() <= max_chain, "the description of the parametrizations of ",
          in_quotes(name), " is broken");
    const SlotPtr slot = parameter(i, name).slot();
    for (std::size_t k = 0; k < chain->size(); ++k) {
      const ChainLink& link = (*chain)[k];
      ParametrizationSpec spec{
          .type = link.type, .owner = link.owner, .state = link.state, .tensors = {}};
      const std::string prefix =
          concat(join_path(paths_[i], "parametrizations." + name), ".", k, ".");
      for (auto it = tensors_.lower_bound(prefix);
           it != tensors_.end() && it->first.starts_with(prefix); ++it)
        spec.tensors[it->first.substr(prefix.size())] = it->second;
      slot->push(types_.build(spec));
    }
  }

  // Names that the file has as one tensor are one in the network too, so that no small file makes
  // a large network.
  void check_ties(Module& root) const {
    const auto tied = state_.metadata.find(tied_key);
    if (tied == state_.metadata.end()) return;
    std::map<std::string, std::pair<const Slot*, const void*>> place;
    for (const Entry& e : entries(root, [](const std::string&, Slot&) {}))
      place[e.key] = {e.slot, e.part == Part::stored ? e.tensor.id() : nullptr};
    const nlohmann::json names = json_from_text(tied->second, where_ + tied_key);
    for (const auto& [name, other] : names.items()) {
      const auto a = place.find(name), b = place.find(other.get<std::string>());
      check(a != place.end() && b != place.end() &&
                (a->second.first == b->second.first ||
                 (a->second.second != nullptr && a->second.second == b->second.second)),
            where_, in_quotes(name), " and ", in_quotes(other.get<std::string>()),
            " are one tensor in the file, but not in the network");
    }
  }

  void finish(std::size_t i) {
    const ModuleDescription& m = description_.modules[i];
    Module& module = *modules_[i];
    for (const std::string& name : m.frozen) {
      const Parameter& p = parameter(i, name);
      p.slot()->original().requires_grad_(false);
    }
    if (m.qconfig) {
      check(static_cast<bool>(types_.qconfig_form().read), "has a qconfig, and the given types do ",
            "not say how one is read; use those of adze::ao::module_types()");
      module.qconfig = types_.qconfig_form().read(description_.qconfigs[*m.qconfig]);
    }
    if (module.training() != m.training) module.train(m.training);
    types_.finish(module, specs_[i]);
  }

  Tensor stored(std::size_t i, const std::string& name) const {
    const std::string fqn = join_path(paths_[i], name);
    const std::string key = state_.metadata.contains(chain_prefix + fqn)
                                ? join_path(paths_[i], "parametrizations." + name + ".original")
                                : fqn;
    const auto it = tensors_.find(key);
    check(it != tensors_.end(), "the tensor ", in_quotes(key), " is not in the file");
    return it->second;
  }

  Parameter& parameter(std::size_t i, const std::string& name) const {
    Parameter* p = modules_[i]->find_parameter(name);
    check(p && p->defined() && p->persistent(), shown(paths_[i]), " has no stored tensor ",
          in_quotes(name));
    return *p;
  }

  const ModuleTypes& types_;
  const StateDict& state_;
  std::string where_;
  ModelDescription description_;
  std::vector<std::string> paths_;
  std::map<std::string, Tensor> tensors_;
  std::vector<ModulePtr> modules_;
  std::vector<ModuleSpec> specs_;
};

ModulePtr model_from(SafeTensors file, const ModuleTypes& types,
                     std::map<std::string, std::string>* metadata, const std::string& where) {
  const StateDict state = state_from(std::move(file), where);
  ModulePtr root = Loader(types, state, where).load();
  if (metadata) {
    metadata->clear();
    for (const auto& [key, text] : state.metadata)
      if (!key.starts_with("adze.")) metadata->emplace(key, text);
  }
  return root;
}

}  // namespace

void save_model(Module& root, const std::string& path, const ModuleTypes& types,
                const std::map<std::string, std::string>& metadata) {
  save_safetensors(path, model_content(root, types, metadata, "save_model: "),
                   {.leave_out_zero_blocks = true});
}

ModulePtr load_model(const std::string& path, const ModuleTypes& types,
                     std::map<std::string, std::string>* metadata) {
  return model_from(load_safetensors(path), types, metadata, "load_model: " + path + ": ");
}

std::vector<std::byte> serialize_model(Module& root, const ModuleTypes& types,
                                       const std::map<std::string, std::string>& metadata) {
  return serialize_safetensors(model_content(root, types, metadata, "serialize_model: "),
                               {.leave_out_zero_blocks = true});
}

ModulePtr parse_model(std::span<const std::byte> bytes, const ModuleTypes& types,
                      std::map<std::string, std::string>* metadata, const std::string& what) {
  return model_from(parse_safetensors(bytes, what), types, metadata, "parse_model: " + what + ": ");
}

}  // namespace adze::nn
