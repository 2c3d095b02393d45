#include "adze/ao/pruning/lambda_scheduler.h"

#include "adze/ao/pruning/weight_norm_sparsifier.h"

#include "pruning_test_support.h"

using namespace adze;
using namespace adze::ao::pruning;
using adze::test::error_of;

TEST_CASE("LambdaSL multiplies the level by a function of the step, without a limit",
          "[ao][pruning][upstream]") {
  nn::Sequential net{nn::Linear(16, 16)};
  WeightNormSparsifier sparsifier;
  sparsifier.prepare(net);
  LambdaSL schedule(sparsifier,
                    [](std::int64_t epoch) { return 10.0 * static_cast<double>(epoch); });
  CHECK(sparsifier.groups()[0].sparsity_level() == 0.0);
  sparsifier.step();
  schedule.step();
  CHECK(sparsifier.groups()[0].sparsity_level() == 5.0);
}

TEST_CASE("LambdaSL takes one function per group, and as many as there are groups",
          "[ao][pruning]") {
  nn::Sequential net{nn::Linear(4, 4), nn::Linear(4, 4)};
  WeightNormSparsifier sparsifier;
  sparsifier.prepare(net);
  const LambdaSL::Function one = [](std::int64_t) { return 1.0; },
                           half = [](std::int64_t) { return 0.5; };
  LambdaSL schedule(sparsifier, {one, half});
  CHECK(schedule.get_last_sl() == std::vector<double>{0.5, 0.25});
  CHECK(error_of([&] {
          LambdaSL bad(sparsifier, {one, half, one});
        }) == "LambdaSL: Expected 2 sl_lambdas, but got 3");
  CHECK(error_of([&] {
          LambdaSL bad(sparsifier, {one, nullptr});
        }) == "LambdaSL: a function is empty");
}

TEST_CASE("LambdaSL may start at a later step; a second schedule starts from the level it finds",
          "[ao][pruning]") {
  nn::Sequential net{nn::Linear(4, 4)};
  WeightNormSparsifier sparsifier;
  sparsifier.prepare(net);
  const LambdaSL::Function growing = [](std::int64_t t) { return 0.1 * static_cast<double>(t); };
  LambdaSL schedule(sparsifier, growing, 4);
  CHECK(schedule.last_epoch() == 5);
  CHECK(schedule.get_last_sl()[0] == 0.25);
  LambdaSL second(sparsifier, growing);
  CHECK(second.base_sl()[0] == 0.25);
}
