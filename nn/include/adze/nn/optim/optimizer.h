#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "adze/nn/slot.h"
#include "adze/nn/state_dict.h"

namespace adze::optim {

/// Slots that are trained with the same options.
template <class Options>
struct ParamGroup {
  std::vector<nn::SlotPtr> params;
  Options options = {};
};

/// Base of all optimisers: parameter groups, what is remembered of each parameter, and the way from
/// gradients to updates.
///
/// It holds slots, not tensors: what it remembers of a parameter stays with it when its network is
/// parametrized, pruned, fused or otherwise rebuilt around it. It updates the stored tensor of a
/// slot and then restores its pinned zeros. Parameters are float32 or float64.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Name of the class, "SGD".
  std::string type() const { return type_; }
  /// Updates every parameter that has a gradient. Throws, and changes nothing, when a gradient or
  /// what is remembered does not fit its parameter.
  void step();
  /// Drops the gradients of all parameters.
  void zero_grad();

  /// Number of parameter groups.
  std::size_t groups() const { return groups_.size(); }
  const std::vector<nn::SlotPtr>& params(std::size_t group = 0) const;

  double lr(std::size_t group = 0) const;
  void set_lr(double lr, std::size_t group = 0);
  /// Momentum of SGD, first beta of Adam; nothing for optimisers without.
  std::optional<double> momentum(std::size_t group = 0) const;
  /// Throws when there is none.
  void set_momentum(double momentum, std::size_t group = 0);
  /// The rate that schedules start from; `lr` unless a schedule has noted it.
  double initial_lr(std::size_t group = 0) const;
  void set_initial_lr(double lr, std::size_t group = 0);

  /// Copies of all that is needed to go on later: tensors "state.3.exp_avg", where 3 counts the
  /// parameters of all groups, and options "param_groups.0.lr" in the metadata.
  nn::StateDict state_dict() const;
  /// Takes over such a state. Throws, and changes nothing, when it is of another optimiser or does
  /// not fit the parameters.
  void load_state_dict(const nn::StateDict& state);

 protected:
  /// What is remembered of one parameter.
  struct State {
    std::int64_t step = 0;        // updates so far, this one included
    std::vector<Tensor> buffers;  // one for each buffer name; undefined until needed
  };
  struct OptionValue {
    std::string name;
    double value;  // booleans as 0 and 1
  };

  Optimizer(const char* type, std::span<const char* const> buffer_names)
      : type_(type), buffer_names_(buffer_names) {}
  /// Adds a group. Throws when it is empty, has a tensor that cannot be trained, or one that is
  /// already there.
  void add_params(std::vector<nn::SlotPtr> params);

  /// Updates `param` by its gradient; both contiguous and of one dtype.
  virtual void update(const Tensor& param, const Tensor& grad, State& state, std::size_t group) = 0;
  virtual std::vector<OptionValue> option_values(std::size_t group) const = 0;
  /// Sets the options, in the order of `option_values`; `dry_run`: only checks them.
  virtual void set_option_values(std::size_t group, std::span<const double> values,
                                 bool dry_run) = 0;
  virtual double& lr_of(std::size_t group) = 0;
  virtual double* momentum_of(std::size_t group) = 0;

 private:
  struct Group {
    std::vector<nn::SlotPtr> params;
    std::vector<State> states;
    std::optional<double> initial_lr;
  };
  std::size_t checked(std::size_t group) const;
  void check_gradients() const;
  void load_group(std::size_t g, std::size_t first, const nn::StateDict& state, Group& group,
                  std::vector<double>& options);

  const char* type_;
  std::span<const char* const> buffer_names_;
  std::vector<Group> groups_;
};

/// What an optimiser knows of its options.
///
/// Options has `lr`; the static `optimizer`, the name of the class, and `buffers`, the names of
/// what is remembered; `each(options, f)`, which calls f(name, field) for all fields; and
/// `check()`, which throws.
template <class Options>
class OptimizerOf : public Optimizer {
 public:
  explicit OptimizerOf(std::vector<nn::SlotPtr> params, Options options = {})
      : Optimizer(Options::optimizer, Options::buffers) {
    add_param_group({std::move(params), options});
  }
  explicit OptimizerOf(std::vector<ParamGroup<Options>> param_groups)
      : Optimizer(Options::optimizer, Options::buffers) {
    for (auto& group : param_groups) add_param_group(std::move(group));
  }

  void add_param_group(ParamGroup<Options> group) {
    group.options.check();
    add_params(std::move(group.params));
    options_.push_back(group.options);
  }
  const Options& options(std::size_t group = 0) const { return options_.at(group); }

 protected:
  std::vector<OptionValue> option_values(std::size_t group) const override {
    std::vector<OptionValue> values;
    Options::each(options_[group], [&](const char* name, const auto& field) {
      values.push_back({name, static_cast<double>(field)});
    });
    return values;
  }
  void set_option_values(std::size_t group, std::span<const double> values, bool dry_run) override {
    Options changed = options_[group];
    std::size_t i = 0;
    Options::each(changed,
                  [&]<class T>(const char*, T& field) { field = static_cast<T>(values[i++]); });
    changed.check();
    if (!dry_run) options_[group] = changed;
  }
  double& lr_of(std::size_t group) override { return options_[group].lr; }
  double* momentum_of(std::size_t group) override {
    if constexpr (requires(Options o) { o.momentum; }) {
      return &options_[group].momentum;
    } else if constexpr (requires(Options o) { o.betas; }) {
      return &options_[group].betas[0];
    } else {
      return nullptr;
    }
  }

 private:
  std::vector<Options> options_;
};

}  // namespace adze::optim
