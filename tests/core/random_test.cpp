#include "adze/core/random.h"

#include <cmath>
#include <set>
#include <thread>

#include "adze/core/creation.h"
#include "adze/kernels/parallel.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("the n-th number depends on the seed and n only", "[core][random]") {
  Generator a(7), b(7);
  std::vector<std::uint64_t> first;
  for (int i = 0; i < 5; ++i) first.push_back(a.next());
  CHECK(a.offset() == 5);
  for (std::uint64_t i = 0; i < 5; ++i) CHECK(b.at(i) == first[i]);
  CHECK(b.reserve(2) == 0);
  CHECK(b.next() == first[2]);
  b.manual_seed(7);
  CHECK(b.next() == first[0]);
  CHECK(Generator(8).next() != first[0]);
  Generator copy(a);
  CHECK(copy.next() == a.next());
}

TEST_CASE("random numbers are pinned", "[core][random]") {
  // Any change here changes what a seed means to every user.
  Generator g(0);
  CHECK(g.at(0) == 0x96957a94baef186au);
  CHECK(g.at(1) == 0xbd3de669d0bba38fu);
  CHECK(Generator(42).at(1000000) == 0x37a92600fc8bba43u);
  Generator h(1);
  CHECK(rand({3}, &h).to_vector<float>() ==
        std::vector<float>{0.7682032585144043f, 0.81236732006073f, 0.6861342787742615f});
  CHECK(randn({3}, &h).to_vector<float>() ==
        std::vector<float>{-0.3492662f, -0.5739082f, -0.49156857f});
  CHECK(randperm(5, &h).to_vector<int>() == std::vector<int>{3, 1, 4, 0, 2});
}

TEST_CASE("uniform numbers lie in [0, 1) and spread evenly", "[core][random]") {
  Generator g(3);
  const std::vector<float> x = rand({100000}, &g).to_vector<float>();
  double sum = 0, squares = 0;
  std::vector<int> bins(10);
  for (float v : x) {
    REQUIRE(v >= 0);
    REQUIRE(v < 1);
    sum += v;
    squares += double(v) * v;
    ++bins[static_cast<std::size_t>(v * 10)];
  }
  // Within four standard deviations.
  CHECK(sum / 1e5 == Approx(0.5).margin(4 * std::sqrt(1.0 / 12 / 1e5)));
  CHECK(squares / 1e5 == Approx(1.0 / 3).margin(4 * std::sqrt(4.0 / 45 / 1e5)));
  for (int n : bins) CHECK(std::abs(n - 10000) < 4 * std::sqrt(9000.0));
}

TEST_CASE("normal numbers have the moments and tails of the distribution", "[core][random]") {
  Generator g(4);
  const std::vector<float> x = randn({200000}, &g).to_vector<float>();
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  int beyond_two = 0, beyond_three = 0;
  for (double v : x) {
    m1 += v;
    m2 += v * v;
    m3 += v * v * v;
    m4 += v * v * v * v;
    beyond_two += std::abs(v) > 2;
    beyond_three += std::abs(v) > 3;
  }
  const double n = 200000;
  CHECK(m1 / n == Approx(0).margin(4 / std::sqrt(n)));
  CHECK(m2 / n == Approx(1).margin(4 * std::sqrt(2 / n)));
  CHECK(m3 / n == Approx(0).margin(4 * std::sqrt(15 / n)));
  CHECK(m4 / n == Approx(3).margin(4 * std::sqrt(96 / n)));
  CHECK(beyond_two / n == Approx(0.0455003).margin(4 * std::sqrt(0.0455 / n)));
  CHECK(beyond_three / n == Approx(0.0026998).margin(4 * std::sqrt(0.0027 / n)));
}

TEST_CASE("normal numbers are the quantiles of the uniform ones", "[core][random]") {
  Generator g(12);
  const Tensor t = zeros({20000}, float64);
  normal_(t, 0, 1, &g);
  const std::vector<double> z = t.to_vector<double>();
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double p = (static_cast<double>(g.at(i) >> 12) + 0.5) * 0x1p-52;
    REQUIRE(std::erfc(-z[i] / std::sqrt(2.0)) / 2 == Approx(p).epsilon(1e-13));
  }
}

TEST_CASE("streams of neighbouring seeds are unrelated", "[core][random]") {
  Generator a(10), b(11);
  double dot = 0;
  for (int i = 0; i < 100000; ++i) dot += (a.uniform() - 0.5) * (b.uniform() - 0.5);
  CHECK(dot / 1e5 == Approx(0).margin(4.0 / 12 / std::sqrt(1e5)));
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Generator g(seed);
    for (std::uint64_t n = 0; n < 10; ++n) seen.insert(g.at(n));
  }
  CHECK(seen.size() == 10000);
}

TEST_CASE("random tensors do not depend on the number of threads", "[core][random]") {
  Generator one(5), many(5);
  kernels::set_num_threads(1);
  const Tensor a = randn({300, 1000}, &one);
  kernels::set_num_threads(4);
  const Tensor b = randn({300, 1000}, &many);
  kernels::set_num_threads(0);
  CHECK(a.equal(b));
  CHECK(one.offset() == 300000);
}

TEST_CASE("randint stays in its range and reaches both ends", "[core][random]") {
  Generator g(6);
  std::set<std::int64_t> seen;
  for (std::int64_t v : randint(-2, 3, {1000}, &g).to_vector<std::int64_t>()) seen.insert(v);
  CHECK(seen == std::set<std::int64_t>{-2, -1, 0, 1, 2});
  constexpr std::int64_t low = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t high = std::numeric_limits<std::int64_t>::max();
  CHECK(randint(low, high, {4}, &g).numel() == 4);
  CHECK_THROWS_WITH(randint(3, 3, {1}), ContainsSubstring("low < high expected, got 3 and 3"));
  CHECK_THROWS_AS(g.below(0), Error);
  CHECK(g.below(1) == 0);
}

TEST_CASE("randperm is a permutation and reaches all of them", "[core][random]") {
  Generator g(8);
  std::vector<int> p = randperm(50, &g).to_vector<int>();
  std::sort(p.begin(), p.end());
  for (int i = 0; i < 50; ++i) REQUIRE(p[static_cast<std::size_t>(i)] == i);
  std::map<std::vector<int>, int> counts;
  for (int i = 0; i < 6000; ++i) ++counts[randperm(3, &g).to_vector<int>()];
  CHECK(counts.size() == 6);
  for (const auto& [order, n] : counts) CHECK(std::abs(n - 1000) < 4 * std::sqrt(1000 * 5.0 / 6));
  CHECK(randperm(0, &g).numel() == 0);
  CHECK_THROWS_AS(randperm(-1), Error);
}

TEST_CASE("bernoulli is one with the given probability", "[core][random]") {
  Generator g(9);
  double ones = 0;
  for (float v : bernoulli({100000}, 0.3, &g).to_vector<float>()) {
    REQUIRE((v == 0 || v == 1));
    ones += v;
  }
  CHECK(ones / 1e5 == Approx(0.3).margin(4 * std::sqrt(0.21 / 1e5)));
  CHECK(bernoulli({5}, 0, &g).equal(zeros({5})));
  CHECK(bernoulli({5}, 1, &g).equal(full({5}, 1)));
  CHECK_THROWS_AS(bernoulli({5}, 1.5), Error);
}

TEST_CASE("uniform_ and normal_ fill views in place", "[core][random]") {
  Generator g(10), again(10);
  const Tensor t = zeros({3, 4});
  const Tensor column = t.select(1, 2);
  CHECK(uniform_(column, 2, 3, &g).is_same(column));
  for (float v : column.to_vector<float>()) CHECK((v >= 2 && v < 3));
  CHECK(t.select(1, 1).equal(zeros({3})));
  const Tensor flat = zeros({3});
  uniform_(flat, 2, 3, &again);
  CHECK(flat.equal(column.contiguous()));
  const Tensor d = zeros({4}, float64), h = zeros({4}, float16);
  normal_(d, 10, 0, &g);
  CHECK(d.to_vector<double>() == std::vector<double>(4, 10.0));
  normal_(h, 0, 1, &g);
  CHECK_FALSE(h.equal(zeros({4}, float16)));
  CHECK_THROWS_WITH(uniform_(zeros({2}, int64), 0, 1), ContainsSubstring("got int64"));
  CHECK_THROWS_AS(uniform_(flat, 1, 0), Error);
  CHECK_THROWS_AS(normal_(flat, 0, -1), Error);
}

TEST_CASE("manual_seed restarts the default generator", "[core][random]") {
  manual_seed(123);
  const Tensor a = rand({4});
  manual_seed(123);
  CHECK(rand({4}).equal(a));
  CHECK_FALSE(rand({4}).equal(a));
}

TEST_CASE("a generator may be shared between threads", "[core][random]") {
  Generator g(11);
  std::vector<std::vector<std::uint64_t>> taken(4);
  std::vector<std::thread> threads;
  for (auto& mine : taken)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) mine.push_back(g.next());
    });
  for (std::thread& t : threads) t.join();
  std::set<std::uint64_t> all;
  for (const auto& mine : taken) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 4000);
  CHECK(g.offset() == 4000);
}
