#include "adze/ao/quantization/fuse_modules.h"

#include <set>

#include "adze/ao/quantization/attach.h"
#include "adze/nn/identity.h"

#include "quantization/positions.h"

namespace adze::ao::quantization {
namespace {

// One sequence, looked up and checked.
struct Match {
  std::vector<adze::nn::Submodule*> handles;
  std::vector<adze::nn::ModulePtr> modules;
  Fuser fuser = nullptr;
  bool observed = false;
};

std::string type_list(const std::vector<adze::nn::ModulePtr>& modules) {
  std::string out;
  for (const auto& m : modules) out += (out.empty() ? "" : ", ") + m->type();
  return out;
}

Match match(adze::nn::Module& root, const std::vector<std::string>& names,
            const BackendConfig& backend) {
  Match m;
  std::vector<ObjectType> types;
  for (const std::string& name : names) {
    adze::nn::Submodule* at = adze::nn::find_submodule(root, name);
    check(at != nullptr, "fuse_modules: there is no module '", name, "'");
    m.handles.push_back(at);
    m.modules.push_back(at->ptr());
    types.push_back(ModuleType::of(**at));
  }
  const BackendPatternConfig* row = names.size() > 1 ? backend.find(types) : nullptr;
  check(row != nullptr, "fuse_modules: did not find fuser method for: (", type_list(m.modules),
        ")");
  m.fuser = row->fuser_method;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const ObserverOrFakeQuant* observer = activation_post_process(*m.modules[i]);
    check(!observer || !observer->has_data(), "fuse_modules: '", names[i],
          "' is calibrated already, with the range it has before it is fused; fuse first, then "
          "calibrate");
    m.observed |= observer != nullptr;
  }
  return m;
}

void fuse(const Match& m) {
  for (const auto& module : m.modules) detach_observer(*module);
  const Fused fused = m.fuser(m.modules);
  adze::nn::swap(*m.handles.front(), *m.modules.front(), *m.modules.back(), fused.module,
                 fused.slots);
  for (std::size_t i = 1; i < m.handles.size(); ++i) {
    auto identity = adze::nn::make<adze::nn::Identity>();
    identity->train(m.modules[i]->training());
    m.handles[i]->set(identity);
  }
  if (m.observed) attach_observer(*fused.module, get_qconfig(*fused.module)->activation());
}

}  // namespace

adze::nn::ModulePtr fuse_modules(const adze::nn::ModulePtr& model,
                                 const std::vector<std::vector<std::string>>& modules_to_fuse,
                                 FuseOptions options) {
  const BackendConfig& backend =
      options.backend_config ? *options.backend_config : get_native_backend_config();
  adze::nn::Submodule root = working_copy(model, options.inplace, "fuse_modules");
  std::vector<Match> matches;
  std::set<std::string> seen;
  for (const auto& names : modules_to_fuse) {
    for (const std::string& name : names)
      check(seen.insert(name).second, "fuse_modules: '", name, "' is listed twice");
    matches.push_back(match(*root, names, backend));
  }
  for (const Match& m : matches) fuse(m);
  return root.ptr();
}

adze::nn::ModulePtr fuse_modules_qat(const adze::nn::ModulePtr& model,
                                     const std::vector<std::vector<std::string>>& modules_to_fuse,
                                     FuseOptions options) {
  check(model != nullptr, "fuse_modules_qat: needs a network, got none");
  check(model->training(), "fuse_modules_qat only works on models in training mode");
  return fuse_modules(model, modules_to_fuse, options);
}

}  // namespace adze::ao::quantization
