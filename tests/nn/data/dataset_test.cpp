#include "adze/nn/data/dataset.h"

#include <set>

#include "adze/core/creation.h"
#include "adze/core/ops.h"

#include "support/catch.h"

using namespace adze;
using namespace adze::nn::data;

namespace {

using Ints = std::vector<std::int64_t>;

// Sample i is (i, 10 i) with target i.
TensorDataset numbers(std::int64_t n) {
  const Tensor i = arange(n);
  return TensorDataset(stack({i, i * 10}, 1), i);
}

// A dataset that knows single samples only.
class Squares final : public Dataset {
 public:
  std::int64_t size() const override { return 5; }
  Example get(std::int64_t i) const override { return {tensor({i, i * i}), full({}, i, int64)}; }
};

}  // namespace

TEST_CASE("a tensor dataset hands out rows", "[nn][data]") {
  const TensorDataset dataset = numbers(4);
  CHECK(dataset.size() == 4);
  const auto [data, target] = dataset.get(3);
  CHECK(data.to_vector<std::int64_t>() == Ints{3, 30});
  CHECK(target.item<std::int64_t>() == 3);
  const Batch batch = dataset.get_batch(Ints{2, 0, 2});
  CHECK(batch.data.sizes() == Shape{3, 2});
  CHECK(batch.target.to_vector<std::int64_t>() == Ints{2, 0, 2});
  batch.data.fill_(7);
  CHECK(dataset.data().sum().item<std::int64_t>() == 66);
}

TEST_CASE("a tensor dataset may do without targets", "[nn][data]") {
  const TensorDataset dataset(ones({3, 2}));
  CHECK_FALSE(dataset.get(0).target.defined());
  CHECK_FALSE(dataset.get_batch(Ints{0, 1}).target.defined());
}

TEST_CASE("a tensor dataset checks shapes and indices", "[nn][data]") {
  CHECK_THROWS_WITH(TensorDataset(tensor(1)), ContainsSubstring("without dimensions"));
  CHECK_THROWS_WITH(TensorDataset(ones({3, 2}), ones({2})),
                    "TensorDataset: as many targets as samples expected, got data (3, 2) and "
                    "targets (2,)");
  CHECK_THROWS_WITH(numbers(4).get(4),
                    "TensorDataset::get: index 4 is outside of the dataset, which has 4 samples");
  CHECK_THROWS_AS(numbers(4).get(-1), Error);
  CHECK_THROWS_WITH(numbers(4).get_batch(Ints{0, -1}), ContainsSubstring("index -1"));
}

TEST_CASE("batches of a dataset that knows single samples are stacked", "[nn][data]") {
  const Batch batch = Squares().get_batch(Ints{2, 4});
  CHECK(batch.data.to_vector<float>() == std::vector<float>{2, 4, 4, 16});
  CHECK(batch.target.to_vector<std::int64_t>() == Ints{2, 4});
  CHECK_THROWS_WITH(Squares().get_batch(Ints{}), ContainsSubstring("at least one index"));
}

TEST_CASE("a subset picks samples of a dataset", "[nn][data]") {
  const Subset odd(numbers(6), {5, 3, 1});
  CHECK(odd.size() == 3);
  CHECK(odd.get(0).target.item<std::int64_t>() == 5);
  CHECK(odd.get_batch(Ints{1, 2}).target.to_vector<std::int64_t>() == Ints{3, 1});
  CHECK_THROWS_WITH(odd.get(3), ContainsSubstring("Subset::get: index 3"));
  CHECK_THROWS_WITH(Subset(numbers(6), {6}), ContainsSubstring("Subset: index 6"));
  const Subset of_subset(odd, {2, 0});
  CHECK(of_subset.get_batch(Ints{0, 1}).target.to_vector<std::int64_t>() == Ints{1, 5});
}

TEST_CASE("datasets are shared by pointer, too", "[nn][data]") {
  const auto pointer = std::make_shared<Squares>();
  CHECK(Subset(pointer, {4}).get(0).data.to_vector<float>() == std::vector<float>{4, 16});
  CHECK_THROWS_WITH(SharedDataset(std::shared_ptr<const Dataset>()),
                    ContainsSubstring("null pointer"));
}

TEST_CASE("split cuts consecutive parts", "[nn][data]") {
  const std::vector<Subset> parts = split(numbers(5), {3, 2});
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].get_batch(Ints{0, 1, 2}).target.to_vector<std::int64_t>() == Ints{0, 1, 2});
  CHECK(parts[1].get_batch(Ints{0, 1}).target.to_vector<std::int64_t>() == Ints{3, 4});
  CHECK_THROWS_WITH(split(numbers(5), {3, 3}),
                    "split: the lengths must add up to the dataset's size 5, got 6");
  CHECK_THROWS_WITH(split(numbers(5), {6, -1}), ContainsSubstring("a part of 6 samples"));
}

TEST_CASE("random_split deals out every sample once, by its seed", "[nn][data]") {
  const auto dealt = [](std::uint64_t seed) {
    Ints order;
    for (const Subset& part : random_split(numbers(50), {30, 20}, seed))
      for (std::int64_t i = 0; i < part.size(); ++i)
        order.push_back(part.get(i).target.item<std::int64_t>());
    return order;
  };
  const Ints order = dealt(1);
  CHECK(std::set<std::int64_t>(order.begin(), order.end()).size() == 50);
  CHECK(dealt(1) == order);
  CHECK(dealt(2) != order);
}
