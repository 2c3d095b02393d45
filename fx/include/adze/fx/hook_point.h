#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>

#include "adze/nn/module.h"

namespace adze::fx {

/// Where hooks of users run that were registered on a module which became part of a graph. Hooks
/// get this object as their module.
class HookPoint : public nn::Module {
 public:
  enum class When : std::uint8_t { before_forward, after_forward };
  /// Shares the hooks that users registered on `module`.
  HookPoint(const nn::Module& module, When when);
  /// Without hooks.
  explicit HookPoint(When when) : when_(when) {}

  /// Before forward: takes the arguments and gives what the hooks leave of them, the tensor itself
  /// when it is one. After forward: takes the arguments and, last, the output, gives the output.
  When when() const { return when_; }
  std::string qualified_type() const override { return "adze::fx::HookPoint"; }
  std::string extra_repr() const override;
  std::map<std::string, Value> config() const override { return {{"when", extra_repr()}}; }

 protected:
  Tensor forward_tensor(const Tensor& x) override;
  Value forward_values(std::span<const Value> args) override;
  nn::ModulePtr shallow_copy() const override;

 private:
  When when_;
  nn::HookList<nn::ForwardPreHook> pre_;
  nn::HookList<nn::ForwardHook> post_;
};

}  // namespace adze::fx
