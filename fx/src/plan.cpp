#include "plan.h"

#include <algorithm>
#include <unordered_map>

#include "adze/nn/traversal.h"

namespace adze::fx {
namespace {

bool same_number(const Value& a, const Value& b) {
  const auto is_number = [](const Value& v) { return v.is_bool() || v.is_int() || v.is_double(); };
  return is_number(a) && is_number(b) && a.to_double() == b.to_double();
}

// True if a hook or a tracer looks at calls of the module.
bool is_watched(const nn::Module& module) {
  return nn::CallInterceptor::active() || module.has_internal_hook() || module.user_hooks() > 0;
}

// Module::call, without copies where nobody looks at the arguments.
Value call(nn::Module& module, std::span<const Value> args) {
  if (is_watched(module)) return module.call({args.begin(), args.end()});
  return module.call_forward(args);
}

// Gives out the smallest free register.
class Registers {
 public:
  std::int32_t take() {
    if (free_.empty()) return static_cast<std::int32_t>(count_++);
    const std::int32_t reg = free_.back();
    free_.pop_back();
    return reg;
  }
  void release(std::int32_t reg) { free_.push_back(reg); }
  std::size_t count() const { return count_; }

 private:
  std::vector<std::int32_t> free_;
  std::size_t count_ = 0;
};

// The values of one run. A thread keeps the memory for its next run, however deep runs nest.
class Frame {
 public:
  explicit Frame(std::size_t registers) {
    if (!spare().empty()) {
      memory_ = std::move(spare().back());
      spare().pop_back();
    }
    memory_.registers.resize(registers);
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  ~Frame() {
    memory_.registers.clear();
    memory_.args.clear();
    if (spare().size() < most_spare) spare().push_back(std::move(memory_));
  }

  std::vector<Value>& registers() { return memory_.registers; }
  std::vector<Value>& args() { return memory_.args; }

 private:
  struct Memory {
    std::vector<Value> registers, args;
  };
  static constexpr std::size_t most_spare = 16;
  static std::vector<Memory>& spare() {
    thread_local std::vector<Memory> memory = [] {
      std::vector<Memory> m;
      m.reserve(most_spare);
      return m;
    }();
    return memory;
  }

  Memory memory_;
};

}  // namespace

void check_traced_value(const Node& placeholder, const Value& given) {
  if (placeholder.args().size() < 2) return;
  const Value& traced = placeholder.arg(0).constant();
  check(same_value(given, traced) || same_number(given, traced),
        "forward: the network was traced with '", placeholder.target(), "' = ", traced.str(),
        " and computes nothing else, got ", given.str(), "; trace it again with that value");
}

Plan::Plan(GraphModule& module) : version_(module.graph().version()) {
  Graph& graph = module.graph();
  graph.lint(&module);
  std::unordered_map<const Node*, const Node*> last_user;
  for (const Node& n : graph.nodes())
    for (const Node* input : n.all_input_nodes()) last_user[input] = &n;

  Registers registers;
  std::unordered_map<const Node*, std::int32_t> home;
  // A register is handed over with its last mention in the arguments of its last user.
  const std::function<Source(const Argument&, const Node&)> source = [&](const Argument& a,
                                                                         const Node& user) {
    Source s;
    if (a.is_node()) {
      s.reg = home.at(a.node());
    } else if (a.is_constant()) {
      s.constant = a.constant();
    } else {
      s.is_list = true;
      for (const Argument& e : a.list()) s.list.push_back(source(e, user));
    }
    return s;
  };
  const std::function<bool(std::vector<Source>&, std::int32_t)> mark_last =
      [&](std::vector<Source>& list, std::int32_t reg) {
        for (auto it = list.rbegin(); it != list.rend(); ++it) {
          if (it->is_list && mark_last(it->list, reg)) return true;
          if (it->reg != reg) continue;
          it->last_use = true;
          return true;
        }
        return false;
      };
  const auto sources = [&](const Node& n) {
    std::vector<Source> all;
    for (const Argument& a : n.args()) all.push_back(source(a, n));
    for (const Node* input : n.all_input_nodes()) {
      if (last_user.at(input) != &n) continue;
      mark_last(all, home.at(input));
      registers.release(home.at(input));
    }
    return all;
  };
  const auto note_scope = [&](const nn::Module& m) {
    const auto* scope = dynamic_cast<const Scope*>(&m);
    if (scope && std::none_of(scopes_.begin(), scopes_.end(),
                              [&](const auto& known) { return known.first == scope; }))
      scopes_.emplace_back(scope, scope->edits());
  };
  note_scope(module);
  const auto note_way = [&](const std::string& path) {
    nn::Module* at = &module;
    std::string_view rest = path;
    for (std::size_t dot = 0; dot != rest.npos;
         rest.remove_prefix(dot == rest.npos ? 0 : dot + 1)) {
      dot = rest.find('.');
      const nn::Submodule* child = at->find_child(rest.substr(0, dot));
      if (!child) return;
      handles_.emplace_back(child, child->ptr().get());
      owners_.push_back(child->ptr());
      at = child->ptr().get();
      note_scope(*at);
    }
  };

  // Inputs are loaded before the first step, wherever their placeholders stand.
  for (const Node* n : graph.placeholders()) {
    home[n] = registers.take();
    inputs_.push_back({n, home[n], n->args().size() > 1});
  }
  for (const Input& input : inputs_)
    if (!last_user.contains(input.node)) registers.release(input.reg);

  for (const Node& n : graph.nodes()) {
    if (n.is_placeholder()) continue;
    if (n.is_output()) {
      result_ = std::move(sources(n).at(0));
      break;
    }
    Step step{.node = &n, .op = n.op(), .function = n.function(), .args = sources(n)};
    if (n.is_module_call()) {
      step.module = module.submodule(n).ptr().get();
      step.module->list();  // what a first call does: its children know that they can be found
      note_way(n.target());
    } else if (n.is_get_attr()) {
      step.parameter = &module.parameter(n);
      note_way(n.target());
    }
    if (last_user.contains(&n)) step.reg = home[&n] = registers.take();
    if (step.takes_register() && step.args[0].last_use && step.args[0].reg != step.reg)
      step.frees = step.args[0].reg;
    if (!steps_.empty()) {
      Step& previous = steps_.back();
      const bool pair = (previous.function && step.module) || (previous.module && step.function);
      previous.joins_next = pair && step.takes_register() && step.args[0].last_use &&
                            step.args[0].reg == previous.reg;
    }
    steps_.push_back(std::move(step));
  }
  register_count_ = registers.count();
}

bool Plan::is_current(const GraphModule& module) const {
  if (version_ != module.graph().version()) return false;
  for (const auto& [scope, edits] : scopes_)
    if (scope->edits() != edits) return false;
  for (const auto& [handle, target] : handles_)
    if (handle->ptr().get() != target) return false;
  return true;
}

Value Plan::get(const Source& source, std::vector<Value>& registers) const {
  if (source.reg >= 0) {
    Value& v = registers[static_cast<std::size_t>(source.reg)];
    if (source.last_use) return std::move(v);
    return v;
  }
  if (!source.is_list) return source.constant;
  Value::List list;
  list.reserve(source.list.size());
  for (const Source& s : source.list) list.push_back(get(s, registers));
  return list;
}

void Plan::load_inputs(std::span<const Value> args, std::vector<Value>& registers) const {
  check(args.size() <= inputs_.size(), "forward takes ", inputs_.size(), " arguments, got ",
        args.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Node& n = *inputs_[i].node;
    check(i < args.size() || !n.args().empty(), "forward: argument '", n.target(),
          "' is missing and has no default");
    const Value& given = i < args.size() ? args[i] : n.arg(0).constant();
    if (inputs_[i].only_default && i < args.size()) check_traced_value(n, given);
    registers[static_cast<std::size_t>(inputs_[i].reg)] = given;
  }
}

std::span<const Value> Plan::arguments(const Step& step, std::vector<Value>& registers,
                                       std::vector<Value>& args) const {
  if (step.takes_register())
    return std::span(&registers[static_cast<std::size_t>(step.args[0].reg)], 1);
  for (const Source& s : step.args) args.push_back(get(s, registers));
  return args;
}

Value Plan::run_step(const Step& step, std::span<const Value> args) const {
  if (step.parameter) return step.parameter->value();
  return step.function ? step.function->call_boxed(args) : call(*step.module, args);
}

std::optional<Value> Plan::run_joined(const Step& first, const Step& second,
                                      std::span<const Value> args) const {
  nn::Module& module = *(first.module ? first.module : second.module);
  if (is_watched(module)) return std::nullopt;
  try {
    return first.function ? module.call_fused(*first.function, nn::Fused::before, args)
                          : module.call_fused(*second.function, nn::Fused::after, args);
  } catch (const Error&) {
    return std::nullopt;  // the step that fails says so itself
  }
}

Value Plan::run(std::span<const Value> given) const {
  Frame frame(register_count_);
  std::vector<Value>& registers = frame.registers();
  std::vector<Value>& args = frame.args();
  load_inputs(given, registers);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step* step = &steps_[i];
    try {
      const std::span<const Value> inputs = arguments(*step, registers, args);
      std::optional<Value> result;
      if (step->joins_next && (result = run_joined(*step, steps_[i + 1], inputs))) {
        if (step->frees >= 0) registers[static_cast<std::size_t>(step->frees)] = Value();
        step = &steps_[++i];
      } else {
        result = run_step(*step, inputs);
      }
      args.clear();
      if (step->frees >= 0) registers[static_cast<std::size_t>(step->frees)] = Value();
      if (step->reg >= 0) registers[static_cast<std::size_t>(step->reg)] = *std::move(result);
    } catch (Error& e) {
      e.enter(step->op == Opcode::call_module
                  ? step->node->target()
                  : nn::join_path(step->node->meta.module_path, step->node->name()));
      throw;
    }
  }
  return get(result_, registers);
}

}  // namespace adze::fx
