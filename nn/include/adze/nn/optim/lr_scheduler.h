#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "adze/nn/optim/optimizer.h"

namespace adze::optim {
inline namespace lr_scheduler {

/// Base of the schedules: sets the learning rate of each parameter group as a function of the
/// number of steps taken.
///
/// A schedule starts at step 0 when it is made. Rates are computed from the `initial_lr` of each
/// group, which is its rate when it first met a schedule. The optimiser must outlive it.
class LRScheduler {
 public:
  virtual ~LRScheduler() = default;
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;

  /// Goes on by one step.
  void step() { step_to(last_epoch_ + 1); }
  /// Goes to that step, as if `step()` had been called that often: resumes a training.
  void step_to(std::int64_t epoch);
  /// Steps taken.
  std::int64_t last_epoch() const { return last_epoch_; }
  /// Rates set last, one for each group.
  std::vector<double> get_last_lr() const;

  /// Rate of a group at a step.
  virtual double lr_at(std::int64_t epoch, std::size_t group) const = 0;
  /// Momentum (first beta of Adam) at a step; nothing for schedules that leave it alone.
  virtual std::optional<double> momentum_at(std::int64_t, std::size_t) const { return {}; }

 protected:
  explicit LRScheduler(Optimizer& optimizer);
  const Optimizer& optimizer() const { return *optimizer_; }
  double base_lr(std::size_t group) const { return base_lrs_[group]; }
  void set_base_lr(double lr, std::size_t group);

 private:
  Optimizer* optimizer_;
  std::vector<double> base_lrs_;
  std::int64_t last_epoch_ = 0;
};

/// initial_lr times what a function of the step gives; one function, or one per group.
class LambdaLR final : public LRScheduler {
 public:
  using Function = std::function<double(std::int64_t epoch)>;
  LambdaLR(Optimizer& optimizer, const Function& lr_lambda);
  LambdaLR(Optimizer& optimizer, std::vector<Function> lr_lambdas);
  double lr_at(std::int64_t epoch, std::size_t group) const override;

 private:
  std::vector<Function> functions_;
};

/// Multiplies by gamma every `step_size` steps.
class StepLR final : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma = 0.1);
  double lr_at(std::int64_t epoch, std::size_t group) const override;

 private:
  std::int64_t step_size_;
  double gamma_;
};

/// Multiplies by gamma at each milestone; a milestone given twice counts twice.
class MultiStepLR final : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma = 0.1);
  double lr_at(std::int64_t epoch, std::size_t group) const override;

 private:
  std::vector<std::int64_t> milestones_;
  double gamma_;
};

/// Multiplies by gamma at each step.
class ExponentialLR final : public LRScheduler {
 public:
  ExponentialLR(Optimizer& optimizer, double gamma);
  double lr_at(std::int64_t epoch, std::size_t group) const override;

 private:
  double gamma_;
};

struct LinearLROptions {
  double start_factor = 1.0 / 3;
  double end_factor = 1;
  std::int64_t total_iters = 5;
};
/// initial_lr times a factor that goes from start_factor to end_factor in `total_iters` equal
/// steps: a warm-up.
class LinearLR final : public LRScheduler {
 public:
  explicit LinearLR(Optimizer& optimizer, LinearLROptions options = {});
  double lr_at(std::int64_t epoch, std::size_t group) const override;

 private:
  LinearLROptions options_;
};

/// Half a cosine from initial_lr down to eta_min in T_max steps, and up again after that.
class CosineAnnealingLR final : public LRScheduler {
 public:
  CosineAnnealingLR(Optimizer& optimizer, std::int64_t T_max, double eta_min = 0);
  double lr_at(std::int64_t epoch, std::size_t group) const override;

 private:
  std::int64_t T_max_;
  double eta_min_;
};

enum class AnnealStrategy : std::uint8_t { cos, linear };
struct OneCycleLROptions {
  double pct_start = 0.3;  // share of the steps that goes up
  AnnealStrategy anneal_strategy = AnnealStrategy::cos;
  bool cycle_momentum = true;
  double base_momentum = 0.85;
  double max_momentum = 0.95;
  double div_factor = 25;         // initial_lr = max_lr / div_factor
  double final_div_factor = 1e4;  // lowest rate = initial_lr / final_div_factor
  bool three_phase = false;       // up, down to initial_lr in as many steps, then to the lowest
};
/// One cycle: up from max_lr / div_factor to max_lr, then down to the lowest rate, in total_steps
/// steps, while momentum goes the other way. Stepping further throws.
class OneCycleLR final : public LRScheduler {
 public:
  OneCycleLR(Optimizer& optimizer, double max_lr, std::int64_t total_steps,
             OneCycleLROptions options = {});
  /// With one max_lr per group.
  OneCycleLR(Optimizer& optimizer, std::vector<double> max_lr, std::int64_t total_steps,
             OneCycleLROptions options = {});
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  std::optional<double> momentum_at(std::int64_t epoch, std::size_t group) const override;

 private:
  enum class Level : std::uint8_t { initial, max, lowest };
  struct Phase {
    double end_step;
    Level from, to;
  };
  template <class Value>
  double interpolate(std::int64_t epoch, Value&& value) const;
  double lr_of(Level level, std::size_t group) const;

  std::vector<double> max_lr_;
  std::int64_t total_steps_;
  OneCycleLROptions options_;
  std::vector<Phase> phases_;
};

/// One schedule after the other: the next one starts from its step 0 at each milestone. There is
/// one milestone less than schedules, all of the same optimiser.
class SequentialLR final : public LRScheduler {
 public:
  SequentialLR(Optimizer& optimizer, std::vector<std::shared_ptr<LRScheduler>> schedulers,
               std::vector<std::int64_t> milestones);
  double lr_at(std::int64_t epoch, std::size_t group) const override;
  std::optional<double> momentum_at(std::int64_t epoch, std::size_t group) const override;

 private:
  // The schedule of that step, and its own step.
  std::pair<const LRScheduler*, std::int64_t> active(std::int64_t epoch) const;

  std::vector<std::shared_ptr<LRScheduler>> schedulers_;
  std::vector<std::int64_t> milestones_;
};

}  // namespace lr_scheduler
}  // namespace adze::optim
