#include "adze/nn/slot.h"

#include <algorithm>
#include <utility>

#include "adze/core/autograd.h"
#include "adze/core/ops.h"

namespace adze::nn {

std::optional<Tensor> Parametrization::right_inverse(const Tensor&) const {
  return std::nullopt;
}

Tensor Slot::value() const {
  if (chain_.empty()) [[likely]]
    return original_;
  std::lock_guard lock(cache_mutex_);
  const std::uint64_t now = version();
  const bool current = cache_.defined() && cached_version_ == now;
  // A cached value may carry a gradient that nobody wants now, but not lack one that is wanted.
  if (!current || (grad_enabled() && cache_.requires_grad() != original_.requires_grad())) {
    cache_ = evaluate(chain_.size());
    cached_version_ = now;
  }
  return cache_;
}

std::uint64_t Slot::version() const {
  std::uint64_t v = edits_ + (original_.defined() ? original_.version() : 0);
  for (const ParametrizationPtr& p : chain_) v += p->version();
  return v;
}

void Slot::push(ParametrizationPtr parametrization) {
  check(original_.defined(), "parametrization: the tensor is undefined");
  Tensor before = value(), after;
  {
    NoGrad guard;
    after = parametrization->forward(before);
  }
  check(after.defined() && after.sizes() == before.sizes(), "parametrization ",
        parametrization->type(), ": it may not change the shape of the tensor, ", before.sizes(),
        " became ", after.defined() ? to_string(after.sizes()) : "undefined");
  check(after.dtype() == before.dtype(), "parametrization ", parametrization->type(),
        ": it may not change the dtype of the tensor, ", before.dtype(), " became ", after.dtype());
  const std::uint64_t before_edit = version();
  chain_.push_back(std::move(parametrization));
  edits_ = before_edit + 1;
  changed();
}

void Slot::bake(const Parametrization* parametrization) {
  auto it = std::find_if(chain_.begin(), chain_.end(),
                         [&](const ParametrizationPtr& p) { return p.get() == parametrization; });
  if (it == chain_.end()) return;
  const std::uint64_t before_edit = version();
  NoGrad guard;
  const bool alone =
      std::all_of(chain_.begin(), it + 1, [](const ParametrizationPtr& p) { return p->is_mask(); });
  Tensor baked = alone ? (*it)->forward(original_)
                       : evaluate(static_cast<std::size_t>(it - chain_.begin()) + 1);
  chain_.erase(alone ? it : chain_.begin(), it + 1);
  replace_original(baked.is_same(original_) ? baked.clone() : baked);
  edits_ = before_edit + 1;
  changed();
}

void Slot::bake_all() {
  while (!chain_.empty()) bake(chain_.back().get());
}

void Slot::drop_parametrizations() {
  const std::uint64_t before_edit = version();
  chain_.clear();
  edits_ = before_edit + 1;
  changed();
}

void Slot::pin_zeros(const Tensor& mask) {
  check(mask.sizes() == original_.sizes(), "pin_zeros: mask is ", mask.sizes(), ", the tensor ",
        original_.sizes());
  NoGrad guard;
  const Tensor keep = ne(mask, 0);
  pinned_ = pinned_.defined() ? logical_and(pinned_, keep) : keep;
  constrain();
}

void Slot::assign(const Tensor& value) {
  NoGrad guard;
  Tensor v = value;
  for (auto it = chain_.rbegin(); it != chain_.rend(); ++it) {
    auto inverse = (*it)->right_inverse(v);
    check(inverse.has_value(), "parametrization ", (*it)->type(),
          " does not implement right_inverse, so the tensor cannot be assigned");
    v = *inverse;
  }
  write(v);
}

void Slot::write(const Tensor& original) {
  check(original.sizes() == original_.sizes(), "write: the parameter is ", original_.sizes(),
        ", the value ", original.sizes());
  NoGrad guard;
  original_.copy_(original);
  constrain();
}

void Slot::reset(Tensor original) {
  if (!chain_.empty()) {
    check(original.defined() && original.sizes() == original_.sizes() &&
              original.dtype() == original_.dtype(),
          "reset: a parametrized tensor keeps its shape ", original_.sizes(), " and dtype ",
          original_.dtype());
  }
  if (pinned_.defined())
    check(original.defined() && original.sizes() == pinned_.sizes(),
          "reset: a tensor with pinned zeros keeps its shape ", pinned_.sizes());
  const std::uint64_t before_edit = version();
  replace_original(std::move(original));
  edits_ = before_edit + 1;
  changed();
  constrain();
}

void Slot::constrain() {
  if (!pinned_.defined()) return;
  NoGrad guard;
  original_.copy_(where(pinned_, original_, 0.0f));
}

std::shared_ptr<Slot> Slot::clone(Tensor original) const {
  auto copy = std::make_shared<Slot>(std::move(original));
  for (const ParametrizationPtr& p : chain_) copy->chain_.push_back(p->clone());
  if (pinned_.defined()) copy->pinned_ = pinned_.clone();
  copy->sparse_params = sparse_params;
  if (!chain_.empty()) copies_.fetch_add(1, std::memory_order_relaxed);
  return copy;
}

Tensor Slot::evaluate(std::size_t links) const {
  Tensor v = original_;
  for (std::size_t i = 0; i < links; ++i) v = chain_[i]->forward(v);
  return v;
}

void Slot::changed() {
  std::lock_guard lock(cache_mutex_);
  cache_ = Tensor();
}

void Slot::replace_original(Tensor t) {
  if (t.defined() && original_.defined() && t.is_floating_point()) {
    t = t.detach();
    if (original_.requires_grad()) {
      t.requires_grad_();
      const Tensor grad = original_.grad();
      if (grad.defined() && grad.sizes() == t.sizes()) t.set_grad(grad);
    }
  }
  original_ = std::move(t);
}

}  // namespace adze::nn
