#include "quantization/fx/calibrated_zeros.h"

#include "adze/nn/traversal.h"

#include "quantization/zeros.h"

namespace adze::ao::quantization::graph_mode {
namespace {

/// Set while the module notes zeros.
constexpr const char* active_note = "quantization.notes_zeros";
/// + path of a weight: version of its slot, fingerprint of its zeros.
constexpr const char* zeros_note = "quantization.zeros.";

template <class F>
void each_weight(GraphModule& module, F&& f) {
  adze::nn::for_each_parameter(module, [&](const std::string& path, adze::nn::Parameter& p) {
    if (!p.is_buffer()) f(adze::nn::join_path(path, p.name()), p);
  });
}

std::int64_t fingerprint(const adze::nn::Parameter& p) {
  return static_cast<std::int64_t>(zeros_fingerprint(p.value()));
}

// Stateless: the notes are the module's, so that a deepcopy needs no repair.
void note_zeros(adze::nn::Module& m, const std::vector<Value>&, Value&) {
  auto& module = m.as<GraphModule>();
  each_weight(module, [&](const std::string& path, const adze::nn::Parameter& p) {
    const auto version = static_cast<std::int64_t>(p.slot()->version());
    Value& note = module.notes[zeros_note + path];
    if (note.is_list() && note.to_list()[0].to_int() == version) return;
    note = Value::List{version, fingerprint(p)};
  });
}

}  // namespace

void note_calibrated_zeros(GraphModule& module) {
  module.notes[active_note] = true;
  module.set_internal_hook(note_zeros);
}

void resume_calibrated_zeros(GraphModule& module) {
  if (!module.notes.contains(active_note)) return;
  // Versions are other ones now: the next data has the zeros themselves looked at.
  for (auto& [key, note] : module.notes) {
    if (!key.starts_with(zeros_note)) continue;
    const Value::List& known = note.to_list();
    check(known.size() == 2, "the note ", key, " must hold two numbers, got ", note.str());
    note = Value::List{-1, known[1].to_int()};
  }
  note_calibrated_zeros(module);
}

std::string weights_with_other_zeros(GraphModule& module) {
  std::string changed;
  each_weight(module, [&](const std::string& path, const adze::nn::Parameter& p) {
    const auto noted = module.notes.find(zeros_note + path);
    if (noted == module.notes.end() || noted->second.to_list()[1].to_int() == fingerprint(p))
      return;
    changed += (changed.empty() ? "'" : ", '") + path + "'";
  });
  return changed;
}

void forget_calibrated_zeros(GraphModule& module) {
  if (module.notes.erase(active_note) == 0) return;
  module.drop_internal_hooks();
  std::erase_if(module.notes, [](const auto& n) { return n.first.starts_with(zeros_note); });
}

}  // namespace adze::ao::quantization::graph_mode
