#include "adze/fx/hook_point.h"

#include <memory>

namespace adze::fx {

HookPoint::HookPoint(const nn::Module& module, When when) : when_(when) {
  if (when_ == When::before_forward)
    pre_ = module.user_pre_hooks();
  else
    post_ = module.user_forward_hooks();
}

std::string HookPoint::extra_repr() const {
  return when_ == When::before_forward ? "before_forward" : "after_forward";
}

Tensor HookPoint::forward_tensor(const Tensor& x) {
  const Value arg(x);
  return forward_values(std::span(&arg, 1)).to_tensor();
}

Value HookPoint::forward_values(std::span<const Value> given) {
  std::vector<Value> args(given.begin(), given.end());
  if (when_ == When::before_forward) {
    for (const auto& h : pre_)
      if (h->alive) h->call(*this, args);
    return args.size() == 1 ? std::move(args[0]) : Value(std::move(args));
  }
  check(!args.empty(), "HookPoint: an output was expected as last argument");
  Value output = std::move(args.back());
  args.pop_back();
  for (const auto& h : post_)
    if (h->alive) h->call(*this, args, output);
  return output;
}

// Handles of hooks do not reach copies.
nn::ModulePtr HookPoint::shallow_copy() const {
  auto copy = std::make_shared<HookPoint>(*this);
  for (auto& h : copy->pre_) h = std::make_shared<nn::HookEntry<nn::ForwardPreHook>>(*h);
  for (auto& h : copy->post_) h = std::make_shared<nn::HookEntry<nn::ForwardHook>>(*h);
  return copy;
}

}  // namespace adze::fx
