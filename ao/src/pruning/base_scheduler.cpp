#include "adze/ao/pruning/base_scheduler.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "state_text.h"

namespace adze::ao::pruning {
namespace {

std::string level_key(const char* name, std::size_t group) {
  return name + std::string(".") + std::to_string(group);
}

}  // namespace

BaseScheduler::BaseScheduler(BaseSparsifier& sparsifier, std::int64_t last_epoch)
    : sparsifier_(&sparsifier), last_epoch_(last_epoch) {
  check(sparsifier.is_prepared(),
        "scheduler: the sparsifier is not prepared; prepare() comes "
        "first");
  for (const SparseGroup& group : sparsifier.groups()) base_sl_.push_back(group.sparsity_level());
}

void BaseScheduler::start() {
  sparsifier_steps_ = sparsifier_->step_count();
  advance();
}

void BaseScheduler::step() {
  check(step_count_ > 0, type(), ".step: the constructor of the scheduler must end with start()");
  const bool early = step_count_ == 1 && sparsifier_->step_count() == sparsifier_steps_;
  advance();
  if (early)
    warn(
        "Detected call of `scheduler.step()` before `sparsifier.step()`. Call them in the opposite "
        "order: `sparsifier.step()` before `scheduler.step()`. Otherwise the first value of the "
        "sparsity schedule is skipped.");
}

void BaseScheduler::advance() {
  std::vector<double> levels;
  for (std::size_t g = 0; g < groups(); ++g) {
    levels.push_back(sl_at(last_epoch_ + 1, g));
    check(std::isfinite(levels.back()), type(), ": the level of group ", g, " at step ",
          last_epoch_ + 1, " is not a number: ", levels.back());
  }
  // Tensors that were prepared later have no schedule.
  const std::size_t n = std::min(levels.size(), sparsifier_->groups().size());
  for (std::size_t g = 0; g < n; ++g) sparsifier_->set(g, "sparsity_level", levels[g]);
  sparsifier_->enable_mask_update = true;
  last_sl_ = std::move(levels);
  ++last_epoch_;
  ++step_count_;
}

adze::nn::StateDict BaseScheduler::state_dict() const {
  SparseValues values{{"type", type()},
                      {"last_epoch", last_epoch_},
                      {"step_count", step_count_},
                      {"sparsifier_steps", sparsifier_->step_count() - sparsifier_steps_},
                      {"groups", groups()}};
  for (std::size_t g = 0; g < groups(); ++g) {
    values[level_key("base_sl", g)] = base_sl_[g];
    values[level_key("last_sl", g)] = last_sl_[g];
  }
  adze::nn::StateDict state;
  state.metadata["scheduler"] = adze::nn::values_to_text(values, type() + ".state_dict");
  state.metadata["scheduler.settings"] =
      adze::nn::values_to_text(settings(), type() + ".state_dict");
  return state;
}

void BaseScheduler::load_state_dict(const adze::nn::StateDict& state) {
  const std::string where = type() + ".load_state_dict";
  const SparseValues values = state_part(state, "scheduler", where),
                     settings = state_part(state, "scheduler.settings", where);
  const auto entry = [&](const std::string& name) { return state_entry(values, name, where); };
  check(entry("type").to_string() == type(), where, ": the state is that of a ",
        entry("type").to_string());
  check(entry("groups").to_int() == static_cast<std::int64_t>(groups()), where,
        ": the sparsifier has ", groups(), " groups, the state ", entry("groups").to_int());
  std::vector<double> base, last;
  for (std::size_t g = 0; g < groups(); ++g) {
    base.push_back(entry(level_key("base_sl", g)).to_double());
    last.push_back(entry(level_key("last_sl", g)).to_double());
  }
  const std::int64_t epoch = entry("last_epoch").to_int(), count = entry("step_count").to_int(),
                     steps = entry("sparsifier_steps").to_int();
  load_settings(settings);
  base_sl_ = std::move(base);
  last_sl_ = std::move(last);
  last_epoch_ = epoch;
  step_count_ = count;
  sparsifier_steps_ = sparsifier_->step_count() - steps;
}

std::string BaseScheduler::str() const {
  std::string text = type() + " (\nSparsifier " + sparsifier_->str() + "\n    base_sl: [";
  for (std::size_t g = 0; g < groups(); ++g) text += (g ? ", " : "") + Value(base_sl_[g]).str();
  return text + "]\n)";
}

std::ostream& operator<<(std::ostream& os, const BaseScheduler& scheduler) {
  return os << scheduler.str();
}

}  // namespace adze::ao::pruning
