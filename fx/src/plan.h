#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "adze/fx/graph_module.h"

namespace adze::fx {

/// Throws when a graph was traced for one value of that input only, and `given` is another.
void check_traced_value(const Node& placeholder, const Value& given);

/// A graph made ready to run: targets resolved, results in numbered registers that are free again
/// after their last use.
class Plan {
 public:
  /// Throws unless the graph passes its lint against the members of `module`.
  explicit Plan(GraphModule& module);

  /// False when the graph or a module on the way to a target was changed since.
  bool is_current(const GraphModule& module) const;
  Value run(std::span<const Value> args) const;

 private:
  // Where an argument comes from: a register, a constant, or a list of such.
  struct Source {
    std::int32_t reg = -1;
    bool last_use = false;
    bool is_list = false;
    Value constant;
    std::vector<Source> list;
  };
  struct Step {
    const Node* node;
    Opcode op;
    const OpBase* function = nullptr;
    nn::Module* module = nullptr;
    const nn::Parameter* parameter = nullptr;
    std::vector<Source> args;
    std::int32_t reg = -1;    // -1: nobody uses the result
    std::int32_t frees = -1;  // a register to empty behind it, when its argument is not moved
    bool joins_next = false;  // an op and a module, of which the next step alone uses the result

    // The one argument is read where it is.
    bool takes_register() const { return args.size() == 1 && args[0].reg >= 0; }
  };
  struct Input {
    const Node* node;
    std::int32_t reg;
    bool only_default = false;
  };

  Value get(const Source& source, std::vector<Value>& registers) const;
  void load_inputs(std::span<const Value> args, std::vector<Value>& registers) const;
  std::span<const Value> arguments(const Step& step, std::vector<Value>& registers,
                                   std::vector<Value>& args) const;
  Value run_step(const Step& step, std::span<const Value> args) const;
  // The result of both steps, if a module computes them in one; `args` are those of the first.
  std::optional<Value> run_joined(const Step& first, const Step& second,
                                  std::span<const Value> args) const;

  std::uint64_t version_;
  std::vector<std::pair<const nn::Submodule*, const nn::Module*>> handles_;
  std::vector<std::pair<const Scope*, std::uint64_t>> scopes_;  // with their edits
  // Keeps scopes_ alive, and handles_ as long as no edit took one away.
  std::vector<nn::ModulePtr> owners_;
  std::vector<Input> inputs_;
  std::vector<Step> steps_;
  Source result_;
  std::size_t register_count_ = 0;
};

}  // namespace adze::fx
