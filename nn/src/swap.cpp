#include "adze/nn/swap.h"

#include <utility>

namespace adze::nn {
namespace {

template <class F>
bool has_user_hook(const HookList<F>& hooks) {
  for (const auto& h : hooks)
    if (h->alive && !h->internal) return true;
  return false;
}

}  // namespace

void swap(Submodule& at, Module& first, Module& last, ModulePtr to, Slots policy) {
  check(to != nullptr, "swap at '", at.name(), "': needs a module, got none");
  first.drop_internal_hooks();
  last.drop_internal_hooks();
  if (policy == Slots::move) {
    for (Parameter* p : to->list().parameters)
      if (Parameter* old = first.slot_holder().find_parameter(p->name())) p->rebind(old->slot());
  }
  if (policy != Slots::inside) {
    for (Submodule* child : first.list().modules)
      if (const std::size_t n = (*child)->user_hooks())
        warn("swap: ", n, " hook(s) of '", at.name(), ".", child->name(),
             "' end here: ", to->type(), " has no such point");
    if (&first != &last && (has_user_hook(first.hooks_) || has_user_hook(last.pre_hooks_)))
      warn("swap: hooks between ", first.type(), " and ", last.type(), " end at '", at.name(),
           "': ", to->type(), " has no such point");
    for (auto& child : std::exchange(first.extra_, {}))
      if (!to->find_child(child->name())) to->extra_.push_back(std::move(child));
  }
  to->pre_hooks_ = std::exchange(first.pre_hooks_, {});
  to->hooks_ = std::exchange(last.hooks_, {});
  to->qconfig = std::exchange(first.qconfig, {});
  if (policy == Slots::inside) {
    to->set_training(first.training());
  } else {
    to->train(first.training());
  }
  at.set(std::move(to));
}

}  // namespace adze::nn
