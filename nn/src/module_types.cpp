#include <utility>

#include "adze/nn/activation.h"
#include "adze/nn/container.h"
#include "adze/nn/dropout.h"
#include "adze/nn/flatten.h"
#include "adze/nn/identity.h"
#include "adze/nn/linear.h"
#include "adze/nn/loss.h"
#include "adze/nn/model_file.h"

namespace adze::nn {
namespace {

using adze::detail::in_quotes;

const ModulePtr* find(const std::vector<std::pair<std::string, ModulePtr>>& children,
                      std::string_view name) {
  for (const auto& [child, module] : children)
    if (child == name) return &module;
  return nullptr;
}

Tensor required(const std::map<std::string, Tensor>& tensors, std::string_view name) {
  const auto it = tensors.find(std::string(name));
  check(it != tensors.end(), "the tensor ", in_quotes(name), " is missing");
  return it->second;
}

std::vector<Submodule> named_children(const ModuleSpec& spec) {
  std::vector<Submodule> out;
  for (const auto& [name, module] : spec.children) out.emplace_back(name, module);
  return out;
}

template <class M>
ModulePtr along_dim(const ModuleSpec& spec) {
  return make<M>(spec.at("dim").to_int());
}

template <class M>
ModulePtr loss(const ModuleSpec& spec) {
  return make<M>(LossOptions{.reduction = reduction_from_name(spec.at("reduction").to_string())});
}

}  // namespace

// ---- specs --------------------------------------------------------------------------------------

const Value& ModuleSpec::at(std::string_view name) const {
  const auto it = config.find(std::string(name));
  check(it != config.end(), "the setting ", in_quotes(name), " is missing");
  return it->second;
}

Tensor ModuleSpec::tensor(std::string_view name) const {
  const auto it = tensors.find(std::string(name));
  return it == tensors.end() ? Tensor() : it->second;
}

Tensor ModuleSpec::require_tensor(std::string_view name) const {
  return required(tensors, name);
}

Tensor ParametrizationSpec::require_tensor(std::string_view name) const {
  return required(tensors, name);
}

const ModulePtr& ModuleSpec::child(std::string_view name) const {
  const ModulePtr* found = find(children, name);
  check(found != nullptr, "the child ", in_quotes(name), " is missing");
  return *found;
}

bool ModuleSpec::has_added(std::string_view name) const {
  return find(added, name) != nullptr;
}

// ---- types --------------------------------------------------------------------------------------

ModuleTypes& ModuleTypes::add(std::string qualified_type, Build build) {
  check(static_cast<bool>(build), "ModuleTypes::add: the function for ", qualified_type,
        " is empty");
  builds_[std::move(qualified_type)] = std::move(build);
  return *this;
}

ModuleTypes& ModuleTypes::add_parametrization(std::string type, BuildParametrization build) {
  check(static_cast<bool>(build), "ModuleTypes::add_parametrization: the function for ", type,
        " is empty");
  parametrizations_[std::move(type)] = std::move(build);
  return *this;
}

ModuleTypes& ModuleTypes::set_qconfig_form(QConfigForm form) {
  qconfig_form_ = std::move(form);
  return *this;
}

ModuleTypes& ModuleTypes::on_loaded(Finish finish) {
  check(static_cast<bool>(finish), "ModuleTypes::on_loaded: the function is empty");
  finish_.push_back(std::move(finish));
  return *this;
}

ModulePtr ModuleTypes::build(const ModuleSpec& spec) const {
  const auto it = builds_.find(spec.type);
  check(it != builds_.end(), "the class ", in_quotes(spec.type),
        " is not known; say how it is built with ModuleTypes::add");
  ModulePtr module = it->second(spec);
  check(module != nullptr, "the function that builds it gave none");
  check(module->qualified_type() == spec.type, "the function that builds it gave a ",
        module->qualified_type());
  return module;
}

ParametrizationPtr ModuleTypes::build(const ParametrizationSpec& spec) const {
  const auto it = parametrizations_.find(spec.type);
  check(it != parametrizations_.end(), "the parametrization ", in_quotes(spec.type),
        " is not known; say how it is built with ModuleTypes::add_parametrization");
  ParametrizationPtr parametrization = it->second(spec);
  check(parametrization != nullptr, "the function that builds the parametrization ", spec.type,
        " gave none");
  return parametrization;
}

void ModuleTypes::finish(Module& module, const ModuleSpec& spec) const {
  for (const Finish& f : finish_) f(module, spec);
}

const ModuleTypes& module_types() {
  static const ModuleTypes types = [] {
    ModuleTypes t;
    t.add<Linear>([](const ModuleSpec& spec) {
      return make<Linear>(spec.tensor("weight"), spec.tensor("bias"));
    });
    t.add<ReLU>().add<Sigmoid>().add<Tanh>().add<Identity>();
    t.add<Softmax>(along_dim<Softmax>).add<LogSoftmax>(along_dim<LogSoftmax>);
    t.add<Dropout>([](const ModuleSpec& spec) { return make<Dropout>(spec.at("p").to_double()); });
    t.add<Flatten>([](const ModuleSpec& spec) {
      return make<Flatten>(spec.at("start_dim").to_int(), spec.at("end_dim").to_int());
    });
    t.add<Sequential>(
        [](const ModuleSpec& spec) { return make<Sequential>(named_children(spec)); });
    t.add<ModuleDict>(
        [](const ModuleSpec& spec) { return make<ModuleDict>(named_children(spec)); });
    t.add<ModuleList>([](const ModuleSpec& spec) {
      auto list = make<ModuleList>();
      for (const auto& [name, module] : spec.children) list->append(module);
      return list;
    });
    t.add<NLLLoss>(loss<NLLLoss>).add<MSELoss>(loss<MSELoss>);
    t.add<CrossEntropyLoss>([](const ModuleSpec& spec) {
      return make<CrossEntropyLoss>(CrossEntropyLossOptions{
          .label_smoothing = spec.at("label_smoothing").to_double(),
          .reduction = reduction_from_name(spec.at("reduction").to_string())});
    });
    return t;
  }();
  return types;
}

}  // namespace adze::nn
