#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>

#include "adze/nn/module.h"

namespace adze::fx {

/// A module that only holds members, added at run time: what is left of a module whose forward
/// became part of a graph. Handles keep their address while others come and go.
class Scope : public nn::ModuleOf<Scope> {
 public:
  /// Puts a module under that name, in place of the one that is there. Throws unless the name is
  /// one and no tensor has it.
  void set_child(const std::string& name, nn::ModulePtr module);
  /// Shares the slot of a parameter or buffer under its own name; the same conditions.
  void set_parameter(const nn::Parameter& parameter);
  /// Removes what has that name; false when nothing has.
  bool remove(std::string_view name);
  /// Grows whenever handles come or go.
  std::uint64_t edits() const { return edits_; }

  [[noreturn]] Tensor forward(const Tensor& x);
  /// The names of its tensors, and which of them are buffers.
  std::map<std::string, Value> config() const override;

 protected:
  void fields(nn::FieldList& f) override;

 private:
  void check_name(const std::string& name) const;

  std::list<nn::Parameter> parameters_;
  std::list<nn::Submodule> children_;
  std::uint64_t edits_ = 0;
};

}  // namespace adze::fx
