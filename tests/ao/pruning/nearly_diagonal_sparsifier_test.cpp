#include "adze/ao/pruning/nearly_diagonal_sparsifier.h"

#include <cstdlib>
#include <fstream>

#include <nlohmann/json.hpp>

#include "pruning_test_support.h"

using namespace adze;
using namespace adze::ao::pruning;
using adze::test::error_of;
using adze::test::layer_of;
using adze::test::mask_at;
using adze::test::SimpleLinear;
using adze::test::slot_at;

TEST_CASE("NearlyDiagonalSparsifier prepares the linear layers of a network",
          "[ao][pruning][upstream]") {
  SimpleLinear net;
  NearlyDiagonalSparsifier sparsifier;
  sparsifier.prepare(net);
  CHECK(sparsifier.groups().size() == 5);
  for (const SparseGroup& group : sparsifier.groups()) {
    CHECK(group.at("nearliness").to_int() == 1);
    CHECK(dynamic_cast<FakeSparsity*>(slot_at(net, group.tensor_fqn()).chain().at(0).get()));
  }
}

TEST_CASE("A nearliness of 1 leaves the diagonal", "[ao][pruning][upstream]") {
  SimpleLinear net;
  NearlyDiagonalSparsifier sparsifier({.nearliness = 1});
  sparsifier.prepare(net, {{"linear1.weight"}});
  const Tensor before = slot_at(net, "linear1.weight").value().clone();
  sparsifier.step();
  CHECK(mask_at(net, "linear1.weight").equal(eye(4)));
  sparsifier.squash_mask();
  CHECK(slot_at(net, "linear1.weight").value().equal(where(ne(eye(4), 0), before, 0)));
}

TEST_CASE("Every nearliness gives its band, or is refused", "[ao][pruning][upstream]") {
  auto net = layer_of(ones({32, 32}));
  for (std::int64_t nearliness = -1; nearliness < 100; ++nearliness) {
    CAPTURE(nearliness);
    NearlyDiagonalSparsifier sparsifier({.nearliness = nearliness});
    if (nearliness > 0 && (nearliness % 2 == 0 || nearliness / 2 >= 32)) {
      CHECK_THAT(error_of([&] { sparsifier.prepare(*net); }),
                 ContainsSubstring(nearliness % 2 == 0
                                       ? "nearliness can only be an odd number"
                                       : "nearliness cannot be larger than the dimensions of"));
      CHECK_FALSE(slot_at(*net, "0.weight").is_parametrized());
      continue;
    }
    sparsifier.prepare(*net);
    sparsifier.step();
    std::vector<float> band;
    for (std::int64_t r = 0; r < 32; ++r)
      for (std::int64_t c = 0; c < 32; ++c)
        band.push_back(nearliness > 0 && std::abs(r - c) <= nearliness / 2 ? 1.0f : 0.0f);
    CHECK(mask_at(*net, "0.weight").to_vector<float>() == band);
    slot_at(*net, "0.weight").drop_parametrizations();
  }
}

TEST_CASE("A nearliness set later that does not fit leaves the mask as it is",
          "[ao][pruning][errors]") {
  auto net = layer_of(ones({4, 4}));
  NearlyDiagonalSparsifier sparsifier({.nearliness = 3});
  sparsifier.prepare(*net);
  sparsifier.step();
  const Tensor before = mask_at(*net, "0.weight").clone();
  CHECK_THAT(error_of([&] { sparsifier.set(0, "nearliness", 2); }),
             ContainsSubstring("nearliness can only be an odd number, got 2"));
  CHECK_THAT(error_of([&] { sparsifier.set(0, "nearliness", 9); }),
             ContainsSubstring("(9, tensor (4, 4))"));
  sparsifier.step();
  CHECK(mask_at(*net, "0.weight").equal(before));
}

TEST_CASE("A vector has no diagonal", "[ao][pruning][errors]") {
  nn::Linear layer(4, 4);
  CHECK_THAT(error_of([&] { NearlyDiagonalSparsifier().prepare(layer, {{"bias"}}); }),
             ContainsSubstring("a diagonal needs a matrix, the tensor is (4,)"));
}

TEST_CASE("Bands are PyTorch's", "[ao][pruning][golden]") {
  const auto golden =
      nlohmann::json::parse(std::ifstream(ADZE_TEST_DATA_DIR "/pruning_masks.json"));
  int bands = 0;
  for (const auto& c : golden.at("nearly_diagonal")) {
    const Shape shape{c["shape"][0].get<std::int64_t>(), c["shape"][1].get<std::int64_t>()};
    auto net = layer_of(ones(shape));
    NearlyDiagonalSparsifier sparsifier({.nearliness = c["nearliness"].get<std::int64_t>()});
    sparsifier.prepare(*net);
    sparsifier.step();
    std::string expected, got;
    for (const auto& row : c["mask"]) expected += row.get<std::string>();
    for (const float v : mask_at(*net, "0.weight").to_vector<float>()) got += v != 0 ? '1' : '0';
    CHECK(got == expected);
    ++bands;
  }
  CHECK(bands == 9);
}
