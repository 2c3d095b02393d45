#include "adze/nn/state_dict.h"

#include <functional>
#include <optional>
#include <set>

#include "adze/core/autograd.h"
#include "adze/core/ops.h"
#include "adze/core/serialization.h"
#include "adze/nn/traversal.h"

#include "state_entries.h"
#include "values_json.h"

namespace adze::nn {
namespace {

using nlohmann::json;

constexpr const char* params_prefix = "adze.sparse_params.";

std::string chain_text(const Slot& slot) {
  json links = json::array();
  for (const ParametrizationPtr& p : slot.chain())
    links.push_back({{"type", p->type()}, {"owner", p->owner()}, {"state", p->extra_state()}});
  return json_to_text(links, "state_dict: parametrizations");
}

bool convertible(DType from, DType to) {
  return from == to || (is_floating_point(from) && is_floating_point(to));
}

// What is wrong with loading the chain described by `text` into `slot`; "" when nothing is.
std::string chain_fault(const std::string& fqn, const std::string& text, const Slot& slot) {
  const auto links = chain_from_text(text);
  if (!links) return "'" + fqn + "': the description of its parametrizations is broken";
  if (links->size() != slot.chain().size())
    return adze::detail::concat("'", fqn, "' has ", slot.chain().size(),
                                " parametrizations, the state ", links->size());
  for (std::size_t i = 0; i < links->size(); ++i) {
    const Parametrization& p = *slot.chain()[i];
    const ChainLink& link = (*links)[i];
    if (link.type != p.type() || link.owner != p.owner())
      return "'" + fqn + "': parametrization " + std::to_string(i) + " is " + p.type() + "(" +
             p.owner() + "), the state has " + link.type + "(" + link.owner + ")";
  }
  return {};
}

void write_entry(const Entry& e, const Tensor& source) {
  NoGrad guard;
  switch (e.part) {
    case Part::link:
      e.tensor.copy_(source);
      break;
    case Part::pinned:
      e.slot->clear_pins();
      e.slot->pin_zeros(source);
      break;
    case Part::stored:
      if (e.resizable && (e.tensor.sizes() != source.sizes() || e.tensor.dtype() != source.dtype()))
        e.slot->reset(source.clone());
      else
        e.tensor.copy_(source);
      break;
  }
}

}  // namespace

std::optional<std::vector<ChainLink>> chain_from_text(const std::string& text) {
  const json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array()) return std::nullopt;
  std::vector<ChainLink> links;
  for (const json& j : parsed) {
    if (!j.is_object()) return std::nullopt;
    ChainLink link;
    const std::pair<const char*, std::string*> parts[] = {
        {"type", &link.type}, {"owner", &link.owner}, {"state", &link.state}};
    for (const auto& [name, part] : parts) {
      const auto it = j.find(name);
      if (it == j.end() || !it->is_string()) return std::nullopt;
      *part = it->get<std::string>();
    }
    links.push_back(std::move(link));
  }
  return links;
}

std::vector<Entry> entries(Module& root,
                           const std::function<void(const std::string& fqn, Slot&)>& each_slot) {
  std::vector<Entry> out;
  for_each_parameter(root, [&](const std::string& path, Parameter& p) {
    if (!p.persistent()) return;
    Slot& slot = *p.slot();
    const std::string fqn = join_path(path, p.name());
    each_slot(fqn, slot);
    if (slot.is_parametrized()) {
      const std::string base = join_path(path, "parametrizations." + p.name());
      out.push_back({base + ".original", slot.original(), &slot, Part::stored, false});
      for (std::size_t i = 0; i < slot.chain().size(); ++i)
        for (const auto& [name, tensor] : slot.chain()[i]->tensors())
          out.push_back(
              {adze::detail::concat(base, ".", i, ".", name), tensor, &slot, Part::link, false});
    } else {
      out.push_back({fqn, slot.original(), &slot, Part::stored, p.resizable()});
    }
    out.push_back({join_path(path, "constraints." + p.name() + ".pinned_zeros"), slot.pinned(),
                   &slot, Part::pinned, true});
  });
  return out;
}

const Tensor* StateDict::find(std::string_view name) const {
  for (const auto& [key, tensor] : tensors)
    if (key == name) return &tensor;
  return nullptr;
}

const Tensor& StateDict::at(std::string_view name) const {
  const Tensor* t = find(name);
  check(t != nullptr, "state_dict: no entry '", name, "'");
  return *t;
}

LiveState live_state(Module& root) {
  LiveState state;
  state.entries = entries(root, [&](const std::string& fqn, Slot& slot) {
    if (slot.is_parametrized()) state.metadata[chain_prefix + fqn] = chain_text(slot);
    if (!slot.sparse_params.empty())
      state.metadata[params_prefix + fqn] =
          values_to_text(slot.sparse_params, "state_dict: sparse_params");
  });
  std::erase_if(state.entries, [](const Entry& e) { return !e.tensor.defined(); });
  return state;
}

StateDict state_dict(Module& root) {
  LiveState live = live_state(root);
  StateDict state{.tensors = {}, .metadata = std::move(live.metadata)};
  for (const Entry& e : live.entries) state.tensors.emplace_back(e.key, e.tensor.detach().clone());
  return state;
}

LoadReport load_state_dict(Module& root, const StateDict& state, LoadOptions options) {
  LoadReport report;
  std::vector<std::string> faults;
  std::vector<std::pair<std::string, Slot*>> slots;
  const std::vector<Entry> targets =
      entries(root, [&](const std::string& fqn, Slot& slot) { slots.emplace_back(fqn, &slot); });

  std::map<std::string_view, const Tensor*> sources;
  for (const auto& [name, tensor] : state.tensors) sources[name] = &tensor;
  std::vector<std::pair<const Entry*, const Tensor*>> writes;
  std::vector<Slot*> unpinned;
  std::set<std::string_view> known;
  for (const Entry& e : targets) {
    known.insert(e.key);
    const auto it = sources.find(e.key);
    if (it == sources.end()) {
      if (e.part != Part::pinned)
        report.missing.push_back(e.key);
      else if (options.strict && e.tensor.defined())
        unpinned.push_back(e.slot);
      continue;
    }
    const Tensor& source = *it->second;
    const Tensor& expected = e.part == Part::pinned ? e.slot->original() : e.tensor;
    if (!(e.resizable && e.part == Part::stored)) {
      if (source.sizes() != expected.sizes())
        faults.push_back(adze::detail::concat("shape of '", e.key, "' is ", expected.sizes(),
                                              ", the state has ", source.sizes()));
      else if (e.part != Part::pinned && !convertible(source.dtype(), expected.dtype()))
        faults.push_back(adze::detail::concat("dtype of '", e.key, "' is ", expected.dtype(),
                                              ", the state has ", source.dtype()));
    }
    writes.emplace_back(&e, &source);
  }
  for (const auto& [name, tensor] : state.tensors)
    if (!known.contains(name)) report.unexpected.push_back(name);

  for (const auto& [fqn, slot] : slots)
    if (const auto it = state.metadata.find(chain_prefix + fqn);
        it != state.metadata.end() && (options.strict || slot->is_parametrized()))
      if (std::string fault = chain_fault(fqn, it->second, *slot); !fault.empty())
        faults.push_back(std::move(fault));

  if (options.strict) {
    for (const std::string& name : report.missing) faults.push_back("missing '" + name + "'");
    for (const std::string& name : report.unexpected) faults.push_back("unexpected '" + name + "'");
  }
  if (!faults.empty()) {
    std::string text = "load_state_dict: nothing was loaded:";
    for (const std::string& f : faults) text += "\n  " + f;
    throw Error(text);
  }

  std::map<Slot*, std::map<std::string, Value>> kept;
  for (const auto& [fqn, slot] : slots)
    if (const auto it = state.metadata.find(params_prefix + fqn); it != state.metadata.end())
      kept[slot] = values_from_text(it->second, "load_state_dict: sparse_params");

  for (Slot* slot : unpinned) slot->clear_pins();
  for (const auto& [entry, source] : writes) write_entry(*entry, *source);
  for (const auto& [fqn, slot] : slots) {
    if (const auto it = state.metadata.find(chain_prefix + fqn); it != state.metadata.end()) {
      const auto links = chain_from_text(it->second);
      for (std::size_t i = 0; links && i < slot->chain().size(); ++i)
        slot->chain()[i]->set_extra_state(links->at(i).state);
    }
  }
  for (auto& [slot, params] : kept) slot->sparse_params = std::move(params);

  if (!options.strict && (!report.missing.empty() || !report.unexpected.empty()))
    warn("load_state_dict: ", report.missing.size(),
         " names of the network are missing in the "
         "state and ",
         report.unexpected.size(),
         " of the state are unknown to the network; they "
         "were skipped");
  return report;
}

void add_metadata(std::map<std::string, std::string>& to,
                  const std::map<std::string, std::string>& from, const char* where) {
  for (const auto& [key, text] : from) {
    check(!key.starts_with("adze."), where, ": metadata key '", key, "' is reserved");
    to[key] = text;
  }
}

void save(Module& root, const std::string& path,
          const std::map<std::string, std::string>& metadata) {
  StateDict state = state_dict(root);
  add_metadata(state.metadata, metadata, "save");
  save_state(std::move(state), path);
}

void save_state(StateDict state, const std::string& path) {
  SafeTensors file;
  file.metadata = std::move(state.metadata);
  for (auto& [name, tensor] : state.tensors) file.tensors[name] = std::move(tensor);
  save_safetensors(path, file);
}

StateDict state_from(SafeTensors file, const std::string& where) {
  StateDict state;
  if (const auto tied = file.metadata.find(tied_key); tied != file.metadata.end()) {
    const json names = json_from_text(tied->second, where + tied_key);
    check(names.is_object(), where, tied_key, ": not a JSON object");
    for (const auto& [name, other] : names.items()) {
      const auto it = file.tensors.find(other.is_string() ? other.get<std::string>() : "");
      check(it != file.tensors.end() && !file.tensors.contains(name), where, tied_key, ": ",
            adze::detail::in_quotes(name), " stands for no other tensor of the file");
      state.tensors.emplace_back(name, it->second);
    }
  }
  state.metadata = std::move(file.metadata);
  for (auto& [name, tensor] : file.tensors) state.tensors.emplace_back(name, std::move(tensor));
  return state;
}

StateDict load_state(const std::string& path) {
  return state_from(load_safetensors(path), "load_state: " + path + ": ");
}

LoadReport load(Module& root, const std::string& path, LoadOptions options) {
  try {
    return load_state_dict(root, load_state(path), options);
  } catch (Error& e) {
    e.enter(path);
    throw;
  }
}

}  // namespace adze::nn
