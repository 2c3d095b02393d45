#include "adze/nn/optim/lr_scheduler.h"

#include <cmath>

#include "adze/core/creation.h"
#include "adze/nn/optim/adam.h"
#include "adze/nn/optim/sgd.h"

#include "golden.h"
#include "support/catch.h"
#include "support/modules.h"

using namespace adze;
using namespace adze::optim;
using adze::test::error_of;

namespace {

nn::SlotPtr slot() {
  return std::make_shared<nn::Slot>(zeros({1}).requires_grad_());
}

// Two groups with rates 0.1 and 0.02, as in optim.json.
SGD sgd() {
  return SGD({{{slot()}, {.lr = 0.1}}, {{slot()}, {.lr = 0.02}}});
}

// Compares every step with optim.json.
void check_schedule(const std::string& name, Optimizer& optimizer, LRScheduler& schedule) {
  const nlohmann::json& rows = test::optim_golden()["schedules"][name];
  REQUIRE(rows.size() >= 10);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(name, i);
    CHECK(optimizer.lr(0) == Approx(rows[i][0].get<double>()).epsilon(1e-12).margin(1e-16));
    CHECK(optimizer.lr(1) == Approx(rows[i][1].get<double>()).epsilon(1e-12).margin(1e-16));
    CHECK(optimizer.momentum() == Approx(rows[i][2].get<double>()).epsilon(1e-12));
    CHECK(schedule.last_epoch() == static_cast<std::int64_t>(i));
    CHECK(schedule.get_last_lr() == std::vector{optimizer.lr(0), optimizer.lr(1)});
    if (i + 1 < rows.size()) schedule.step();
  }
}

template <class S, class... Args>
void check_sgd_schedule(const std::string& name, Args... args) {
  SGD optimizer = sgd();
  S schedule(optimizer, args...);
  check_schedule(name, optimizer, schedule);
}

}  // namespace

TEST_CASE("Schedules follow PyTorch's step by step", "[nn][optim][lr_scheduler][golden]") {
  check_sgd_schedule<StepLR>("StepLR", 7, 0.5);
  check_sgd_schedule<MultiStepLR>("MultiStepLR", std::vector<std::int64_t>{20, 3, 20, 31});
  check_sgd_schedule<ExponentialLR>("ExponentialLR", 0.9);
  check_sgd_schedule<CosineAnnealingLR>("CosineAnnealingLR", 15, 0.001);
  check_sgd_schedule<LambdaLR>(
      "LambdaLR", [](std::int64_t epoch) { return 1.0 / (1.0 + static_cast<double>(epoch)); });
  check_sgd_schedule<LinearLR>("LinearLR");
  check_sgd_schedule<LinearLR>(
      "LinearLR down", LinearLROptions{.start_factor = 1, .end_factor = 0.1, .total_iters = 8});
}

TEST_CASE("OneCycleLR follows PyTorch's", "[nn][optim][lr_scheduler][golden]") {
  check_sgd_schedule<OneCycleLR>("OneCycleLR", 0.5, 40);
  check_sgd_schedule<OneCycleLR>("OneCycleLR linear", std::vector{0.5, 0.25}, 33,
                                 OneCycleLROptions{.pct_start = 0.4,
                                                   .anneal_strategy = AnnealStrategy::linear,
                                                   .base_momentum = 0.7,
                                                   .max_momentum = 0.9,
                                                   .div_factor = 10,
                                                   .final_div_factor = 100});
  check_sgd_schedule<OneCycleLR>("OneCycleLR no momentum", 0.5, 20,
                                 OneCycleLROptions{.cycle_momentum = false});
  Adam adam({{{slot()}, {.lr = 0.1}}, {{slot()}, {.lr = 0.1}}});
  OneCycleLR three_phase(adam, 0.5, 40, {.three_phase = true});
  check_schedule("OneCycleLR three_phase", adam, three_phase);
}

TEST_CASE("A warm-up goes over into another schedule", "[nn][optim][lr_scheduler][golden]") {
  SGD optimizer = sgd();
  const auto warm_up =
      std::make_shared<LinearLR>(optimizer, LinearLROptions{.start_factor = 0.1, .total_iters = 5});
  const auto cosine = std::make_shared<CosineAnnealingLR>(optimizer, 20);
  SequentialLR both(optimizer, {warm_up, cosine}, {5});
  check_schedule("SequentialLR", optimizer, both);
}

TEST_CASE("OneCycleLR ends with its last step", "[nn][optim][lr_scheduler]") {
  SGD optimizer = sgd();
  OneCycleLR cycle(optimizer, 0.5, 10, {.anneal_strategy = AnnealStrategy::linear});
  for (int i = 0; i < 10; ++i) cycle.step();
  CHECK(optimizer.lr() == 0);
  CHECK_THAT(error_of([&] { cycle.step(); }),
             ContainsSubstring("it has 10 steps, step 11 was asked for"));
  CHECK(cycle.last_epoch() == 10);
}

TEST_CASE("OneCycleLR may have phases without steps", "[nn][optim][lr_scheduler]") {
  SGD optimizer = sgd();
  // One step up: pct_start · total_steps - 1 = 0.
  OneCycleLR cycle(optimizer, 0.5, 10, {.pct_start = 0.1});
  CHECK(optimizer.lr() == 0.5);
  cycle.step_to(9);
  CHECK(optimizer.lr() == Approx(0.5 / 25 / 1e4));
}

TEST_CASE("A schedule goes on where a training stopped", "[nn][optim][lr_scheduler][state_dict]") {
  SGD first = sgd();
  CosineAnnealingLR before(first, 10);
  for (int i = 0; i < 4; ++i) before.step();
  SGD second = sgd();
  second.load_state_dict(first.state_dict());
  CHECK(second.initial_lr() == 0.1);
  CosineAnnealingLR after(second, 10);
  after.step_to(before.last_epoch());
  CHECK(second.lr() == first.lr());
  before.step();
  after.step();
  CHECK(second.lr() == first.lr());
}

TEST_CASE("Schedules refuse what makes no sense", "[nn][optim][lr_scheduler][error]") {
  SGD o = sgd();
  CHECK_THAT(error_of([&] { StepLR(o, 0); }), ContainsSubstring("step_size must be positive"));
  CHECK_THAT(error_of([&] { CosineAnnealingLR(o, 0); }), ContainsSubstring("T_max"));
  CHECK_THAT(error_of([&] { LinearLR(o, {.start_factor = 0}); }),
             ContainsSubstring("start_factor must be in (0, 1], got 0"));
  CHECK_THAT(error_of([&] { LinearLR(o, {.end_factor = 2}); }), ContainsSubstring("end_factor"));
  CHECK_THAT(error_of([&] { OneCycleLR(o, 1, 0); }), ContainsSubstring("total_steps"));
  CHECK_THAT(error_of([&] { OneCycleLR(o, 1, 5, {.pct_start = 1.5}); }),
             ContainsSubstring("pct_start must be between 0 and 1, got 1.5"));
  CHECK_THAT(error_of([&] { OneCycleLR(o, std::vector{1.0}, 5); }),
             ContainsSubstring("2 parameter groups need as many max_lr, got 1"));
  CHECK_THAT(error_of([&] { LambdaLR(o, std::vector<LambdaLR::Function>(1)); }),
             ContainsSubstring("as many functions"));
  CHECK_THAT(error_of([&] { SequentialLR(o, {}, {}); }), ContainsSubstring("one milestone less"));
  ExponentialLR e(o, 0.5);
  CHECK_THAT(error_of([&] { e.step_to(-1); }), ContainsSubstring("must not be negative"));
}
