#include "adze/nn/deepcopy.h"

namespace adze::nn {
namespace {

template <class F>
void unshare(HookList<F>& hooks) {
  std::erase_if(hooks, [](const auto& h) { return !h->alive; });
  for (auto& h : hooks) h = std::make_shared<HookEntry<F>>(*h);
}

Tensor copy_tensor(const Tensor& t, Memo& memo) {
  if (!t.defined()) return {};
  Tensor& copy = memo.tensors[t.id()];
  if (!copy.defined()) {
    copy = t.detach().clone();
    if (t.requires_grad()) copy.requires_grad_();
    if (t.grad().defined()) copy.set_grad(t.grad().clone());
  }
  return copy;
}

}  // namespace

ModulePtr deepcopy(Module& module, Memo& memo) {
  if (auto it = memo.modules.find(&module); it != memo.modules.end()) return it->second;
  ModulePtr copy = module.shallow_copy();
  memo.modules[&module] = copy;
  unshare(copy->pre_hooks_);
  unshare(copy->hooks_);
  const FieldList fields = copy->list();
  for (Parameter* p : fields.parameters) {
    SlotPtr& slot = memo.slots[p->slot().get()];
    if (!slot) slot = p->slot()->clone(copy_tensor(p->slot()->original(), memo));
    p->rebind(slot);
  }
  for (Submodule* child : fields.modules) child->set(deepcopy(**child, memo));
  return copy;
}

ModulePtr deepcopy(const ModulePtr& module) {
  check(module != nullptr, "deepcopy: needs a module, got none");
  Memo memo;
  return deepcopy(*module, memo);
}

}  // namespace adze::nn
