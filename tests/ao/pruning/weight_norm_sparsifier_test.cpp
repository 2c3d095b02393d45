#include "adze/ao/pruning/weight_norm_sparsifier.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <tuple>

#include <nlohmann/json.hpp>

#include "pruning_test_support.h"

using namespace adze;
using namespace adze::ao::pruning;
using adze::test::counting;
using adze::test::error_of;
using adze::test::layer_of;
using adze::test::mask_at;
using adze::test::SimpleLinear;
using adze::test::zeros_in;

namespace {

// The mask of a weight after one step.
Tensor mask_for(const Tensor& weight, WeightNormOptions options) {
  auto net = layer_of(weight);
  WeightNormSparsifier sparsifier(std::move(options));
  sparsifier.prepare(*net, {{"0.weight"}});
  sparsifier.step();
  return mask_at(*net, "0.weight").clone();
}

Tensor matrix(const std::vector<std::string>& rows) {
  std::vector<float> values;
  for (const std::string& row : rows)
    for (const char c : row) values.push_back(c == '1' ? 1.0f : 0.0f);
  return from_vector(
      values, {static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows[0].size())});
}

// The rule, written again in the plainest way: for every block a list of its elements, sorted.
std::vector<float> brute_force(const std::vector<float>& w, int rows, int cols, int bh, int bw,
                               int zeros, double level, int p) {
  const auto value = [&](int i) {
    const float v = w[static_cast<std::size_t>(i)];
    return p == 1 ? std::fabs(v) : v * v;
  };
  std::vector<std::vector<int>> blocks;
  for (int top = 0; top < rows; top += bh)
    for (int left = 0; left < cols; left += bw) {
      auto& block = blocks.emplace_back();
      for (int r = top; r < top + bh; ++r)
        for (int c = left; c < left + bw; ++c)
          if (r < rows && c < cols) block.push_back(r * cols + c);
    }
  std::vector<std::tuple<float, std::size_t>> order;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    float sum = 0;
    for (const int i : blocks[b]) sum += value(i);
    order.emplace_back(sum / static_cast<float>(blocks[b].size()), b);
  }
  std::sort(order.begin(), order.end());

  const double exact = level * static_cast<double>(blocks.size());
  double k = std::floor(exact);
  const double rest = exact - k;
  if (rest > 0.5 || (rest == 0.5 && std::fmod(k, 2) == 1)) k += 1;
  k = std::min(k, static_cast<double>(blocks.size()) - 1);
  if (level >= 1) k = static_cast<double>(blocks.size());
  if (level <= 0) k = 0;

  std::vector<float> mask(w.size(), 1.0f);
  for (int n = 0; n < static_cast<int>(k); ++n) {
    std::vector<int>& block = blocks[std::get<1>(order[static_cast<std::size_t>(n)])];
    std::stable_sort(block.begin(), block.end(), [&](int a, int b) { return value(a) < value(b); });
    for (int z = 0; z < zeros && z < static_cast<int>(block.size()); ++z)
      mask[static_cast<std::size_t>(block[static_cast<std::size_t>(z)])] = 0;
  }
  return mask;
}

}  // namespace

TEST_CASE("WeightNormSparsifier prepares the linear layers of a network",
          "[ao][pruning][upstream]") {
  SimpleLinear net;
  WeightNormSparsifier sparsifier;
  sparsifier.prepare(net);
  REQUIRE(sparsifier.groups().size() == 5);
  for (const SparseGroup& group : sparsifier.groups()) {
    nn::Module* module = get_arg_info_from_tensor_fqn(net, group.tensor_fqn()).module;
    REQUIRE(module != nullptr);
    CHECK(module->type() == "Linear");
    CHECK(nn::is_parametrized(*module, "weight"));
    nn::Slot& slot = adze::test::slot_at(net, group.tensor_fqn());
    REQUIRE(slot.chain().size() == 1);
    CHECK(dynamic_cast<FakeSparsity*>(slot.chain()[0].get()) != nullptr);
    CHECK(group.sparsity_level() == 0.5);
    CHECK(group.sparse_block_shape() == Shape{1, 4});
    CHECK(group.zeros_per_block() == 4);
  }
}

TEST_CASE("WeightNormSparsifier reaches its level and keeps it while weights change",
          "[ao][pruning][upstream]") {
  SimpleLinear net;
  WeightNormSparsifier sparsifier({.sparsity_level = 0.5});
  sparsifier.prepare(net, {{"linear1.weight"}});
  CHECK(mask_at(net, "linear1.weight").mean().item() == 1);
  for (int i = 0; i < 100; ++i) {
    sparsifier.step();
    CHECK(mask_at(net, "linear1.weight").mean().item() == 0.5);
    adze::test::slot_at(net, "linear1.weight").write(randn({4, 4}));
  }
  CHECK(sparsity(adze::test::slot_at(net, "linear1.weight").value()) == 0.5);
}

TEST_CASE("Two zeros in each run of four", "[ao][pruning][upstream]") {
  SimpleLinear net;
  WeightNormSparsifier sparsifier(
      {.sparsity_level = 1.0, .sparse_block_shape = {1, 4}, .zeros_per_block = 2});
  sparsifier.prepare(net, {{"linear1.weight"}});
  sparsifier.step();
  const Tensor mask = mask_at(net, "linear1.weight");
  CHECK(mask.mean().item() == 0.5);
  for (std::int64_t r = 0; r < 4; ++r) CHECK(zeros_in(mask[r]) == 2);
}

TEST_CASE("After a squash the layers are plain again", "[ao][pruning][upstream]") {
  SimpleLinear net;
  WeightNormSparsifier sparsifier;
  sparsifier.prepare(net);
  sparsifier.step();
  sparsifier.squash_mask();
  for (const SparseGroup& group : sparsifier.groups()) {
    nn::Slot& slot = adze::test::slot_at(net, group.tensor_fqn());
    CHECK_FALSE(slot.is_parametrized());
    CHECK(zeros_in(slot.value()) > 0);
  }
}

TEST_CASE("Every level, block shape and count of zeros gives exactly its share of zeros",
          "[ao][pruning][upstream]") {
  for (const double level : {-1.0, 0.0, 0.5, 1.0, 2.0})
    for (const Shape& block : {Shape{1, 1}, Shape{1, 4}, Shape{2, 2}, Shape{4, 1}})
      for (std::int64_t zeros = 0; zeros <= numel(block); ++zeros) {
        auto net = layer_of(ones({12, 12}));
        WeightNormSparsifier sparsifier;
        sparsifier.prepare(*net, {{.tensor_fqn = "0.weight",
                                   .sparsity_level = level,
                                   .sparse_block_shape = block,
                                   .zeros_per_block = zeros}});
        sparsifier.step();
        sparsifier.squash_mask();
        const double share = static_cast<double>(zeros) / static_cast<double>(numel(block));
        CHECK(sparsity(adze::test::slot_at(*net, "0.weight").value()) ==
              Approx(std::clamp(level, 0.0, 1.0) * share).margin(1e-12));
      }
}

TEST_CASE("Zeros of the 4x4 matrix 1..16 at each level", "[ao][pruning][golden]") {
  struct Row {
    double level;
    std::int64_t row4, element, square;
  };
  const Row rows[] = {
      {-1, 0, 0, 0},      {0, 0, 0, 0},      {0.1, 0, 2, 0},      {0.125, 0, 2, 0},
      {0.126, 4, 2, 4},   {0.375, 8, 6, 8},  {0.5, 8, 8, 8},      {0.625, 8, 10, 8},
      {0.7, 12, 11, 12},  {0.8, 12, 13, 12}, {0.875, 12, 14, 12}, {0.9, 12, 14, 12},
      {0.99, 12, 15, 12}, {1, 16, 16, 16},   {1.5, 16, 16, 16},
  };
  for (const Row& r : rows) {
    CAPTURE(r.level);
    const Tensor w = counting(4, 4);
    CHECK(zeros_in(mask_for(w, {.sparsity_level = r.level})) == r.row4);
    CHECK(zeros_in(mask_for(w, {.sparsity_level = r.level, .sparse_block_shape = {1, 1}})) ==
          r.element);
    CHECK(zeros_in(mask_for(w, {.sparsity_level = r.level, .sparse_block_shape = {2, 2}})) ==
          r.square);
  }
}

TEST_CASE("Some zeros per block of the 4x4 matrix 1..16", "[ao][pruning][golden]") {
  const auto count = [](double level, std::int64_t zeros) {
    return zeros_in(mask_for(counting(4, 4), {.sparsity_level = level, .zeros_per_block = zeros}));
  };
  for (std::int64_t z = 0; z <= 4; ++z) {
    CHECK(count(0, z) == 0);
    CHECK(count(0.25, z) == z);
    CHECK(count(0.5, z) == 2 * z);
    CHECK(count(1, z) == 4 * z);
  }
}

TEST_CASE("The smallest elements of a block go, the first of equals", "[ao][pruning][golden]") {
  const Tensor w = tensor({{4, -1, 3, 2}, {1, 1, 1, 1}, {0.5, 9, 0.1, 0.2}, {8, 7, 6, 5}});
  const Tensor two = mask_for(w, {.sparsity_level = 1, .zeros_per_block = 2});
  CHECK(two.equal(matrix({"1010", "0011", "1100", "1100"})));  // PyTorch: row 2 is a tie
  const Tensor square =
      mask_for(w, {.sparsity_level = 0.5, .sparse_block_shape = {2, 2}, .zeros_per_block = 2});
  // Means of squares are 4.75, 3.75, 48.6, 15.3: the two blocks above lose two 1s each.
  CHECK(square.equal(matrix({"1011", "0100", "1111", "1111"})));
}

TEST_CASE("Of equal blocks the first ones are pruned", "[ao][pruning]") {
  CHECK(mask_for(ones({2, 8}), {.sparsity_level = 0.5}).equal(matrix({"00000000", "11111111"})));
}

TEST_CASE("The norm decides which block counts less", "[ao][pruning][golden]") {
  const Tensor w = tensor({{3, 0, 0, 0}, {1, 1, 1, 1}});
  const Tensor second = matrix({"1111", "0000"}), first = matrix({"0000", "1111"});
  CHECK(mask_for(w, {.norm = 2}).equal(second));
  CHECK(mask_for(w, {}).equal(second));
  CHECK(mask_for(w, {.norm = 1}).equal(first));
  CHECK(mask_for(w, {.norm = [](const Tensor& t) { return neg(square(t)); }}).equal(first));
}

TEST_CASE("A norm that is not there, or gives another shape, is refused", "[ao][pruning][errors]") {
  CHECK(error_of([] { WeightNormSparsifier({.norm = 3}); }) == "L-3 is not yet implemented.");
  auto net = layer_of(ones({4, 4}));
  WeightNormSparsifier sparsifier({.norm = [](const Tensor& t) { return t.sum(); }});
  sparsifier.prepare(*net);
  CHECK(error_of([&] { sparsifier.step(); }) ==
        "WeightNormSparsifier.step: '0.weight': norm must give a tensor of shape (4, 4), it gave "
        "()");
}

TEST_CASE("A block at the edge counts as the mean of the elements it has",
          "[ao][pruning][golden]") {
  CHECK(mask_for(tensor({{3, 3, 3, 3, 4}}), {}).equal(matrix({"00001"})));
  CHECK(mask_for(tensor({{3, 3, 3, 3, 2}}), {}).equal(matrix({"11110"})));
}

TEST_CASE("Some zeros per block work where the shape is no multiple of the block",
          "[ao][pruning]") {
  // The block at the edge has two elements: with three zeros per block it loses both.
  CHECK(mask_for(tensor({{1, 2, 3, 4, 6, 5}}), {.sparsity_level = 1, .zeros_per_block = 3})
            .equal(matrix({"000100"})));
  CHECK(mask_for(tensor({{1, 2, 3, 4, 6, 5}}), {.sparsity_level = 1, .zeros_per_block = 1})
            .equal(matrix({"011110"})));
}

TEST_CASE("At least one block stays below level 1", "[ao][pruning]") {
  CHECK(zeros_in(mask_for(ones({1, 3}), {.sparsity_level = 0.99})) == 0);
  CHECK(zeros_in(mask_for(ones({2, 4}), {.sparsity_level = 0.99})) == 4);
}

TEST_CASE("A vector is one row, a tensor of more dimensions a matrix of its first one",
          "[ao][pruning]") {
  nn::Linear layer(counting(2, 4), counting(1, 8).reshape({8}).slice(0, 0, 2).clone());
  WeightNormSparsifier sparsifier({.sparse_block_shape = {1, 1}});
  sparsifier.prepare(layer, {{"bias"}});
  sparsifier.step();
  CHECK(mask_at(layer, "bias").equal(tensor({0, 1})));

  class Kernel : public nn::ModuleOf<Kernel> {
   public:
    nn::Parameter weight{"weight", counting(6, 12).reshape({6, 3, 2, 2})};
    nn::Parameter scalar{"scalar", tensor(2.0)};
    Tensor forward(const Tensor& x) { return x; }

   protected:
    void fields(nn::FieldList& f) override { f(weight, scalar); }
  };
  Kernel kernel;
  WeightNormSparsifier blocks({.sparse_block_shape = {2, 5}, .zeros_per_block = 7});
  blocks.prepare(kernel, {{"weight"}, {.tensor_fqn = "scalar", .sparsity_level = 1}});
  blocks.step();
  CHECK(mask_at(kernel, "weight").sizes() == Shape{6, 3, 2, 2});
  CHECK(
      mask_at(kernel, "weight")
          .reshape({6, 12})
          .equal(mask_for(counting(6, 12), {.sparse_block_shape = {2, 5}, .zeros_per_block = 7})));
  CHECK(mask_at(kernel, "scalar").item() == 0);
}

TEST_CASE("The dtype of a weight stays; float64 is ranked in float64", "[ao][pruning]") {
  for (const DType dtype : {float64, float16, bfloat16}) {
    auto net = layer_of(counting(4, 4).to(dtype));
    WeightNormSparsifier sparsifier;
    sparsifier.prepare(*net);
    sparsifier.step();
    const Tensor value = adze::test::slot_at(*net, "0.weight").value();
    CHECK(value.dtype() == dtype);
    CHECK(mask_at(*net, "0.weight").equal(matrix({"0000", "0000", "1111", "1111"})));
  }
  // Equal in float32.
  const Tensor w = from_vector(std::vector<double>{1 + 1e-12, 1}, {1, 2});
  CHECK(mask_for(w, {.sparse_block_shape = {1, 1}}).equal(matrix({"10"})));
}

TEST_CASE("NaN counts as the largest value", "[ao][pruning]") {
  const Tensor w = tensor({{std::nan(""), 5, 1, 7}});
  CHECK(mask_for(w, {.sparsity_level = 0.5, .sparse_block_shape = {1, 1}}).equal(matrix({"1001"})));
}

TEST_CASE("A weight without elements has a mask without elements", "[ao][pruning]") {
  CHECK(mask_for(empty({0, 4}), {}).sizes() == Shape{0, 4});
}

TEST_CASE("A constant level keeps the mask, a growing one adds zeros, a lower one takes some back",
          "[ao][pruning]") {
  auto net = layer_of(randn({16, 16}));
  WeightNormSparsifier sparsifier;
  sparsifier.prepare(*net);
  const Tensor stored = adze::test::slot_at(*net, "0.weight").original().clone();
  Tensor last = ones({16, 16});
  for (const double level : {0.3, 0.3, 0.5, 0.9}) {
    sparsifier.set(0, "sparsity_level", level);
    sparsifier.step();
    const Tensor mask = mask_at(*net, "0.weight").clone();
    CHECK((mask * last).equal(mask));
    last = mask;
  }
  sparsifier.set(0, "sparsity_level", 0.25);
  sparsifier.step();
  CHECK(zeros_in(mask_at(*net, "0.weight")) == 64);
  const Tensor value = adze::test::slot_at(*net, "0.weight").value();
  CHECK(value.equal(stored * mask_at(*net, "0.weight")));
}

TEST_CASE("A block shape of its own comes with its own zeros per block, unless that is given",
          "[ao][pruning]") {
  nn::Sequential net{nn::Linear(8, 8), nn::Linear(8, 8)};
  const std::vector<SparseConfig> config = {
      {.tensor_fqn = "0.weight", .sparse_block_shape = {4, 4}},
      {.tensor_fqn = "1.weight", .sparse_block_shape = {1, 1}, .zeros_per_block = 1}};
  WeightNormSparsifier a, b({.zeros_per_block = 2, .name = "b"});
  a.prepare(net, config);
  CHECK(a.groups()[0].zeros_per_block() == 16);
  CHECK(a.groups()[1].zeros_per_block() == 1);
  b.prepare(net, {config[0]});
  CHECK(b.groups()[0].zeros_per_block() == 2);
}

TEST_CASE("Settings that do not fit are refused at prepare", "[ao][pruning][errors]") {
  auto net = layer_of(ones({4, 4}));
  const auto refused = [&](SparseConfig config) {
    config.tensor_fqn = "0.weight";
    const std::string message = error_of([&] { WeightNormSparsifier().prepare(*net, {config}); });
    CHECK_FALSE(adze::test::slot_at(*net, "0.weight").is_parametrized());
    return message;
  };
  CHECK(refused({.zeros_per_block = 5}) ==
        "WeightNormSparsifier.prepare: '0.weight': Number of zeros per block cannot be more than "
        "the total number of elements in that block. (5 zeros, block (1, 4))");
  CHECK_THAT(refused({.zeros_per_block = -1}),
             ContainsSubstring("Number of zeros per block should be positive."));
  CHECK_THAT(refused({.sparse_block_shape = {1, 1}, .zeros_per_block = 4}),
             ContainsSubstring("cannot be more than the total number"));
  CHECK_THAT(refused({.sparse_block_shape = {0, 4}}),
             ContainsSubstring("expects rows and columns, both positive, got (0, 4)"));
  CHECK_THAT(refused({.sparse_block_shape = {4}}), ContainsSubstring("got (4,)"));
  CHECK_THAT(refused({.sparsity_level = std::nan("")}),
             ContainsSubstring("sparsity_level must be a number"));
  CHECK_THAT(refused({.extras = {{"sparsity_level", "high"}}}), ContainsSubstring("string"));
}

TEST_CASE("set refuses settings that do not fit", "[ao][pruning][errors]") {
  auto net = layer_of(ones({4, 4}));
  WeightNormSparsifier sparsifier;
  sparsifier.prepare(*net);
  CHECK_THAT(error_of([&] { sparsifier.set(0, "zeros_per_block", 9); }),
             ContainsSubstring("WeightNormSparsifier.set: '0.weight': Number of zeros"));
  CHECK(sparsifier.groups()[0].zeros_per_block() == 4);
}

TEST_CASE("The level of a second sparsifier counts the zeros of the first", "[ao][pruning]") {
  auto net = layer_of(tensor({{1, 2, 3, 4, 5, 6, 7, 8}}));
  WeightNormSparsifier blocks({.name = "blocks"}),
      elements({.sparsity_level = 0.75, .sparse_block_shape = {1, 1}, .name = "elements"});
  blocks.prepare(*net);
  elements.prepare(*net);
  blocks.step();
  elements.step();
  CHECK(mask_at(*net, "0.weight", 1).equal(matrix({"00000011"})));
  CHECK(sparsity(adze::test::slot_at(*net, "0.weight").value()) == 0.75);
}

TEST_CASE("The settings of a WeightNormSparsifier survive its state", "[ao][pruning][state]") {
  SimpleLinear net;
  WeightNormSparsifier sparsifier({.sparsity_level = 0.8, .sparse_block_shape = {2, 2}}), other;
  sparsifier.prepare(net, {{.tensor_fqn = "linear1.weight", .zeros_per_block = 3}});
  other.load_state_dict(net, sparsifier.state_dict());
  CHECK(other.groups()[0].sparsity_level() == 0.8);
  CHECK(other.groups()[0].sparse_block_shape() == Shape{2, 2});
  CHECK(other.groups()[0].zeros_per_block() == 3);
  nn::StateDict bad = sparsifier.state_dict();
  bad.metadata["groups.0"] =
      R"({"sparsity_level":0.5,"sparse_block_shape":[1,4],"zeros_per_block":5})";
  CHECK_THAT(error_of([&] { other.load_state_dict(net, bad); }),
             ContainsSubstring("Number of zeros per block cannot be more"));
  CHECK(other.groups()[0].zeros_per_block() == 3);
}

TEST_CASE("Masks follow the rule written a second time, on random matrices with and without ties",
          "[ao][pruning][property]") {
  Generator random(11);
  const auto pick = [&](std::uint64_t low, std::uint64_t high) {
    return static_cast<int>(low + random.below(high - low + 1));
  };
  for (int trial = 0; trial < 400; ++trial) {
    const int rows = pick(1, 9), cols = pick(1, 13), bh = pick(1, 5), bw = pick(1, 5);
    const int zeros = pick(0, static_cast<std::uint64_t>(bh * bw)), p = pick(1, 2);
    const double level = pick(0, 3) == 0 ? 0.125 * pick(0, 9) - 0.0625 : random.uniform();
    std::vector<float> w(static_cast<std::size_t>(rows * cols));
    // Few different values make ties; all results are exact then.
    const bool ties = pick(0, 1) == 0;
    for (float& v : w)
      v = ties ? static_cast<float>(pick(0, 4) - 2) : static_cast<float>(random.uniform() - 0.5);
    CAPTURE(trial, rows, cols, bh, bw, zeros, level, p, ties);
    const Tensor mask = mask_for(from_vector(w, {rows, cols}), {.sparsity_level = level,
                                                                .sparse_block_shape = {bh, bw},
                                                                .zeros_per_block = zeros,
                                                                .norm = p});
    REQUIRE(mask.to_vector<float>() == brute_force(w, rows, cols, bh, bw, zeros, level, p));
  }
}

TEST_CASE("Masks on random matrices are PyTorch's", "[ao][pruning][golden]") {
  const auto golden =
      nlohmann::json::parse(std::ifstream(ADZE_TEST_DATA_DIR "/pruning_masks.json"));
  int masks = 0;
  for (const auto& c : golden.at("weight_norm")) {
    const Shape shape{c["shape"][0].get<std::int64_t>(), c["shape"][1].get<std::int64_t>()};
    CAPTURE(shape, c["block"].dump(), c["zeros"].dump(), c["norm"].dump());
    Tensor weight = from_vector(c["weight"].get<std::vector<double>>(), shape);
    auto net = layer_of(weight.to(dtype_from_name(c["dtype"].get<std::string>())));
    WeightNormSparsifier sparsifier({.sparse_block_shape = {c["block"][0].get<std::int64_t>(),
                                                            c["block"][1].get<std::int64_t>()},
                                     .zeros_per_block = c["zeros"].get<std::int64_t>(),
                                     .norm = c["norm"].get<int>()});
    sparsifier.prepare(*net);
    for (std::size_t i = 0; i < c["levels"].size(); ++i) {
      sparsifier.set(0, "sparsity_level", c["levels"][i].get<double>());
      sparsifier.step();
      CHECK(mask_at(*net, "0.weight").equal(matrix(c["masks"][i].get<std::vector<std::string>>())));
      ++masks;
    }
  }
  CHECK(masks == 60);
}
