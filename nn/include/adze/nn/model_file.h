#pragma once

#include <any>
#include <concepts>
#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adze/nn/module.h"

namespace adze::nn {

/// One module as a file describes it: what the function that builds it is given.
struct ModuleSpec {
  std::string type;                     // qualified class name
  std::map<std::string, Value> config;  // what Module::config() gave
  /// Stored tensors of its own parameters and saved buffers, by name. A module may be built around
  /// them; those that it makes itself are filled afterwards.
  std::map<std::string, Tensor> tensors;
  /// Its children that stand in fields(), and those that were added at run time, built already.
  std::vector<std::pair<std::string, ModulePtr>> children, added;

  /// The setting with that name; throws when there is none.
  const Value& at(std::string_view name) const;
  /// The tensor with that name, undefined when there is none (a layer without bias).
  Tensor tensor(std::string_view name) const;
  /// The same; throws when there is none.
  Tensor require_tensor(std::string_view name) const;
  /// The child with that name in fields(); throws when there is none.
  const ModulePtr& child(std::string_view name) const;
  /// True when a child with that name was added at run time.
  bool has_added(std::string_view name) const;
};

/// One link of the chain of a parametrized tensor, as a file describes it.
struct ParametrizationSpec {
  std::string type, owner, state;  // type(), owner() and extra_state()
  std::map<std::string, Tensor> tensors;

  /// The tensor with that name; throws when there is none.
  Tensor require_tensor(std::string_view name) const;
};

/// How `Module::qconfig`, into which nn does not look, is written and read. Both throw for what
/// they do not know.
struct QConfigForm {
  std::function<Value(const std::any&)> write;
  std::function<std::any(const Value&)> read;
};

/// The classes that model files may contain, and how an object of each is built. A value: take
/// `module_types()` and add to the copy.
///
///     nn::ModuleTypes types = nn::module_types();
///     types.add<Block>([](const nn::ModuleSpec& spec) {
///       return nn::make<Block>(spec.at("features").to_int());  // what Block::config() gives
///     });
class ModuleTypes {
 public:
  /// Builds a module from its settings, tensors and children. Children that it builds itself are
  /// replaced by those of the file, tensors overwritten. Throws when the file cannot be right.
  using Build = std::function<ModulePtr(const ModuleSpec&)>;
  using BuildParametrization = std::function<ParametrizationPtr(const ParametrizationSpec&)>;
  /// What is to be done with a loaded module when all else is in place (hooks of observers).
  using Finish = std::function<void(Module&, const ModuleSpec&)>;

  /// Adds a class, or replaces how it is built.
  template <std::derived_from<Module> M>
  ModuleTypes& add(Build build) {
    return add(detail::demangle(typeid(M)), std::move(build));
  }
  /// The same for a class whose objects need no setting to be built.
  template <std::derived_from<Module> M>
  requires std::default_initializable<M> ModuleTypes& add() {
    return add<M>([](const ModuleSpec&) { return make<M>(); });
  }
  ModuleTypes& add(std::string qualified_type, Build build);
  /// Adds a parametrization by its `type()`.
  ModuleTypes& add_parametrization(std::string type, BuildParametrization build);
  ModuleTypes& set_qconfig_form(QConfigForm form);
  /// Adds one more step for loaded modules; parents come before their children.
  ModuleTypes& on_loaded(Finish finish);

  bool contains(std::string_view qualified_type) const { return builds_.contains(qualified_type); }
  bool contains_parametrization(std::string_view type) const {
    return parametrizations_.contains(type);
  }
  const QConfigForm& qconfig_form() const { return qconfig_form_; }

  /// A module of exactly that type; throws when the type is not known.
  ModulePtr build(const ModuleSpec& spec) const;
  ParametrizationPtr build(const ParametrizationSpec& spec) const;
  void finish(Module& module, const ModuleSpec& spec) const;

 private:
  std::map<std::string, Build, std::less<>> builds_;
  std::map<std::string, BuildParametrization, std::less<>> parametrizations_;
  QConfigForm qconfig_form_;
  std::vector<Finish> finish_;
};

/// The classes of nn: layers, activations, losses and containers.
const ModuleTypes& module_types();

/// Writes a network that `load_model` builds again without the code that made it: a safetensors
/// file with its state_dict, and a description of its modules in the metadata. Of weights with many
/// zero blocks only the others are stored, so that pruned networks make small files.
///
/// Kept are classes, settings, tensors, masks and other parametrizations, pinned zeros, children
/// added at run time, training or evaluation of each module, which parameters want no gradient,
/// qconfigs, and sharing: a module at two places, a tensor or slot under two names is written
/// once. Not kept are hooks of users, gradients and buffers that are not persistent.
///
/// Throws, and leaves what was there, when a class is not among `types`, when it has no form of its
/// own (it derives from a layer, not from ModuleOf), or when a metadata key begins with "adze.".
void save_model(Module& root, const std::string& path, const ModuleTypes& types = module_types(),
                const std::map<std::string, std::string>& metadata = {});
/// The network in the file, and its metadata. Files may come from anywhere: one that is broken in
/// any way gives one Error that names the file and the fault.
ModulePtr load_model(const std::string& path, const ModuleTypes& types = module_types(),
                     std::map<std::string, std::string>* metadata = nullptr);

/// The same in memory; `what` names the source in errors.
std::vector<std::byte> serialize_model(Module& root, const ModuleTypes& types = module_types(),
                                       const std::map<std::string, std::string>& metadata = {});
ModulePtr parse_model(std::span<const std::byte> bytes, const ModuleTypes& types = module_types(),
                      std::map<std::string, std::string>* metadata = nullptr,
                      const std::string& what = "buffer");

}  // namespace adze::nn
