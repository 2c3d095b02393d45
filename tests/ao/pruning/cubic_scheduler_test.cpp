#include "adze/ao/pruning/cubic_scheduler.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "adze/ao/pruning/weight_norm_sparsifier.h"
#include "adze/nn/dropout.h"

#include "pruning_test_support.h"

using namespace adze;
using namespace adze::ao::pruning;
using adze::test::error_of;

namespace {

struct TwoLayers {
  nn::Sequential net{nn::Linear(13, 17), nn::Dropout(0.5), nn::Linear(17, 3)};
  WeightNormSparsifier sparsifier;
  TwoLayers() {
    sparsifier.prepare(net, {{.tensor_fqn = "0.weight", .sparsity_level = 0.8},
                             {.tensor_fqn = "2.weight", .sparsity_level = 0.4}});
  }
  void step(BaseScheduler& schedule, int count = 1) {
    for (int i = 0; i < count; ++i) {
      sparsifier.step();
      schedule.step();
    }
  }
  std::vector<double> levels() const {
    return {sparsifier.groups()[0].sparsity_level(), sparsifier.groups()[1].sparsity_level()};
  }
};

using Levels = std::vector<double>;

}  // namespace

TEST_CASE("CubicSL starts at init_sl, or at zero when that is asked for",
          "[ao][pruning][upstream]") {
  for (const bool initially_zero : {true, false}) {
    TwoLayers t;
    CubicSL schedule(t.sparsifier, {.init_sl = 0.1, .init_t = 3, .initially_zero = initially_zero});
    CHECK(schedule.step_count() == 1);
    CHECK(schedule.base_sl() == Levels{0.8, 0.4});
    CHECK(t.levels() == (initially_zero ? Levels{0, 0} : Levels{0.1, 0.1}));
  }
}

TEST_CASE("CubicSL takes its way from init_sl to the targets", "[ao][pruning][upstream]") {
  TwoLayers t;
  CubicSL schedule(
      t.sparsifier,
      {.init_sl = 0.1, .init_t = 3, .delta_t = 2, .total_t = 5, .initially_zero = true});
  t.step(schedule, 2);
  CHECK(schedule.step_count() == 3);
  CHECK(t.levels() == Levels{0, 0});
  t.step(schedule);
  CHECK(t.levels()[0] == Approx(0.1));
  CHECK(t.levels()[1] == Approx(0.1));
  t.step(schedule);
  CHECK(t.levels()[0] == Approx(0.2897));
  CHECK(t.levels()[1] == Approx(0.1813));
  t.step(schedule);
  CHECK(t.levels()[0] == Approx(0.4416));
  CHECK(t.levels()[1] == Approx(0.2464));
  t.step(schedule, 3);
  CHECK(t.levels()[0] == Approx(0.7125));
  CHECK(t.levels()[1] == Approx(0.3625));
  t.step(schedule, 5);
  CHECK(t.levels() == Levels{0.8, 0.4});
  t.step(schedule, 3);
  CHECK(t.levels() == Levels{0.8, 0.4});
}

TEST_CASE("CubicSL without options takes 1000 steps", "[ao][pruning][golden]") {
  TwoLayers t;
  CubicSL schedule(t.sparsifier);
  CHECK(schedule.sl_at(0, 0) == 0);
  CHECK(schedule.sl_at(1, 0) == Approx(0.0023976).epsilon(1e-6));
  CHECK(schedule.sl_at(10, 0) == Approx(0.0237608).epsilon(1e-6));
  CHECK(schedule.sl_at(100, 0) == Approx(0.2168).epsilon(1e-9));
  CHECK(schedule.sl_at(500, 0) == Approx(0.7).epsilon(1e-12));
  CHECK(schedule.sl_at(1000, 0) == 0.8);
  CHECK(schedule.sl_at(2000, 0) == 0.8);
}

TEST_CASE("The levels of CubicSL are PyTorch's, bit for bit", "[ao][pruning][golden]") {
  const auto golden =
      nlohmann::json::parse(std::ifstream(ADZE_TEST_DATA_DIR "/pruning_masks.json"));
  int curves = 0;
  for (const auto& c : golden.at("cubic")) {
    const auto& o = c["options"];
    nn::Sequential net{nn::Linear(4, 4)};
    WeightNormSparsifier sparsifier({.sparsity_level = c["base_sl"].get<double>()});
    sparsifier.prepare(net);
    CubicSL schedule(sparsifier, {.init_sl = o.value("init_sl", 0.0),
                                  .init_t = o.value("init_t", std::int64_t{0}),
                                  .delta_t = o.value("delta_t", std::int64_t{10}),
                                  .total_t = o.value("total_t", std::int64_t{100}),
                                  .initially_zero = o.value("initially_zero", false)});
    Levels levels = schedule.get_last_sl();
    while (levels.size() < c["levels"].size()) {
      sparsifier.step();
      schedule.step();
      levels.push_back(schedule.get_last_sl()[0]);
    }
    CHECK(levels == c["levels"].get<Levels>());
    ++curves;
  }
  CHECK(curves == 5);
}

TEST_CASE("CubicSL takes the way down as well as up", "[ao][pruning]") {
  TwoLayers t;
  CubicSL schedule(t.sparsifier, {.init_sl = {0.9, 0.0}, .init_t = 2, .delta_t = 1, .total_t = 4});
  // (1 - t/4)³ of the way is left.
  const double left[] = {1, 1, 1, 0.421875, 0.125, 0.015625, 0, 0};
  for (std::int64_t e = 0; e < 8; ++e) {
    CHECK(schedule.sl_at(e, 0) == Approx(0.8 + 0.1 * left[e]));
    CHECK(schedule.sl_at(e, 1) == Approx(0.4 - 0.4 * left[e]));
  }
  CHECK(t.levels() == Levels{0.9, 0.0});
}

TEST_CASE("Options of CubicSL may differ by group", "[ao][pruning]") {
  TwoLayers t;
  CubicSL schedule(t.sparsifier, {.init_sl = {0.2, 0.1},
                                  .init_t = {0, 1},
                                  .delta_t = {1, 2},
                                  .total_t = {2, 3},
                                  .initially_zero = {false, true}});
  CHECK(t.levels() == Levels{0.2, 0});
  t.step(schedule);
  CHECK(t.levels()[0] == Approx(0.8 - 0.6 * 0.125));
  CHECK(t.levels()[1] == Approx(0.1));
}

TEST_CASE("CubicSL refuses lists of another length and ways without length",
          "[ao][pruning][errors]") {
  TwoLayers t;
  CHECK(error_of([&] {
          CubicSL bad(t.sparsifier, {.init_sl = {0.1, 0.2, 0.3}});
        }) == "Expected variable of length 2, but got 3");
  CHECK(error_of([&] { CubicSL bad(t.sparsifier, {.delta_t = 0}); }) ==
        "CubicSL: delta_t and total_t must be positive, got 0 and 100");
  CHECK(t.levels() == Levels{0.8, 0.4});
}

TEST_CASE("The state of CubicSL holds its options", "[ao][pruning][state]") {
  TwoLayers a, b;
  CubicSL saved(a.sparsifier, {.init_sl = 0.1, .delta_t = {2, 3}, .total_t = 5}),
      loaded(b.sparsifier);
  a.step(saved, 3);
  loaded.load_state_dict(saved.state_dict());
  for (int i = 0; i < 15; ++i) {
    a.step(saved);
    b.step(loaded);
    CHECK(a.levels() == b.levels());
  }
  nn::StateDict bad = saved.state_dict();
  bad.metadata["scheduler.settings"] = "{}";
  CHECK_THAT(error_of([&] { loaded.load_state_dict(bad); }),
             ContainsSubstring("CubicSL.load_state_dict: the state lacks 'init_sl.0'"));
}
