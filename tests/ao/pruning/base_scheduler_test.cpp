#include "adze/ao/pruning/base_scheduler.h"

#include <cmath>
#include <limits>

#include "adze/ao/pruning/nearly_diagonal_sparsifier.h"
#include "adze/ao/pruning/weight_norm_sparsifier.h"

#include "pruning_test_support.h"

using namespace adze;
using namespace adze::ao::pruning;
using adze::test::error_of;
using adze::test::Warnings;

namespace {

// Halves the level at each step after the first.
class HalvingSL : public BaseScheduler {
 public:
  explicit HalvingSL(BaseSparsifier& sparsifier) : BaseScheduler(sparsifier) { start(); }
  std::string type() const override { return "HalvingSL"; }
  double sl_at(std::int64_t epoch, std::size_t group) const override {
    const double now = sparsifier().groups()[group].sparsity_level();
    return epoch == 0 ? now : now * 0.5;
  }
};

class FunctionSL : public BaseScheduler {
 public:
  FunctionSL(BaseSparsifier& sparsifier, double at_one, bool started = true)
      : BaseScheduler(sparsifier), at_one_(at_one) {
    if (started) start();
  }
  std::string type() const override { return "FunctionSL"; }
  double sl_at(std::int64_t epoch, std::size_t group) const override {
    return epoch == 0 ? base_sl()[group] : at_one_;
  }

 private:
  double at_one_;
};

struct Pruned {
  nn::Sequential net{nn::Linear(16, 16)};
  WeightNormSparsifier sparsifier;
  Pruned() { sparsifier.prepare(net); }
};

}  // namespace

TEST_CASE("A schedule knows its sparsifier and the levels it started from",
          "[ao][pruning][upstream]") {
  Pruned p;
  HalvingSL schedule(p.sparsifier);
  CHECK(&schedule.sparsifier() == &p.sparsifier);
  CHECK(schedule.step_count() == 1);
  CHECK(schedule.last_epoch() == 0);
  CHECK(schedule.base_sl() == std::vector<double>{0.5});
  CHECK(schedule.get_last_sl() == std::vector<double>{0.5});
}

TEST_CASE("A schedule that steps before its sparsifier warns, once", "[ao][pruning][upstream]") {
  const char* text = "Detected call of `scheduler.step()` before `sparsifier.step()`.";
  {
    Pruned p;
    HalvingSL schedule(p.sparsifier);
    Warnings warnings;
    schedule.step();
    CHECK(warnings.mention(text));
    schedule.step();
    CHECK(warnings.all.size() == 1);
  }
  Pruned p;
  p.sparsifier.step();  // before the schedule was made: does not count
  HalvingSL early(p.sparsifier);
  Warnings warnings;
  early.step();
  CHECK(warnings.all.size() == 1);
  HalvingSL right(p.sparsifier);
  p.sparsifier.step();
  right.step();
  CHECK(warnings.all.size() == 1);
}

TEST_CASE("step sets the levels and turns mask updates on", "[ao][pruning][upstream]") {
  Pruned p;
  p.sparsifier.enable_mask_update = false;
  HalvingSL schedule(p.sparsifier);
  CHECK(p.sparsifier.enable_mask_update);
  CHECK(p.sparsifier.groups()[0].sparsity_level() == 0.5);
  p.sparsifier.enable_mask_update = false;
  p.sparsifier.step();
  schedule.step();
  CHECK(p.sparsifier.groups()[0].sparsity_level() == 0.25);
  CHECK(schedule.get_last_sl() == std::vector<double>{0.25});
  CHECK(schedule.step_count() == 2);
  CHECK(p.sparsifier.enable_mask_update);
}

TEST_CASE("A schedule needs a prepared sparsifier that has levels", "[ao][pruning][errors]") {
  WeightNormSparsifier unprepared;
  CHECK_THAT(error_of([&] { HalvingSL schedule(unprepared); }),
             ContainsSubstring("the sparsifier is not prepared"));
  nn::Linear layer(4, 4);
  NearlyDiagonalSparsifier diagonal;
  diagonal.prepare(layer);
  CHECK(error_of([&] { HalvingSL schedule(diagonal); }) ==
        "'weight' has no setting 'sparsity_level'; it has nearliness");
}

TEST_CASE("A level that is not a number stops a step before it begins", "[ao][pruning][errors]") {
  Pruned p;
  FunctionSL schedule(p.sparsifier, std::nan(""));
  p.sparsifier.step();
  CHECK(error_of([&] { schedule.step(); }) ==
        "FunctionSL: the level of group 0 at step 1 is not a number: nan");
  CHECK(p.sparsifier.groups()[0].sparsity_level() == 0.5);
  CHECK(schedule.last_epoch() == 0);
}

TEST_CASE("A constructor that forgets start() is found at the first step",
          "[ao][pruning][errors]") {
  Pruned p;
  FunctionSL schedule(p.sparsifier, 0.1, false);
  CHECK(error_of([&] { schedule.step(); }) ==
        "FunctionSL.step: the constructor of the scheduler must end with start()");
}

TEST_CASE("Tensors that are prepared after the schedule was made keep their level",
          "[ao][pruning]") {
  nn::Sequential net{nn::Linear(4, 4), nn::Linear(4, 4)};
  WeightNormSparsifier sparsifier;
  sparsifier.prepare(net, {{"0.weight"}});
  FunctionSL schedule(sparsifier, 0.1);
  sparsifier.prepare(net, {{"1.weight"}});
  sparsifier.step();
  schedule.step();
  CHECK(sparsifier.groups()[0].sparsity_level() == 0.1);
  CHECK(sparsifier.groups()[1].sparsity_level() == 0.5);
}

TEST_CASE("A schedule goes on where its state was saved", "[ao][pruning][state]") {
  Pruned a, b;
  FunctionSL saved(a.sparsifier, 0.1), loaded(b.sparsifier, 0.1);
  a.sparsifier.step();
  saved.step();
  loaded.load_state_dict(saved.state_dict());
  CHECK(loaded.last_epoch() == 1);
  CHECK(loaded.step_count() == 2);
  CHECK(loaded.base_sl() == std::vector<double>{0.5});
  CHECK(loaded.get_last_sl() == std::vector<double>{0.1});
  CHECK(b.sparsifier.groups()[0].sparsity_level() == 0.5);  // until the next step
  loaded.step();
  CHECK(b.sparsifier.groups()[0].sparsity_level() == 0.1);
  CHECK(loaded.state_dict().metadata.at("scheduler.settings") == "{}");
}

TEST_CASE("The state of another schedule is refused", "[ao][pruning][state][errors]") {
  Pruned p;
  HalvingSL halving(p.sparsifier);
  FunctionSL function(p.sparsifier, 0.1);
  CHECK(error_of([&] { function.load_state_dict(halving.state_dict()); }) ==
        "FunctionSL.load_state_dict: the state is that of a HalvingSL");
  nn::Sequential two{nn::Linear(4, 4), nn::Linear(4, 4)};
  WeightNormSparsifier sparsifier;
  sparsifier.prepare(two);
  FunctionSL other(sparsifier, 0.1);
  CHECK(error_of([&] { other.load_state_dict(function.state_dict()); }) ==
        "FunctionSL.load_state_dict: the sparsifier has 2 groups, the state 1");
}

TEST_CASE("A schedule prints its sparsifier and its levels", "[ao][pruning]") {
  Pruned p;
  HalvingSL schedule(p.sparsifier);
  CHECK(schedule.str() ==
        "HalvingSL (\nSparsifier " + p.sparsifier.str() + "\n    base_sl: [0.5]\n)");
}
