#include "adze/nn/parametrize.h"

namespace adze::nn {
namespace {

Parameter& own_tensor(Module& module, std::string_view tensor_name, std::string_view where) {
  Parameter* p = module.find_parameter(tensor_name);
  check(p && p->defined(), where, ": module ", module.type(),
        " does not have a parameter or buffer with name '", tensor_name, "'");
  return *p;
}

}  // namespace

bool is_parametrized(Module& module) {
  for (const Parameter* p : module.list().parameters)
    if (p->slot()->is_parametrized()) return true;
  return false;
}

bool is_parametrized(Module& module, std::string_view tensor_name) {
  const Parameter* p = module.find_parameter(tensor_name);
  return p && p->slot()->is_parametrized();
}

void register_parametrization(Module& module, std::string_view tensor_name,
                              ParametrizationPtr parametrization) {
  check(parametrization != nullptr, "register_parametrization: needs a parametrization, got none");
  own_tensor(module, tensor_name, "register_parametrization")
      .slot()
      ->push(std::move(parametrization));
}

void remove_parametrizations(Module& module, std::string_view tensor_name,
                             bool leave_parametrized) {
  Slot& slot = *own_tensor(module, tensor_name, "remove_parametrizations").slot();
  check(slot.is_parametrized(), "remove_parametrizations: module ", module.type(),
        " does not have a parametrization on ", tensor_name);
  if (leave_parametrized) {
    slot.bake_all();
  } else {
    slot.drop_parametrizations();
  }
}

}  // namespace adze::nn
