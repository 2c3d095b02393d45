#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "adze/ao/pruning/base_sparsifier.h"

namespace adze::ao::pruning {

/// One value for all groups of a sparsifier, or one for each.
template <class T>
class PerGroup {
 public:
  PerGroup(T value) : values_{value}, one_(true) {}
  PerGroup(std::initializer_list<T> values) : values_(values) {}
  PerGroup(std::vector<T> values) : values_(std::move(values)) {}

  /// One value for each of `groups` groups; throws when another number was given.
  std::vector<T> expand(std::size_t groups) const {
    if (one_) return std::vector<T>(groups, values_[0]);
    check(values_.size() == groups, "Expected variable of length ", groups, ", but got ",
          values_.size());
    return values_;
  }

 private:
  std::vector<T> values_;
  bool one_ = false;
};

/// Base of the schedules of a sparsifier: sets the sparsity_level of each group as a function of
/// the number of steps taken.
///
///     CubicSL schedule(sparsifier, {.total_t = 5});
///     for (...) { train(); sparsifier.step(); schedule.step(); }
///
/// A schedule works from the levels that the groups have when it is made. It must be made after
/// prepare, and the sparsifier must outlive it.
class BaseScheduler {
 public:
  virtual ~BaseScheduler() = default;
  BaseScheduler(const BaseScheduler&) = delete;
  BaseScheduler& operator=(const BaseScheduler&) = delete;

  /// Name of the class, "CubicSL".
  virtual std::string type() const = 0;
  /// Goes on by one step: sets the levels, and the sparsifier's enable_mask_update. Warns when the
  /// sparsifier has not made a step before the first one. Throws, and changes nothing, when a level
  /// is not a number.
  void step();
  /// Steps taken, not counting the one that a new schedule starts with.
  std::int64_t last_epoch() const { return last_epoch_; }
  /// Steps taken, counting that one.
  std::int64_t step_count() const { return step_count_; }

  BaseSparsifier& sparsifier() const { return *sparsifier_; }
  /// Levels of the groups when the schedule was made.
  const std::vector<double>& base_sl() const { return base_sl_; }
  /// Levels set last.
  const std::vector<double>& get_last_sl() const { return last_sl_; }
  /// Level of a group at a step.
  virtual double sl_at(std::int64_t epoch, std::size_t group) const = 0;

  /// What is needed to go on later, as text. Functions are not part of it, nor are the levels that
  /// the sparsifier has.
  adze::nn::StateDict state_dict() const;
  /// Takes over such a state; the groups get their levels at the next step. Throws, and changes
  /// nothing, when it is of another class or number of groups.
  void load_state_dict(const adze::nn::StateDict& state);

  /// The class, the sparsifier and base_sl, as the field prints them.
  std::string str() const;

 protected:
  /// Throws when the sparsifier is not prepared or has a group without sparsity_level.
  explicit BaseScheduler(BaseSparsifier& sparsifier, std::int64_t last_epoch = -1);
  /// Takes the step that a new schedule starts with: the last line of every constructor.
  void start();
  std::size_t groups() const { return base_sl_.size(); }

  /// Settings of a derived class that belong into its state, and back.
  virtual SparseValues settings() const { return {}; }
  virtual void load_settings(const SparseValues&) {}

 private:
  void advance();
  std::vector<double> levels_at(std::int64_t epoch) const;

  BaseSparsifier* sparsifier_;
  std::vector<double> base_sl_, last_sl_;
  std::int64_t last_epoch_, step_count_ = 0;
  std::int64_t sparsifier_steps_ = 0;  // step_count of the sparsifier at the start
};

std::ostream& operator<<(std::ostream& os, const BaseScheduler& scheduler);

}  // namespace adze::ao::pruning
