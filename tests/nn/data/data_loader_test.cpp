#include "adze/nn/data/data_loader.h"

#include <algorithm>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/kernels/parallel.h"

#include "support/catch.h"

using namespace adze;
using namespace adze::nn::data;

namespace {

using Ints = std::vector<std::int64_t>;

TensorDataset numbers(std::int64_t n) {
  return TensorDataset(arange(n).to(float32).reshape({n, 1}), arange(n));
}

// The targets of one epoch, batch after batch.
std::vector<Ints> epoch(DataLoader& loader) {
  std::vector<Ints> batches;
  for (const auto& [data, target] : loader) {
    CHECK(data.sizes() == Shape{target.size(0), 1});
    CHECK(data.to_vector<std::int64_t>() == target.to_vector<std::int64_t>());
    batches.push_back(target.to_vector<std::int64_t>());
  }
  return batches;
}

Ints joined(const std::vector<Ints>& batches) {
  Ints all;
  for (const Ints& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

// Adds the epoch to the data.
class AddEpoch final : public Transform {
 public:
  Tensor apply(const Tensor& data, const BatchKey& key) const override {
    return data + static_cast<double>(key.epoch) + static_cast<double>(key.indices.front());
  }
};

}  // namespace

TEST_CASE("a data loader goes through its dataset in order", "[nn][data]") {
  DataLoader loader(numbers(7), {.batch_size = 3});
  CHECK(loader.size() == 3);
  CHECK(epoch(loader) == std::vector<Ints>{{0, 1, 2}, {3, 4, 5}, {6}});
  CHECK(epoch(loader) == std::vector<Ints>{{0, 1, 2}, {3, 4, 5}, {6}});
  CHECK(loader.epoch() == 2);
}

TEST_CASE("a data loader may drop the last, smaller batch", "[nn][data]") {
  DataLoader loader(numbers(7), {.batch_size = 3, .drop_last = true});
  CHECK(loader.size() == 2);
  CHECK(epoch(loader) == std::vector<Ints>{{0, 1, 2}, {3, 4, 5}});
  DataLoader even(numbers(6), {.batch_size = 3, .drop_last = true});
  CHECK(even.size() == 2);
  DataLoader small(numbers(2), {.batch_size = 3, .drop_last = true});
  CHECK(small.size() == 0);
  CHECK(epoch(small).empty());
}

TEST_CASE("shuffling gives each epoch its own permutation, by the seed", "[nn][data]") {
  DataLoader a(numbers(100), {.batch_size = 16, .shuffle = true, .seed = 5});
  const Ints first = joined(epoch(a)), second = joined(epoch(a));
  CHECK(first != second);
  for (Ints sorted : {first, second}) {
    std::sort(sorted.begin(), sorted.end());
    CHECK(sorted == arange(100).to_vector<std::int64_t>());
  }
  // Batch size, threads and the default generator play no part.
  kernels::set_num_threads(1);
  manual_seed(99);
  DataLoader b(numbers(100), {.batch_size = 7, .shuffle = true, .seed = 5});
  CHECK(joined(epoch(b)) == first);
  CHECK(joined(epoch(b)) == second);
  kernels::set_num_threads(0);
  b.set_epoch(1);
  CHECK(joined(epoch(b)) == second);
  DataLoader c(numbers(100), {.shuffle = true, .seed = 6});
  CHECK(joined(epoch(c)) != first);
}

TEST_CASE("the order of a seed stays the same", "[nn][data]") {
  DataLoader loader(numbers(8), {.batch_size = 8, .shuffle = true, .seed = 1});
  CHECK(joined(epoch(loader)) == Ints{5, 2, 6, 0, 4, 3, 7, 1});
}

TEST_CASE("without a seed the default generator gives one", "[nn][data]") {
  const auto order = [] {
    DataLoader loader(numbers(100), {.shuffle = true});
    return joined(epoch(loader));
  };
  manual_seed(3);
  const Ints first = order(), second = order();
  CHECK(first != second);
  manual_seed(3);
  CHECK(order() == first);
}

TEST_CASE("a loop that is left early does not disturb the next", "[nn][data]") {
  DataLoader loader(numbers(100), {.batch_size = 10, .shuffle = true, .seed = 5});
  DataLoader other(numbers(100), {.batch_size = 10, .shuffle = true, .seed = 5});
  for ([[maybe_unused]] const Batch& batch : loader) break;
  joined(epoch(other));
  CHECK(joined(epoch(loader)) == joined(epoch(other)));
  // Two loops at the same time.
  auto one = loader.begin(), two = loader.begin();
  CHECK_FALSE(one->target.equal(two->target));
}

TEST_CASE("a transform sees seed, epoch and indices", "[nn][data]") {
  DataLoader loader(numbers(4), {.batch_size = 2, .transform = std::make_shared<AddEpoch>()});
  const auto sums = [&] {
    std::vector<float> result;
    for (const auto& [data, target] : loader) result.push_back(data.sum().item<float>());
    return result;
  };
  CHECK(sums() == std::vector<float>{1, 9});   // 0 + 1 + 2 * 0; 2 + 3 + 2 * 2
  CHECK(sums() == std::vector<float>{3, 11});  // one more for each sample
}

TEST_CASE("a data loader works with subsets and without targets", "[nn][data]") {
  DataLoader loader(Subset(numbers(10), {9, 8, 7}), {.batch_size = 2});
  CHECK(epoch(loader) == std::vector<Ints>{{9, 8}, {7}});
  DataLoader plain(TensorDataset(ones({3, 2})), {.batch_size = 3});
  for (const Batch& batch : plain) CHECK_FALSE(batch.target.defined());
}

TEST_CASE("a data loader checks its batch size", "[nn][data]") {
  CHECK_THROWS_WITH(DataLoader(numbers(3), {.batch_size = 0}),
                    "DataLoader: batch_size must be > 0, got 0");
}
