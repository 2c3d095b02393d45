#include "adze/nn/optim/optimizer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include "adze/core/autograd.h"

namespace adze::optim {
namespace {

using adze::detail::concat;

// The shortest text that reads back as the same number.
std::string to_text(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

const std::string& text_at(const nn::StateDict& state, const std::string& key) {
  const auto found = state.metadata.find(key);
  check(found != state.metadata.end(), "load_state_dict: the optimiser's state lacks '", key, "'");
  return found->second;
}

template <class T>
T number_at(const nn::StateDict& state, const std::string& key) {
  const std::string& text = text_at(state, key);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  check(error == std::errc() && end == text.data() + text.size() &&
            std::isfinite(static_cast<double>(value)),
        "load_state_dict: '", key, "' must be a number, got '", text, "'");
  return value;
}

std::string group_key(std::size_t group, const std::string& name) {
  return concat("param_groups.", group, ".", name);
}
std::string state_key(std::size_t parameter, const std::string& name) {
  return concat("state.", parameter, ".", name);
}

}  // namespace

std::size_t Optimizer::checked(std::size_t group) const {
  check(group < groups_.size(), type(), ": there is no parameter group ", group, ", it has ",
        groups_.size());
  return group;
}

const std::vector<nn::SlotPtr>& Optimizer::params(std::size_t group) const {
  return groups_[checked(group)].params;
}

double Optimizer::lr(std::size_t group) const {
  return const_cast<Optimizer*>(this)->lr_of(checked(group));
}
void Optimizer::set_lr(double lr, std::size_t group) {
  check(std::isfinite(lr) && lr >= 0, type(), ": lr must not be negative, got ", lr);
  lr_of(checked(group)) = lr;
}

std::optional<double> Optimizer::momentum(std::size_t group) const {
  const double* momentum = const_cast<Optimizer*>(this)->momentum_of(checked(group));
  return momentum ? std::optional(*momentum) : std::nullopt;
}
void Optimizer::set_momentum(double momentum, std::size_t group) {
  double* target = momentum_of(checked(group));
  check(target != nullptr, type(), ": has no momentum");
  check(momentum >= 0 && momentum < 1, type(), ": momentum must be in [0, 1), got ", momentum);
  *target = momentum;
}

double Optimizer::initial_lr(std::size_t group) const {
  return groups_[checked(group)].initial_lr.value_or(lr(group));
}
void Optimizer::set_initial_lr(double lr, std::size_t group) {
  groups_[checked(group)].initial_lr = lr;
}

void Optimizer::add_params(std::vector<nn::SlotPtr> params) {
  check(!params.empty(), type(), ": a parameter group needs at least one parameter");
  std::unordered_set<const void*> seen;
  for (const Group& group : groups_)
    for (const nn::SlotPtr& slot : group.params) seen.insert(slot->original().id());
  for (std::size_t i = 0; i < params.size(); ++i) {
    check(params[i] && params[i]->original().defined(), type(), ": parameter ", i,
          " of the group is undefined");
    const Tensor& t = params[i]->original();
    check(t.dtype() == float32 || t.dtype() == float64, type(), ": parameter ", i, " ", t.sizes(),
          " has dtype ", t.dtype(), "; float32 and float64 are trained");
    check(seen.insert(t.id()).second, type(), ": parameter ", i, " ", t.sizes(),
          " is already in the optimiser");
  }
  Group group{std::move(params), {}, {}};
  group.states.resize(group.params.size());
  for (State& state : group.states) state.buffers.resize(buffer_names_.size());
  groups_.push_back(std::move(group));
}

void Optimizer::zero_grad() {
  for (const Group& group : groups_)
    for (const nn::SlotPtr& slot : group.params)
      if (slot->original().defined()) slot->original().set_grad(Tensor());
}

void Optimizer::check_gradients() const {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    for (std::size_t i = 0; i < group.params.size(); ++i) {
      const Tensor& param = group.params[i]->original();
      if (!param.defined() || !param.grad().defined()) continue;
      const Tensor grad = param.grad();
      check(grad.sizes() == param.sizes() && grad.dtype() == param.dtype(), type(),
            ": the gradient of parameter ", i, " of group ", g, " is ", grad.dtype(), " ",
            grad.sizes(), ", the parameter ", param.dtype(), " ", param.sizes());
      for (const Tensor& buffer : group.states[i].buffers)
        check(!buffer.defined() ||
                  (buffer.sizes() == param.sizes() && buffer.dtype() == param.dtype()),
              type(), ": parameter ", i, " of group ", g, " became ", param.dtype(), " ",
              param.sizes(), "; what is remembered of it is ",
              buffer.defined() ? concat(buffer.dtype(), " ", buffer.sizes()) : std::string());
    }
  }
}

void Optimizer::step() {
  check_gradients();
  const NoGrad guard;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    for (std::size_t i = 0; i < group.params.size(); ++i) {
      const Tensor param = group.params[i]->original();
      if (!param.defined() || !param.grad().defined()) continue;
      State& state = group.states[i];
      ++state.step;
      const Tensor dense = param.is_contiguous() ? param : param.detach().contiguous();
      update(dense, param.grad().contiguous(), state, g);
      if (!param.is_contiguous()) param.copy_(dense);
      group.params[i]->constrain();
    }
  }
}

nn::StateDict Optimizer::state_dict() const {
  nn::StateDict out;
  out.metadata["optimizer"] = type();
  out.metadata["param_groups"] = std::to_string(groups_.size());
  std::size_t index = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    out.metadata[group_key(g, "params")] = std::to_string(group.params.size());
    for (const OptionValue& option : option_values(g))
      out.metadata[group_key(g, option.name)] = to_text(option.value);
    if (group.initial_lr) out.metadata[group_key(g, "initial_lr")] = to_text(*group.initial_lr);
    for (const State& state : group.states) {
      if (state.step > 0) {
        out.metadata[state_key(index, "step")] = std::to_string(state.step);
        std::string names;
        for (std::size_t b = 0; b < state.buffers.size(); ++b) {
          if (!state.buffers[b].defined()) continue;
          const std::string name = buffer_names_[b];
          names += (names.empty() ? "" : " ") + name;
          out.tensors.emplace_back(state_key(index, name), state.buffers[b].clone());
        }
        out.metadata[state_key(index, "buffers")] = names;
      }
      ++index;
    }
  }
  return out;
}

void Optimizer::load_group(std::size_t g, std::size_t first, const nn::StateDict& state,
                           Group& group, std::vector<double>& options) {
  const auto count = number_at<std::size_t>(state, group_key(g, "params"));
  check(count == group.params.size(), "load_state_dict: parameter group ", g, " has ",
        group.params.size(), " parameters, the state ", count);
  for (const OptionValue& option : option_values(g))
    options.push_back(number_at<double>(state, group_key(g, option.name)));
  set_option_values(g, options, /*dry_run=*/true);
  group.initial_lr.reset();
  if (state.metadata.contains(group_key(g, "initial_lr")))
    group.initial_lr = number_at<double>(state, group_key(g, "initial_lr"));

  for (std::size_t i = 0; i < group.params.size(); ++i) {
    State& loaded = group.states[i];
    loaded = State{0, std::vector<Tensor>(buffer_names_.size())};
    const std::size_t index = first + i;
    if (!state.metadata.contains(state_key(index, "step"))) continue;
    loaded.step = number_at<std::int64_t>(state, state_key(index, "step"));
    check(loaded.step > 0, "load_state_dict: '", state_key(index, "step"),
          "' must be positive, got ", loaded.step);
    const std::string names = " " + text_at(state, state_key(index, "buffers")) + " ";
    for (std::size_t b = 0; b < loaded.buffers.size(); ++b) {
      const std::string name = buffer_names_[b];
      if (names.find(" " + name + " ") == std::string::npos) continue;
      const Tensor& buffer = state.at(state_key(index, name));
      const Tensor& param = group.params[i]->original();
      check(buffer.sizes() == param.sizes() && buffer.dtype() == param.dtype(),
            "load_state_dict: '", state_key(index, name), "' is ", buffer.dtype(), " ",
            buffer.sizes(), ", its parameter ", param.dtype(), " ", param.sizes());
      loaded.buffers[b] = buffer.detach().clone();
    }
  }
}

void Optimizer::load_state_dict(const nn::StateDict& state) {
  const std::string& kind = text_at(state, "optimizer");
  check(kind == type(), "load_state_dict: the state is of ", kind, ", this optimiser is ", type());
  const auto count = number_at<std::size_t>(state, "param_groups");
  check(count == groups_.size(), "load_state_dict: the optimiser has ", groups_.size(),
        " parameter groups, the state ", count);
  std::vector<Group> loaded = groups_;
  std::vector<std::vector<double>> options(groups_.size());
  std::size_t first = 0;
  for (std::size_t g = 0; g < loaded.size(); ++g) {
    load_group(g, first, state, loaded[g], options[g]);
    first += loaded[g].params.size();
  }
  for (std::size_t g = 0; g < loaded.size(); ++g)
    set_option_values(g, options[g], /*dry_run=*/false);
  groups_ = std::move(loaded);
}

}  // namespace adze::optim
