#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/random.h"
#include "adze/core/storage.h"
#include "adze/core/tensor_impl.h"

#include "support/catch.h"

using namespace adze;

namespace {

// A weight of which four channels in five are zero.
Tensor pruned(std::int64_t n, std::int64_t k, Generator* random) {
  const Tensor w = randn({n, k}, random);
  float* v = w.mutable_data<float>();
  for (std::int64_t i = 0; i < n; ++i)
    if (i / 16 % 5 != 0) std::fill_n(v + i * k, k, 0.0f);
  return w;
}

}  // namespace

TEST_CASE("a float layer gives the same from the first call on, dense or pruned",
          "[core][linear]") {
  Generator random(1);
  for (const bool sparse : {false, true})
    for (const std::int64_t rows : {1, 7, 16, 64}) {
      CAPTURE(sparse, rows);
      const Tensor w = sparse ? pruned(160, 48, &random) : randn({160, 48}, &random);
      const Tensor b = randn({160}, &random), x = randn({rows, 48}, &random);
      const Tensor first = linear(x, w, b);
      for (int i = 0; i < 3; ++i) CHECK(linear(x, w, b).equal(first));
    }
}

TEST_CASE("a float layer sees what is written to its weight", "[core][linear]") {
  Generator random(2);
  const Tensor w = pruned(160, 48, &random), x = randn({4, 48}, &random);
  for (int i = 0; i < 4; ++i) linear(x, w, {});
  w.fill_(1);
  CHECK(linear(x, w, {}).equal(linear(x, ones({160, 48}), {})));
  for (int i = 0; i < 3; ++i) linear(x, w, {});
  w.mutable_data<float>()[0] = 5;
  const Tensor changed = linear(x, w.clone(), {});
  CHECK(linear(x, w, {}).equal(changed));
}

TEST_CASE("zeros of a pruned float weight meet infinities in every call alike", "[core][linear]") {
  Generator random(4);
  const Tensor w = pruned(160, 48, &random);
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    const Tensor x = randn({16, 48}, &random);
    x.mutable_data<float>()[5 * 48 + 7] = bad;
    for (int i = 0; i < 4; ++i) {
      const Tensor y = linear(x, w, {});
      CHECK(std::isnan(y.data<float>()[5 * 160 + 20]));  // a channel of zeros
      CHECK(std::isfinite(y.data<float>()[4 * 160 + 20]));
    }
  }
}

TEST_CASE("a weight in memory of somebody else is read at every call", "[core][linear]") {
  std::vector<float> memory(64 * 32, 1.0f);
  const Tensor w = from_blob(memory.data(), {64, 32}, float32, nullptr);
  const Tensor x = ones({2, 32});
  for (int i = 0; i < 4; ++i) linear(x, w, {});
  std::fill(memory.begin(), memory.end(), 2.0f);
  CHECK(linear(x, w, {}).equal(full({2, 64}, 64.0)));
}
