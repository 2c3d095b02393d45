#include "adze/nn/optim/lr_scheduler.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace adze::optim {
inline namespace lr_scheduler {
namespace {

using std::numbers::pi;

double power(double base, std::int64_t exponent) {
  return std::pow(base, static_cast<double>(exponent));
}

// How many milestones lie at or before a step.
std::ptrdiff_t passed(const std::vector<std::int64_t>& milestones, std::int64_t epoch) {
  return std::upper_bound(milestones.begin(), milestones.end(), epoch) - milestones.begin();
}

}  // namespace

LRScheduler::LRScheduler(Optimizer& optimizer) : optimizer_(&optimizer) {
  for (std::size_t g = 0; g < optimizer.groups(); ++g) {
    base_lrs_.push_back(optimizer.initial_lr(g));
    optimizer.set_initial_lr(base_lrs_.back(), g);
  }
}

void LRScheduler::set_base_lr(double lr, std::size_t group) {
  base_lrs_[group] = lr;
  optimizer_->set_initial_lr(lr, group);
}

void LRScheduler::step_to(std::int64_t epoch) {
  check(epoch >= 0, "LRScheduler: the step must not be negative, got ", epoch);
  std::vector<double> rates;
  for (std::size_t g = 0; g < base_lrs_.size(); ++g) rates.push_back(lr_at(epoch, g));
  for (std::size_t g = 0; g < base_lrs_.size(); ++g) {
    optimizer_->set_lr(rates[g], g);
    if (const auto momentum = momentum_at(epoch, g)) optimizer_->set_momentum(*momentum, g);
  }
  last_epoch_ = epoch;
}

std::vector<double> LRScheduler::get_last_lr() const {
  std::vector<double> rates;
  for (std::size_t g = 0; g < base_lrs_.size(); ++g) rates.push_back(optimizer_->lr(g));
  return rates;
}

LambdaLR::LambdaLR(Optimizer& optimizer, const Function& lr_lambda)
    : LambdaLR(optimizer, std::vector<Function>(optimizer.groups(), lr_lambda)) {}

LambdaLR::LambdaLR(Optimizer& optimizer, std::vector<Function> lr_lambdas)
    : LRScheduler(optimizer), functions_(std::move(lr_lambdas)) {
  check(functions_.size() == optimizer.groups(), "LambdaLR: ", optimizer.groups(),
        " parameter groups need as many functions, got ", functions_.size());
  for (const Function& f : functions_) check(static_cast<bool>(f), "LambdaLR: a function is empty");
  step_to(0);
}

double LambdaLR::lr_at(std::int64_t epoch, std::size_t group) const {
  return base_lr(group) * functions_[group](epoch);
}

StepLR::StepLR(Optimizer& optimizer, std::int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  check(step_size > 0, "StepLR: step_size must be positive, got ", step_size);
  step_to(0);
}

double StepLR::lr_at(std::int64_t epoch, std::size_t group) const {
  return base_lr(group) * power(gamma_, epoch / step_size_);
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<std::int64_t> milestones, double gamma)
    : LRScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
  std::sort(milestones_.begin(), milestones_.end());
  step_to(0);
}

double MultiStepLR::lr_at(std::int64_t epoch, std::size_t group) const {
  return base_lr(group) * power(gamma_, passed(milestones_, epoch));
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma)
    : LRScheduler(optimizer), gamma_(gamma) {
  step_to(0);
}

double ExponentialLR::lr_at(std::int64_t epoch, std::size_t group) const {
  return base_lr(group) * power(gamma_, epoch);
}

LinearLR::LinearLR(Optimizer& optimizer, LinearLROptions options)
    : LRScheduler(optimizer), options_(options) {
  check(options.start_factor > 0 && options.start_factor <= 1,
        "LinearLR: start_factor must be in (0, 1], got ", options.start_factor);
  check(options.end_factor >= 0 && options.end_factor <= 1,
        "LinearLR: end_factor must be in [0, 1], got ", options.end_factor);
  check(options.total_iters > 0, "LinearLR: total_iters must be positive, got ",
        options.total_iters);
  step_to(0);
}

double LinearLR::lr_at(std::int64_t epoch, std::size_t group) const {
  const double done = static_cast<double>(std::min(epoch, options_.total_iters)) /
                      static_cast<double>(options_.total_iters);
  return base_lr(group) *
         (options_.start_factor + (options_.end_factor - options_.start_factor) * done);
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, std::int64_t T_max, double eta_min)
    : LRScheduler(optimizer), T_max_(T_max), eta_min_(eta_min) {
  check(T_max > 0, "CosineAnnealingLR: T_max must be positive, got ", T_max);
  step_to(0);
}

double CosineAnnealingLR::lr_at(std::int64_t epoch, std::size_t group) const {
  const double phase = pi * static_cast<double>(epoch) / static_cast<double>(T_max_);
  return eta_min_ + (base_lr(group) - eta_min_) * (1 + std::cos(phase)) / 2;
}

OneCycleLR::OneCycleLR(Optimizer& optimizer, double max_lr, std::int64_t total_steps,
                       OneCycleLROptions options)
    : OneCycleLR(optimizer, std::vector(optimizer.groups(), max_lr), total_steps, options) {}

OneCycleLR::OneCycleLR(Optimizer& optimizer, std::vector<double> max_lr, std::int64_t total_steps,
                       OneCycleLROptions options)
    : LRScheduler(optimizer),
      max_lr_(std::move(max_lr)),
      total_steps_(total_steps),
      options_(options) {
  check(max_lr_.size() == optimizer.groups(), "OneCycleLR: ", optimizer.groups(),
        " parameter groups need as many max_lr, got ", max_lr_.size());
  check(total_steps > 0, "OneCycleLR: total_steps must be positive, got ", total_steps);
  check(options.pct_start >= 0 && options.pct_start <= 1,
        "OneCycleLR: pct_start must be between 0 and 1, got ", options.pct_start);
  check(options.div_factor > 0 && options.final_div_factor > 0,
        "OneCycleLR: div_factor and final_div_factor must be positive, got ", options.div_factor,
        " and ", options.final_div_factor);
  check(!options.cycle_momentum || optimizer.momentum(), "OneCycleLR: ", optimizer.type(),
        " has no momentum to cycle; set cycle_momentum to false");

  const double total = static_cast<double>(total_steps), up = options.pct_start * total;
  phases_.push_back({up - 1, Level::initial, Level::max});
  if (options.three_phase) {
    phases_.push_back({2 * up - 2, Level::max, Level::initial});
    phases_.push_back({total - 1, Level::initial, Level::lowest});
  } else {
    phases_.push_back({total - 1, Level::max, Level::lowest});
  }
  for (std::size_t g = 0; g < max_lr_.size(); ++g) set_base_lr(max_lr_[g] / options.div_factor, g);
  step_to(0);
}

// What lies between the levels of the phase that a step belongs to; `value(level)` is a level.
template <class Value>
double OneCycleLR::interpolate(std::int64_t epoch, Value&& value) const {
  check(epoch <= total_steps_, "OneCycleLR: it has ", total_steps_, " steps, step ", epoch,
        " was asked for");
  const double step = static_cast<double>(epoch);
  double start = 0;
  std::size_t i = 0;
  while (i + 1 < phases_.size() && step > phases_[i].end_step) start = phases_[i++].end_step;
  const Phase& phase = phases_[i];
  // A phase without steps is over at once.
  const double length = phase.end_step - start, part = length == 0 ? 1 : (step - start) / length;
  const double from = value(phase.from), to = value(phase.to);
  if (options_.anneal_strategy == AnnealStrategy::linear) return (to - from) * part + from;
  return to + (from - to) / 2 * (1 + std::cos(pi * part));
}

double OneCycleLR::lr_of(Level level, std::size_t group) const {
  switch (level) {
    case Level::initial:
      return max_lr_[group] / options_.div_factor;
    case Level::max:
      return max_lr_[group];
    case Level::lowest:
      return max_lr_[group] / options_.div_factor / options_.final_div_factor;
  }
  return 0;
}

double OneCycleLR::lr_at(std::int64_t epoch, std::size_t group) const {
  // One step behind the end, a straight line would cross 0.
  return std::max(0.0, interpolate(epoch, [&](Level level) { return lr_of(level, group); }));
}

std::optional<double> OneCycleLR::momentum_at(std::int64_t epoch, std::size_t) const {
  if (!options_.cycle_momentum) return {};
  const double momentum = interpolate(epoch, [&](Level level) {
    return level == Level::max ? options_.base_momentum : options_.max_momentum;
  });
  const auto [low, high] = std::minmax(options_.base_momentum, options_.max_momentum);
  return std::clamp(momentum, low, high);
}

SequentialLR::SequentialLR(Optimizer& optimizer,
                           std::vector<std::shared_ptr<LRScheduler>> schedulers,
                           std::vector<std::int64_t> milestones)
    : LRScheduler(optimizer),
      schedulers_(std::move(schedulers)),
      milestones_(std::move(milestones)) {
  check(!schedulers_.empty() && milestones_.size() + 1 == schedulers_.size(),
        "SequentialLR: ", schedulers_.size(), " schedules need one milestone less, got ",
        milestones_.size());
  check(std::is_sorted(milestones_.begin(), milestones_.end()),
        "SequentialLR: milestones must not decrease");
  for (const auto& scheduler : schedulers_)
    check(scheduler != nullptr, "SequentialLR: a schedule is missing");
  step_to(0);
}

std::pair<const LRScheduler*, std::int64_t> SequentialLR::active(std::int64_t epoch) const {
  const auto i = static_cast<std::size_t>(passed(milestones_, epoch));
  return {schedulers_[i].get(), i == 0 ? epoch : epoch - milestones_[i - 1]};
}

double SequentialLR::lr_at(std::int64_t epoch, std::size_t group) const {
  const auto [scheduler, own_epoch] = active(epoch);
  return scheduler->lr_at(own_epoch, group);
}

std::optional<double> SequentialLR::momentum_at(std::int64_t epoch, std::size_t group) const {
  const auto [scheduler, own_epoch] = active(epoch);
  return scheduler->momentum_at(own_epoch, group);
}

}  // namespace lr_scheduler
}  // namespace adze::optim
