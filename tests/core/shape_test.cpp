#include "adze/core/shape.h"

#include "adze/core/error.h"

#include "support/catch.h"

using namespace adze;

TEST_CASE("a shape holds up to eight sizes", "[core][shape]") {
  Shape s{2, 3};
  s.push_back(4);
  s.insert(0, 1);
  CHECK(s == Shape{1, 2, 3, 4});
  s.erase(1);
  CHECK(s == Shape{1, 3, 4});
  CHECK(s.back() == 4);
  CHECK(Shape(3, 7) == Shape{7, 7, 7});
  CHECK_THROWS_WITH(Shape({1, 2, 3, 4, 5, 6, 7, 8, 9}),
                    ContainsSubstring("at most 8 dimensions are possible, got 9"));
  Shape full(8, 1);
  CHECK_THROWS_WITH(full.push_back(1), ContainsSubstring("got 9"));
  CHECK_THROWS_AS(s.erase(3), Error);
}

TEST_CASE("shapes are written as tuples", "[core][shape]") {
  CHECK(to_string(Shape{}) == "()");
  CHECK(to_string(Shape{4}) == "(4,)");
  CHECK(to_string(Shape{2, 3}) == "(2, 3)");
}

TEST_CASE("numel multiplies the sizes and refuses what does not fit", "[core][shape]") {
  constexpr std::int64_t big = std::int64_t{1} << 40;
  CHECK(numel({}) == 1);
  CHECK(numel({2, 3, 4}) == 24);
  CHECK(numel({big, 0, big}) == 0);
  CHECK_THROWS_WITH(numel({big, big}), ContainsSubstring("exceeds 64 bits"));
  CHECK_THROWS_WITH(numel({2, -1}), ContainsSubstring("must not be negative, got (2, -1)"));
}

TEST_CASE("contiguous strides are row-major and survive sizes of zero", "[core][shape]") {
  CHECK(contiguous_strides({2, 3, 4}) == Shape{12, 4, 1});
  CHECK(contiguous_strides({}) == Shape{});
  CHECK(contiguous_strides({2, 0, 4}) == Shape{4, 4, 1});
}

TEST_CASE("shapes broadcast from the back", "[core][shape]") {
  CHECK(broadcast_shapes({2, 3}, {3}) == Shape{2, 3});
  CHECK(broadcast_shapes({4, 1}, {1, 5}) == Shape{4, 5});
  CHECK(broadcast_shapes({}, {2}) == Shape{2});
  CHECK(broadcast_shapes({0, 1}, {1, 3}) == Shape{0, 3});
  CHECK_THROWS_WITH(broadcast_shapes({2, 3}, {2}, "add"),
                    ContainsSubstring("add: shapes (2, 3) and (2,) do not broadcast: sizes 3 and 2 "
                                      "in dimension -1 differ"));
}

TEST_CASE("dimensions wrap from the back", "[core][shape]") {
  CHECK(wrap_dim(-1, 3, "op") == 2);
  CHECK(wrap_dim(0, 3, "op") == 0);
  CHECK_THROWS_WITH(wrap_dim(3, 3, "softmax"),
                    ContainsSubstring("softmax: dimension 3 is out of range, expected -3 to 2"));
  CHECK_THROWS_WITH(wrap_dim(0, 0, "sum"), ContainsSubstring("the tensor has no dimensions"));
}
