#include "adze/core/creation.h"

#include <cmath>

#include "support/catch.h"

using namespace adze;
using Floats = std::vector<float>;
using Ints = std::vector<std::int64_t>;

TEST_CASE("tensors are made from nested braces", "[core][creation]") {
  CHECK(tensor(3.0).sizes() == Shape{});
  CHECK(tensor(3.0).item() == 3);
  CHECK(tensor({1, 2, 3}).to_vector<float>() == Floats{1, 2, 3});
  const Tensor m = tensor({{1, 2}, {3, 4}, {5, 6}});
  CHECK(m.sizes() == Shape{3, 2});
  CHECK(m.to_vector<float>() == Floats{1, 2, 3, 4, 5, 6});
  const Tensor p = tensor({{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}});
  CHECK(p.sizes() == Shape{2, 2, 2});
  CHECK(p.to_vector<float>() == Floats{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(tensor({{1}, {2}}).sizes() == Shape{2, 1});
  CHECK(tensor({{5}}).sizes() == Shape{1, 1});
  CHECK(tensor({{{{1, 2}}}}).sizes() == Shape{1, 1, 1, 2});
  CHECK(tensor({}).sizes() == Shape{0});
  const float x = 0.5f;
  CHECK(tensor({x, -x}).to_vector<float>() == Floats{0.5f, -0.5f});
  CHECK_THROWS_WITH(tensor({{1, 2}, {3, 4, 5}}),
                    ContainsSubstring("values of one shape expected, got (2,) and (3,)"));
  CHECK_THROWS_AS(tensor({{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}, {9, 10}}}), Error);
}

TEST_CASE("filled tensors have the asked dtype", "[core][creation]") {
  CHECK(zeros({2}).to_vector<float>() == Floats{0, 0});
  CHECK(ones({2}, int64).to_vector<std::int64_t>() == Ints{1, 1});
  CHECK(full({}, 2.5).item() == 2.5);
  CHECK(full({1}, 2.9, int32).item<int>() == 2);
  CHECK(full({1}, -128.5, int8).item<int>() == -128);
  CHECK_THROWS_WITH(full({1}, 300, uint8), ContainsSubstring("300 does not fit into uint8"));
  CHECK_THROWS_AS(full({1}, -1, uint8), Error);
  CHECK_THROWS_AS(full({1}, NAN, int64), Error);
  CHECK_THROWS_AS(full({1}, 0x1p63, int64), Error);
  CHECK(full({1}, 0.5, boolean).item<bool>());
  CHECK(empty({0, 3}).numel() == 0);
  CHECK(zeros({2, 0}).to_vector<float>().empty());
  CHECK_THROWS_WITH(zeros({2}, quint8), ContainsSubstring("needs qparams"));
  CHECK_THROWS_WITH(zeros({-1}), ContainsSubstring("must not be negative"));
  CHECK_THROWS_WITH(empty({std::int64_t{1} << 40, std::int64_t{1} << 21}),
                    ContainsSubstring("larger than memory can be"));
}

TEST_CASE("the _like functions take shape, dtype and quantizer", "[core][creation]") {
  const Tensor i = zeros({2, 3}, int16);
  CHECK(ones_like(i).dtype() == int16);
  CHECK(ones_like(i).sizes() == Shape{2, 3});
  CHECK(full_like(i, 7).to_vector<int>()[5] == 7);
}

TEST_CASE("eye has ones on its diagonal", "[core][creation]") {
  CHECK(eye(2).to_vector<float>() == Floats{1, 0, 0, 1});
  CHECK(eye(0).sizes() == Shape{0, 0});
  CHECK_THROWS_AS(eye(-1), Error);
}

TEST_CASE("arange stops before its end", "[core][creation]") {
  CHECK(arange(3).dtype() == int64);
  CHECK(arange(3).to_vector<std::int64_t>() == Ints{0, 1, 2});
  CHECK(arange(5, 0, -2).to_vector<std::int64_t>() == Ints{5, 3, 1});
  CHECK(arange(1, 7, 3).to_vector<std::int64_t>() == Ints{1, 4});
  CHECK(arange(2, 2).numel() == 0);
  CHECK(arange(0.0, 1.0, 0.25).to_vector<float>() == Floats{0, 0.25f, 0.5f, 0.75f});
  CHECK(arange(2.5).dtype() == float32);
  CHECK(arange(2.5).numel() == 3);
  CHECK_THROWS_WITH(arange(0, 5, -1), ContainsSubstring("does not lead from 0 to 5"));
  CHECK_THROWS_AS(arange(0, 5, 0), Error);
  CHECK_THROWS_AS(arange(0.0, INFINITY), Error);
}

TEST_CASE("linspace holds both ends", "[core][creation]") {
  CHECK(linspace(0, 1, 5).to_vector<float>() == Floats{0, 0.25f, 0.5f, 0.75f, 1});
  CHECK(linspace(-1, 1, 1).to_vector<float>() == Floats{-1});
  CHECK(linspace(0.1, 0.7, 4).to_vector<float>().back() == 0.7f);
  CHECK(linspace(0, 1, 0).numel() == 0);
}

TEST_CASE("from_vector keeps the element type", "[core][creation]") {
  CHECK(from_vector<double>({1, 2}, {2}).dtype() == float64);
  CHECK(from_vector<bool>({true, false}, {2}).dtype() == boolean);
  CHECK(tensor_of<std::int8_t>({1, -1}).to_vector<int>() == std::vector<int>{1, -1});
  CHECK_THROWS_WITH(from_vector<float>({1, 2, 3}, {2, 2}),
                    ContainsSubstring("shape (2, 2) has 4 elements, got 3"));
}

TEST_CASE("from_blob reads and writes the caller's memory and keeps its owner",
          "[core][creation]") {
  auto owner = std::make_shared<std::vector<float>>(Floats{1, 2, 3, 4});
  float* data = owner->data();
  std::weak_ptr<std::vector<float>> watch = owner;
  Tensor t = from_blob(data, {2, 2}, float32, std::move(owner));
  CHECK(t.data<float>() == data);
  t.fill_(5);
  CHECK(data[3] == 5);
  Tensor view = t.select(0, 1);
  t = Tensor();
  CHECK_FALSE(watch.expired());
  view = Tensor();
  CHECK(watch.expired());
  alignas(8) char bytes[16] = {};
  CHECK_THROWS_WITH(from_blob(bytes + 1, {2}, float32), ContainsSubstring("must be aligned"));
  CHECK_THROWS_AS(from_blob(nullptr, {2}, float32), Error);
}
